import Foundation

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// The provider simulator as a process of its own: a real HTTP server that answers by script.
public final class Simulator: @unchecked Sendable {
    private let process = Process()
    private let input = Pipe()

    /// Where it listens.
    public let url: String

    /// Starts it. When it records, it keeps what happens and can be asked.
    public init(record: Bool = true) throws {
        guard let program = ProcessInfo.processInfo.environment["TERTULIA_SIMULATOR"] else {
            throw Failure("TERTULIA_SIMULATOR names the simulator: `tools/swift.py test` does")
        }
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = record ? ["--record"] : []
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        var line = Data()
        while let byte = try output.fileHandleForReading.read(upToCount: 1), let first = byte.first, first != 10 {
            line.append(first)
        }
        url = String(decoding: line, as: UTF8.self)
        if url.isEmpty { throw Failure("the simulator did not start") }
    }

    /// Ends it: it runs as long as its input is open.
    public func close() {
        try? input.fileHandleForWriting.close()
        process.terminate()
        process.waitUntilExit()
    }

    /// The requests so far, oldest first.
    public func requests() async throws -> [JSON] {
        try await ask("requests").list ?? []
    }

    /// Waits, up to 10 s, until a client has closed a connection in the middle of a reply.
    public func waitForHangUp() async throws {
        do {
            _ = try await ask("hung_up")
        } catch let late as URLError where late.code == .timedOut {
            throw Failure("nobody hung up within 10 s")
        }
    }

    private func ask(_ question: String) async throws -> JSON {
        guard let place = URL(string: "\(url)/_simulator/\(question)") else { throw Failure("\(url) is no address") }
        let (answer, _) = try await URLSession.shared.data(for: URLRequest(url: place, timeoutInterval: 10))
        return try JSONDecoder().decode(JSON.self, from: answer)
    }

    /// Why something could not be done.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String

        public init(_ description: String) {
            self.description = description
        }
    }
}
