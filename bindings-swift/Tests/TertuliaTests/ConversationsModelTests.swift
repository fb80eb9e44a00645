import Simulator
import Testing

@testable import Tertulia

/// A list of conversations as a screen observes it.
@Suite(.timeLimit(.minutes(1)))
struct ConversationsModelTests {
    @Test("a list of conversations goes on where it was when it is run again, and says why it cannot be run")
    func runs() async throws {
        try await bench { try await ran($0) }
    }

    @MainActor private func ran(_ bench: Bench) async throws {
        let tertulia = try await bench.engine("text=Hello")
        let me = tertulia.user("ana")
        for title in (0..<60).map({ "\($0)" }) {
            _ = try await me.newConversation(title: title).append([NewMessage(role: .user, parts: ["Hi"])])
        }
        let model = try ConversationsModel(me)
        let first = Task { await model.run() }
        await until { model.conversations.count == 50 }
        #expect(try await model.loadOlder())
        await until { model.conversations.count == 60 }
        first.cancel()
        await first.value
        #expect(model.error == nil)

        let oldest = try #require(model.conversations.last)
        let second = Task { await model.run() }
        _ = try await me.conversation(oldest.id).send("And now?")
        await until { model.conversations.first?.lastPreview == "Hello" }
        #expect(model.conversations.first?.id == oldest.id && model.conversations.count == 60)
        try await tertulia.close()
        await second.value
        #expect(model.error == nil)
        #expect(throws: TertuliaError.self) { try ConversationsModel(me) }
    }
}
