// Take conversations along: out into a file, with all branches, and in from a file, also from ChatGPT or Claude.
import Foundation
import Tertulia

func transfer() async throws {
    let model = ProcessInfo.processInfo.environment["TERTULIA_MODEL"] ?? "echo/any"

    let old = try await Tertulia.open("memory:", model: model)
    let trip = old.user("ana").newConversation(title: "Trip")
    _ = try await trip.send("Plan a day in Cádiz.")
    _ = try await trip.edit(try await trip.history().items[0].id, "Plan a rainy day in Cádiz.").reply()
    let written = try await old.user("ana").exportConversations("chats.jsonl")
    print("written: \(written.conversations) conversation, \(written.messages) messages, on all branches")
    try await old.close()

    let tertulia = try await Tertulia.open("memory:", model: model)
    let me = tertulia.user("ana")
    print("would add:", try await me.importConversations("chats.jsonl", dryRun: true).messages)
    _ = try await me.importConversations("chats.jsonl")
    let again = try await me.importConversations("chats.jsonl")
    print("twice is once: \(again.messages) added, \(again.skipped) here already")
    let here = try me.conversation(try await me.listConversations().items[0].id)
    let (branches, shown) = (try await here.branches().items.count, try await here.history().items[0].text)
    print("branches: \(branches) - shown: \(shown)")

    // As other programs write them: what it is, is recognised.
    let chat = #"[{"role": "user", "content": "And on Sunday?"}, {"role": "pirate", "content": "Arr"}]"#
    try Data(chat.utf8).write(to: URL(fileURLWithPath: "messages.json"))
    let report = try await me.importConversations("messages.json")
    print("\(report.format): \(report.messages) message")
    for problem in report.problems {
        print("item \(problem.item): \(problem.detail)")
    }
    try await tertulia.close()
}
