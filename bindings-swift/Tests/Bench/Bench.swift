import Foundation
import Simulator
import Tertulia

/// What a streamed event and a page of 50 messages cost a program in Swift: `make bench` runs it with a release of the library
/// and keeps what it writes.
///
/// CPU time is that of the whole process, the engine's threads included, divided by the words that the provider sent; the
/// median of the rounds counts, of which the first one only warms up.
@main
enum Bench {
    static let streams = 64
    static let words = 400
    static let pages = 200
    static let rounds = 7

    static func main() async throws {
        guard CommandLine.arguments.count == 2 else { throw Simulator.Failure("usage: bench OUT; or run `make bench`") }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let simulator = try Simulator(record: false)
        defer { simulator.close() }
        let engine = try await Tertulia.open(
            folder.appendingPathComponent("chat.db").path,
            providers: [.openAIChat("lab", baseURL: "\(simulator.url)/v1")])
        let event = try await median { try await eventMicroseconds(engine) }
        let page = try await median { try await pageMicroseconds(engine) }
        try await engine.close()
        let told = try JSONSerialization.data(withJSONObject: ["stream_event.cpu_us": event, "page_us": page])
        try told.write(to: URL(fileURLWithPath: CommandLine.arguments[1]))
    }

    static func eventMicroseconds(_ engine: Tertulia) async throws -> Double {
        let me = engine.user("ana")
        let before = cpuMicroseconds()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<streams {
                let chat = me.newConversation()
                group.addTask {
                    let stream = try await chat.stream("Talk", options: .init(model: "lab/sim:words=\(words)"))
                    while try await !stream.nextBatch(max: 64).isEmpty {}
                }
            }
            try await group.waitForAll()
        }
        return (cpuMicroseconds() - before) / Double(streams * words)
    }

    static func pageMicroseconds(_ engine: Tertulia) async throws -> Double {
        let chat = engine.user("bob").newConversation()
        let text = String(repeating: "Plan a day in Cádiz, please. ", count: 10)
        try await chat.append((0..<500).map { _ in NewMessage(role: .user, parts: [.text(text)]) })
        let began = ContinuousClock.now
        for _ in 0..<pages {
            guard try await chat.history(limit: 50).items.count == 50 else { throw Simulator.Failure("no page of 50") }
        }
        return Double((ContinuousClock.now - began).components.attoseconds) / 1e12 / Double(pages)
    }

    static func median(_ work: @Sendable () async throws -> Double) async throws -> Double {
        _ = try await work()
        var found: [Double] = []
        for _ in 0..<rounds { found.append(try await work()) }
        return found.sorted()[rounds / 2]
    }

    static func cpuMicroseconds() -> Double {
        var used = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used)
        return Double(used.tv_sec) * 1e6 + Double(used.tv_nsec) / 1e3
    }
}
