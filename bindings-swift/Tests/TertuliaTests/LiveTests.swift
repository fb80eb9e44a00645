import Foundation
import Simulator
import Tertulia
import Testing

/// What changes by itself: timelines, lists, events, an engine that rests.
@Suite(.timeLimit(.minutes(1)))
struct LiveTests {
    @Test("the changes of a timeline make the rows of a screen, and a cancelled reader loses none")
    func timeline() async throws {
        try await bench { bench in
            let chat = try await bench.chat("text=one%20two%20three;chunks=3;delay_ms=20")
            _ = try await chat.append([NewMessage(role: .user, parts: ["before"])])
            let timeline = try await chat.timeline()
            var rows: [TimelineItem] = []
            let first = try #require(try await timeline.next())
            for diff in first { diff.apply(to: &rows) }
            let reading = Task { try await timeline.next() }
            reading.cancel()
            await #expect(throws: CancellationError.self) { _ = try await reading.value }

            async let reply = chat.send("Count")
            reading: for try await diffs in timeline {
                for diff in diffs { diff.apply(to: &rows) }
                if case .message(let message, _, _) = rows.last?.kind, message.status == .complete,
                    message.role == .assistant
                {
                    break reading
                }
            }
            let said = rows.compactMap { row in
                if case .message(let message, _, _) = row.kind { message.text } else { nil }
            }
            #expect(said == ["before", "Count", "one two three"])
            #expect(try await reply.text == "one two three")
            #expect(await failure { try timeline.dismiss("no-id") }?.reason == "bad_id")
        }
    }

    @Test("a list of conversations changes by itself")
    func list() async throws {
        try await bench { bench in
            let me = try await bench.engine("text=ok").user("ana")
            let watch = try me.watchConversations()
            var rows: [ConversationSummary] = []
            for diff in try #require(try await watch.next()) { diff.apply(to: &rows) }
            #expect(rows.isEmpty)
            _ = try await me.newConversation(title: "Trip").send("hi")
            for try await diffs in watch {
                for diff in diffs { diff.apply(to: &rows) }
                if rows.first?.messageCount == 2 { break }
            }
            #expect(rows.map(\.title) == ["Trip"])
        }
    }

    @Test("an engine rests, says so, and wakes")
    func rests() async throws {
        try await bench { bench in
            let tertulia = try await bench.engine("text=ok")
            let chat = tertulia.user().newConversation()
            try await tertulia.suspend()
            let resting = await failure { try await chat.send("hi") }
            #expect(resting?.kind == .closed && resting?.reason == "suspended")
            try await tertulia.resume()
            tertulia.networkChanged()
            #expect(try await chat.send("hi").text == "ok")
            #expect(tertulia.health.outboxPending == 0)
        }
    }

    @Test("what happens in an engine is heard until it is closed, or nobody listens")
    func events() async throws {
        try await bench { bench in
            let tertulia = try await bench.engine("text=ok")
            let (heard, nobody) = (tertulia.events, tertulia.events)
            _ = try await tertulia.user("ana").newConversation().send("hi")
            for await event in heard where event.owner == "ana" { break }
            let listening = Task {
                for await event in nobody where event.owner == "eva" { return false }
                return true
            }
            listening.cancel()
            #expect(await listening.value)
            try await tertulia.close()
            var rest = 0
            for await _ in heard { rest += 1 }
            #expect(rest < 1000)
        }
    }
}
