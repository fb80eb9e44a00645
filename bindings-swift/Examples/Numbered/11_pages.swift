// Pages: open a conversation at its end, jump into it, go through all of it, ask whether it has changed.
import Foundation
import Tertulia

func pages() async throws {
    let model = ProcessInfo.processInfo.environment["TERTULIA_MODEL"] ?? "echo/any"
    let tertulia = try await Tertulia.open("memory:", model: model)
    let chat = tertulia.user("ana").newConversation(title: "A long talk")
    try await chat.append(
        (0..<5_000).flatMap { number in
            [
                NewMessage(role: .user, parts: ["Question \(number)"]),
                NewMessage(role: .assistant, parts: ["Answer \(number)"]),
            ]
        })

    let opening = try await chat.open(limit: 20)  // what a screen shows first, in one read
    let (summary, page) = (opening.summary, opening.page)
    print("\(summary.title ?? "untitled"): \(summary.messageCount) messages, the last:", page.items.last?.text ?? "")

    let middle = try await chat.history(.position(5_001), limit: 4)  // as fast as the last page
    print(middle.items.map(\.text))
    let around = try await chat.history(.around(middle.items[2].id), turns: 3)  // whole turns
    print(around.items.map(\.text))

    var longest = 0
    for try await message in chat.messages() {  // page by page behind the scenes
        longest = max(longest, message.text.count)
    }
    print("longest:", longest)
    print("changed:", try await chat.historyIfChanged(unchangedSince: page.version) != nil)
    try await tertulia.close()
}
