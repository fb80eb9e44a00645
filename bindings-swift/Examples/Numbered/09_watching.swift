// Watching an engine: what happens, how long it takes, how it is; and other settings while it works.
import Foundation
import Tertulia

/// What this program wants to know of the figures, which are JSON.
private struct Figures: Decodable {
    struct Total: Decodable {
        let calls: Int
        let retries: Int
        let successRate: Double?
        let firstDeltaMs: Spread
        let addedMs: Spread
    }

    struct Spread: Decodable {
        let p50: Double
    }

    let total: Total
}

func watching() async throws {
    // The bundled simulator plays a provider that fails twice before it answers.
    let model = "echo/sim:text=First%20walk%20the%20old%20town.;status=503;fail=2"
    let settings = Settings(json: #"{"retry": {"base_delay_ms": 10}}"#)
    let tertulia = try await Tertulia.open("memory:", model: model, settings: settings)
    let events = tertulia.events
    print(try await tertulia.user("ana").newConversation().send("Plan a day in Cádiz").text)
    reading: for await event in events {
        switch event.kind {
        case .retryScheduled(_, let attempt, _, let reason, _):
            print("try \(attempt) for \(event.owner ?? "nobody") after \(reason)")
        case .turnChanged(.done, _): break reading
        default: break
        }
    }

    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let total = try decoder.decode(Figures.self, from: Data(tertulia.stats(.seconds(60)).utf8)).total
    print("\(total.calls) call, \(total.retries) retries, success rate \(total.successRate ?? 0)")
    print("first words after \(Int(total.firstDeltaMs.p50)) ms, \(Int(total.addedMs.p50)) ms of them ours")

    // Calls that begin from now on see it; those under way end as they began.
    try await tertulia.reconfigure(
        settings: Settings(json: #"{"retry": {"max_attempts": 3}, "network": {"total_timeout_ms": 30000}}"#))
    let health = tertulia.health
    let providers = health.providers.map { "\($0.name) \($0.state)" }
    print("store \(health.store.state) -", providers.joined(separator: ", "))
    try await tertulia.close()
}
