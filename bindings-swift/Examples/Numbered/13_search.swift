// Search: find what was said, in any conversation, on any branch.
import Foundation
import Tertulia

private func line(_ hit: SearchHit) -> String {
    let place = hit.snippet.map { $0.hit ? "[\($0.text)]" : $0.text }.joined()
    return hit.onCurrentBranch ? place : "\(place)  (on another branch)"
}

func search() async throws {
    let model = ProcessInfo.processInfo.environment["TERTULIA_MODEL"] ?? "echo/any"
    let tertulia = try await Tertulia.open("memory:", model: model)
    let me = tertulia.user("ana")
    let trip = me.newConversation(title: "Trip")
    _ = try await trip.send("Where does one eat gazpacho in Cádiz?")
    let question = try await trip.history().items[0].id
    _ = try await trip.edit(question, "Where does one eat salmorejo in Córdoba?").reply()
    _ = try await me.newConversation(title: "Code").send("Explain parseHttpRequest, and 東京タワー")

    for words in ["cadiz", #""salmorejo in cordoba""#, "salmo* -gazpacho", "http", "タワー"] {
        let hits = try await me.search(words).items  // the newest first
        print("\(words):", hits.last.map(line) ?? "nothing")
    }

    let best = try await trip.search("where eat", sort: .relevance, limit: 1)  // in this one alone, the best first
    print("best of several: \(best.items[0].score > 0), there are more: \(best.before != nil)")
    print("somebody else's:", try await tertulia.user("bo").search("gazpacho").items.count)
    try await tertulia.close()
}
