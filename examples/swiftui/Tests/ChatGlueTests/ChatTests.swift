import Observation
import Tertulia
import Testing

@testable import ChatGlue

/// What the screens stand on, on a real engine. The model that answers is code of the tests.
@Suite(.timeLimit(.minutes(1)))
@MainActor
struct ChatTests {
    private func engine(_ answer: @escaping @Sendable (String) throws -> [String]?) async throws -> Tertulia {
        let house = Provider("house") { request in
            let said = request.messages.last?.text ?? ""
            return AsyncThrowingStream { events in
                do {
                    guard let words = try answer(said) else {
                        // It begins, and never ends by itself.
                        events.yield(.text(delta: "Once upon a time"))
                        return
                    }
                    for word in words { events.yield(.text(delta: word)) }
                    events.finish()
                } catch {
                    events.finish(throwing: error)
                }
            }
        }
        let settings = Settings(
            json: #"{"profile": "mobile", "retry": {"max_attempts": 1}, "breaker": {"enabled": false}}"#)
        return try await Tertulia.open("memory:", model: "house/any", ownProviders: [house], settings: settings)
    }

    @Test("what is said and answered is on the screen, and in the list by its label")
    func said() async throws {
        let tertulia = try await engine { _ in ["An ", "answer"] }
        let user = tertulia.user()
        let (model, list) = (ChatModel(user.newConversation()), try ConversationsModel(user))
        let running = [Task { await model.timeline.run() }, Task { await list.run() }]
        model.send("Hello")
        #expect(model.isAsking)
        let answer = try await model.bubble { $0.message.text == "An answer" && $0.message.status == .complete }
        #expect(!answer.isMine && answer.note == nil && answer.again == nil && !answer.isRefused)
        let mine = try await model.bubble { $0.isMine && $0.note == nil }
        #expect(mine.message.text == "Hello" && mine.again == nil)
        try await until { !model.isAsking && list.conversations.first?.label == "An answer" }
        running.forEach { $0.cancel() }
        try await tertulia.close()
    }

    @Test("an answer that is stopped keeps what had come, and can be asked for again")
    func stopped() async throws {
        let tertulia = try await engine { _ in nil }
        let model = ChatModel(tertulia.user().newConversation())
        let running = Task { await model.timeline.run() }
        model.send("A story")
        _ = try await model.bubble { $0.message.text == "Once upon a time" }
        model.stop()
        let stopped = try await model.bubble { $0.note == "Stopped" }
        #expect(stopped.message.text == "Once upon a time")
        try await until { !model.isAsking }
        model.retry(try #require(stopped.again))
        _ = try await model.bubble { $0.message.status == .streaming && $0.message.text == "Once upon a time" }
        model.stop()
        try await until { !model.isAsking }
        running.cancel()
        try await tertulia.close()
    }

    @Test("an answer that failed says why")
    func failed() async throws {
        let tertulia = try await engine { _ in
            throw TertuliaError(.contentFiltered, reason: "not_today", detail: "as it was told")
        }
        let model = ChatModel(tertulia.user().newConversation())
        let running = Task { await model.timeline.run() }
        model.send("Hello")
        let failed = try await model.bubble { $0.again != nil }
        #expect(failed.isMine && failed.note?.isEmpty == false && !failed.isRefused)
        try await until { !model.isAsking }
        running.cancel()
        try await tertulia.close()
    }

    @Test("a message that was refused says so; a row that is kept nowhere can only be taken off the screen")
    func refused() async throws {
        let tertulia = try await engine { _ in ["An answer"] }
        let model = ChatModel(tertulia.user().newConversation(model: "nobody/nothing"))
        model.send("Hello")
        try await until { !model.isAsking }
        #expect(model.refusal?.isEmpty == false)

        let chat = tertulia.user().newConversation()
        _ = try await chat.send("Hello")
        let said = try #require(try await chat.history().items.first)
        var error = TertuliaError(.storage, reason: "full", detail: "as it was told").info
        error.saved = false
        let kind = { TimelineItemKind.message(message: said, delivery: .failed, error: $0) }
        let refused = try #require(Bubble(TimelineItem(id: said.id, kind: kind(error))))
        #expect(refused.isRefused && refused.again == nil && refused.note == error.userMessage)
        error.saved = true
        let kept = try #require(Bubble(TimelineItem(id: said.id, kind: kind(error))))
        #expect(!kept.isRefused && kept.again == said.turnId)
        try await tertulia.close()
    }

    @Test("the engine rests while nobody sees the app; what was said last counts")
    func rests() async throws {
        let tertulia = try await engine { _ in ["An answer"] }
        let user = tertulia.user()
        let rest = Rest(tertulia)
        await rest.seen(false).value
        await #expect(throws: TertuliaError.self) { try await user.preferences() }
        rest.seen(true)
        rest.seen(false)
        await rest.seen(true).value
        _ = try await user.preferences()
        try await tertulia.close()
    }
}

extension ChatModel {
    /// Waits for a message on the screen that is so.
    fileprivate func bubble(_ fits: (Bubble) -> Bool) async throws -> Bubble {
        var found: Bubble?
        try await until {
            found = self.timeline.ids.compactMap { Bubble(self.timeline.row($0).item) }.first(where: fits)
            return found != nil
        }
        return found!
    }
}

/// Waits until it is so; looks again whenever something changes that it has looked at.
@MainActor private func until(_ isSo: () -> Bool) async throws {
    while true {
        try Task.checkCancellation()
        let (changes, changed) = AsyncStream.makeStream(of: Void.self)
        if withObservationTracking(isSo, onChange: { changed.finish() }) { return }
        for await _ in changes {}
    }
}
