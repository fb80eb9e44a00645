import Foundation
import Tertulia

private let atOnce = 64
/// By then everything has its size: caches, pools, what the system's allocator keeps.
private let warmAt = 0.25

/// Asks, and goes before there is an answer.
func cancelledCalls(_ engine: Tertulia, _ runs: Int) async throws -> String {
    try await flat("cancelled calls", runs) {
        let calls = (0..<atOnce).map { _ in
            Task { try await engine.ask("Hi", options: .init(model: "lab/sim:stall")) }
        }
        // Some have not begun by then, some wait for their answer.
        try await Task.sleep(for: .microseconds(.random(in: 0..<6_000)))
        for call in calls { call.cancel() }
        for call in calls {
            guard case .failure(let error) = await call.result, error is CancellationError else {
                throw Wrong("a call that must wait for ever ended: \(await call.result)")
            }
        }
    }
}

/// Reads streams from the first event to the last.
func shortStreams(_ engine: Tertulia, _ runs: Int) async throws -> String {
    let me = engine.user("bob")
    let chats = (0..<atOnce).map { _ in me.newConversation() }
    let options = CallOptions(model: "lab/sim:text=a%20b%20c;chunks=3", context: .init(turns: 1))
    return try await flat("streams", runs) {
        try await withThrowingTaskGroup(of: String.self) { group in
            for chat in chats {
                group.addTask {
                    var words = ""
                    for try await text in try await chat.stream("Hi", options: options).text { words += text }
                    return words
                }
            }
            for try await words in group where words != "a b c" { throw Wrong("a stream said \(words)") }
        }
    }
}

/// Does it so often, 64 at once, and looks at the memory.
private func flat(_ what: String, _ runs: Int, _ together: () async throws -> Void) async throws -> String {
    var (done, warm) = (0, Double?.none)
    while done < runs {
        try await together()
        done += atOnce
        if warm == nil, Double(done) >= Double(runs) * warmAt { warm = try residentMb() }
    }
    return try line(["flat": what, "runs": done, "warm_mb": warm ?? 0, "end_mb": try residentMb()])
}

private func residentMb() throws -> Double {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }),
        let kb = Double(line.filter(\.isNumber))
    else { throw Wrong("no VmRSS") }
    return kb / 1_024
}
