// Branches: say something anew, ask for another answer, go back to what was there before.
import Foundation
import Tertulia

private func show(_ chat: Conversation) async throws {
    for message in try await chat.history().items {
        let versions = message.siblingCount > 1 ? " \(message.siblingIndex + 1)/\(message.siblingCount)" : ""
        print("\(message.role)\(versions): \(message.text.prefix(30))")
    }
}

func branches() async throws {
    let model = ProcessInfo.processInfo.environment["TERTULIA_MODEL"] ?? "echo/any"
    let tertulia = try await Tertulia.open("memory:", model: model)
    let chat = tertulia.user("ana").newConversation()
    _ = try await chat.send("Plan a day in Cádiz")
    let first = try await chat.history().items
    let (question, answer) = (first[0].id, first[1].id)

    _ = try await chat.regenerate(answer).reply()  // beside the first answer
    _ = try await chat.edit(question, "Plan two days in Cádiz").reply()  // beside the first question
    try await show(chat)

    try await chat.switchTo(answer)  // nothing was overwritten
    try await show(chat)
    print("branches:", try await chat.branches().items.map(\.depth))

    do {
        _ = try await chat.send("And on Sunday?", options: .init(expectedHead: question))
    } catch let error as TertuliaError where error.kind == .conflict {
        print("the conversation ends with another message by now")
    }

    let copy = try await chat.duplicate(answer)  // a conversation of its own
    try await chat.deleteMessage(question, subtree: true)
    let (here, there) = (try await chat.history().items.count, try await copy.history().items.count)
    print("\(here) shown here, \(there) in the copy, \(try await chat.branches().items.count) branch left")
    try await tertulia.close()
}
