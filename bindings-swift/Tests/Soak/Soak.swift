import Foundation
import Tertulia

/// Leaves in the middle of replies, over and over: the part of Swift. `tests/soak/README.md` says what is played.
@main
enum Soak {
    static func main() async throws {
        let asked = CommandLine.arguments.dropFirst()
        let counts = asked.dropFirst(2).compactMap { Int($0) }
        guard let url = asked.first, asked.count == 5, counts.count == 3 else {
            throw Wrong("usage: soak URL OUT CANCELS CALLS STREAMS; or run `make soak`")
        }
        let out = URL(fileURLWithPath: asked[asked.startIndex + 1])
        let engine = try await Tertulia.open(
            out.deletingPathExtension().appendingPathExtension("db").path, model: "lab/sim",
            providers: [.openAIChat("lab", baseURL: "\(url)/v1")])
        try await engine.setBudget(.tokens(.max / 2))
        let witness = Witness(url)
        var told: [String] = []
        for way in Way.allCases {
            told.append(try await leave(engine, witness, way, counts[0]))
        }
        told.append(try await cancelledCalls(engine, counts[1]))
        told.append(try await shortStreams(engine, counts[2]))
        try await engine.close()
        try told.map { "\($0)\n" }.joined().write(to: out, atomically: true, encoding: .utf8)
    }
}

/// Something is not as it must be.
struct Wrong: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// A line of what is told, as JSON.
func line(_ fields: [String: Any]) throws -> String {
    String(decoding: try JSONSerialization.data(withJSONObject: fields, options: [.sortedKeys]), as: UTF8.self)
}
