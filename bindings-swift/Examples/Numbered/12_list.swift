// The list: pin, archive and tag conversations, let one end by itself, remember what a user prefers.
import Foundation
import Tertulia

func list() async throws {
    let model = ProcessInfo.processInfo.environment["TERTULIA_MODEL"] ?? "echo/any"
    let tertulia = try await Tertulia.open("memory:", model: model)
    let me = tertulia.user("ana")
    try await me.updatePreferences(
        .init(name: "Ana", language: "es", timeZone: "Europe/Madrid", values: ["theme": #""dark""#]))  // JSON
    let preferences = try await me.preferences()
    print(preferences.name ?? "somebody", "prefers the theme", preferences.values["theme"] ?? "of the system")

    for (title, tag) in [("Taxes", "work"), ("Cádiz", "trip"), ("Lisbon", "trip"), ("Last year", "work")] {
        _ = try await me.newConversation(title: title, tags: [tag]).send("Let us talk about \(title)")
    }
    let work = try await me.listConversations(tag: "work").items  // the latest activity first
    try await me.conversation(work[1].id).update(.init(pinned: true))
    try await me.conversation(work[0].id).update(.init(archived: true))

    let page = try await me.listConversations()
    print(page.items.compactMap(\.title))
    print("in the archive:", try await me.listConversations(archived: true).items.compactMap(\.title))
    print("trips:", try await me.listConversations(tag: "trip").items.compactMap(\.title))
    print("changed:", try await me.listConversationsIfChanged(unchangedSince: page.version) != nil)

    let secret = me.newConversation(title: "Secret", expiresIn: .seconds(3600))  // gone in an hour, for every verb
    _ = try await secret.send("Forget this")
    print("ends by itself:", try await secret.summary().expiresAt != nil)
    try await tertulia.close()
}
