// The first minute: a conversation that is kept, a reply as it comes, a reply as a whole.
import Foundation
import Tertulia

func readme() async throws {
    let model = ProcessInfo.processInfo.environment["TERTULIA_MODEL"] ?? "echo/any"
    let tertulia = try await Tertulia.open("chat.db", model: model)
    let chat = tertulia.user("ana").newConversation(system: "Answer briefly.")
    for try await text in try await chat.stream("Three things to see in Cádiz?").text {
        print(text, terminator: "")
    }
    print()
    let reply = try await chat.send("Which of them on a rainy day?")
    print(reply.text, reply.usage.outputTokens, reply.cost)

    let again = try tertulia.user("ana").conversation(chat.id)  // also in the next process
    for message in try await again.history(limit: 50).items { print(message.role, message.text) }
    try await tertulia.close()
}
