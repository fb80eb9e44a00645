import Foundation
import Tertulia

/// A reply that stops in the middle, with its connection open.
private let stalls = "lab/sim:text=one%20two%20three;chunks=3;stall=2"
/// What went wrong is shown of so many runs.
private let shown = 5

/// How a reader leaves.
enum Way: String, CaseIterable {
    case task = "task cancelled"
    case cancel
    case dropped
}

/// Leaves so often by one way, and tells how long the provider did not notice, and what was not as it must be.
func leave(_ engine: Tertulia, _ witness: Witness, _ way: Way, _ runs: Int) async throws -> String {
    var (delays, wrong, hangs) = ([Double](), [String](), 0)
    for _ in 0..<runs {
        do {
            if let delay = try await within(.seconds(5), { try await leave(engine, witness, way) }) {
                delays.append(delay)
            } else {
                hangs += 1
            }
        } catch {
            wrong.append("\(error)")
        }
    }
    delays.sort()
    let at = { (share: Double) -> Any in
        delays.isEmpty ? NSNull() : delays[Int(Double(delays.count) * share)]
    }
    return try line([
        "left": way.rawValue, "runs": runs, "hangs": hangs, "wrong": wrong.count,
        "shown": Array(wrong.prefix(shown)), "p50_ms": at(0.5), "p99_ms": at(0.99),
    ])
}

/// Leaves one reply; gives after how many milliseconds the provider saw it.
private func leave(_ engine: Tertulia, _ witness: Witness, _ way: Way) async throws -> Double {
    let me = engine.user("ana")
    let chat = me.newConversation()
    var stream: ReplyStream? = try await chat.stream("Count", options: .init(model: stalls))
    guard let turn = stream?.turnId else { throw Wrong("a turn without a number") }
    while try await stream?.nextBatch(max: 1).contains(where: \.isText) == false {}
    let watching = await witness.watch()
    let at = ContinuousClock.now
    switch way {
    case .task:
        let reading = Task { [stream] in
            guard let stream else { return }
            for try await _ in stream {}
        }
        reading.cancel()
        _ = await reading.result
    case .cancel: stream?.cancel()
    case .dropped: stream = nil
    }
    let seen = try await watching.value
    let reply = try await chat.attach(turn).reply()
    guard reply.status == .cancelled else { throw Wrong("the turn ended as \(reply.status)") }
    let page = try await chat.history().items
    guard page.first?.text == "Count", let answer = page.last, answer.status == .cancelled,
        answer.text.hasPrefix("one")
    else { throw Wrong("kept: \(page.map { "\($0.text) as \($0.status)" })") }
    let held = try await me.budgets().reduce(0) { $0 + $1.reserved }
    guard held == 0 else { throw Wrong("\(held) tokens are still held back") }
    withExtendedLifetime(stream) {}
    return Double((seen - at).components.attoseconds) / 1e15
}

/// Waits so long for the work; nothing when it is not done by then.
private func within<T: Sendable>(
    _ limit: Duration, _ work: @escaping @Sendable () async throws -> T
) async throws -> T? {
    try await withThrowingTaskGroup(of: T?.self) { group in
        group.addTask { try await work() }
        group.addTask {
            try await Task.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        return try await group.next() ?? nil
    }
}

extension StreamEvent {
    fileprivate var isText: Bool {
        if case .text = kind { true } else { false }
    }
}
