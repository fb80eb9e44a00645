// History: conversations outlive the process, pages lead to each other.
import Foundation
import Tertulia

func history() async throws {
    let model = ProcessInfo.processInfo.environment["TERTULIA_MODEL"] ?? "echo/any"

    let before = try await Tertulia.open("history.db", model: model)
    let trip = before.user("ana").conversationFor("trip to Cádiz")  // same key, same conversation
    for number in 0..<3 {
        _ = try await trip.send("Question \(number)")
    }
    try await trip.update(.init(title: "Cádiz"))
    try await before.close()

    let tertulia = try await Tertulia.open("history.db", model: model)
    let me = tertulia.user("ana")
    for summary in try await me.listConversations().items {
        print(summary.title ?? "untitled", summary.messageCount)
        let chat = try me.conversation(summary.id)
        var page = try await chat.history(limit: 2)
        var messages = page.items
        while !page.reachedStart, let cursor = page.before {
            page = try await chat.history(.before(cursor), limit: 2)
            messages = page.items + messages
        }
        for message in messages {
            print("\(message.role): \(message.text.prefix(10))")
        }
    }
    print("somebody else's:", try await tertulia.user("bob").listConversations().items.count)
    try await tertulia.close()
}
