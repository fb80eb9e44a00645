import Foundation
import Simulator
import Tertulia
import Testing

/// What is kept: lists, search, branches, and what a page in a browser is told.
@Suite(.timeLimit(.minutes(1)))
struct KeptTests {
    @Test("what was said is listed, found, changed, and read from one end to the other")
    func kept() async throws {
        try await bench { bench in
            let me = try await bench.engine("text=ok").user("ana")
            let chat = me.newConversation(title: "Trip", tags: ["spain"], expiresIn: .seconds(3600))
            for place in ["Cádiz", "Ronda", "Jerez"] { _ = try await chat.send("To \(place)") }
            #expect(try await chat.summary().expiresAt != nil)
            try await chat.update(.init(title: "Andalusia", pinned: true, expiry: .never))
            try await me.newConversation().append([NewMessage(role: .user, parts: ["elsewhere"])])

            let listed = try await me.listConversations(tag: "spain")
            #expect(listed.items.map(\.title) == ["Andalusia"] && listed.items.first?.expiresAt == nil)
            #expect(try await me.listConversationsIfChanged(unchangedSince: listed.version, tag: "spain") == nil)
            #expect(try await me.search("ronda").items.map(\.text) == ["To Ronda"])
            var said: [String] = []
            for try await message in chat.messages(newestFirst: true) { said.append(message.text) }
            #expect(said == ["ok", "To Jerez", "ok", "To Ronda", "ok", "To Cádiz"])
            let middle = try #require(try await chat.history(limit: 4).items.first)
            #expect(try await chat.history(.around(middle.id), limit: 1).items.map(\.text) == ["To Ronda"])

            try await chat.update(.init(title: .clear))
            #expect(try await chat.summary().title == nil)
            try await chat.delete()
            #expect(await failure { try await me.conversation(chat.id).history() }?.kind == .notFound)
        }
    }

    @Test("a message is said anew, and what was said before stays on a branch")
    func branches() async throws {
        try await bench { bench in
            let chat = try await bench.chat("text=ok")
            _ = try await chat.send("One day")
            let first = try #require(try await chat.history().items.first)
            let reply = try await chat.edit(first.id, "Two days").reply()
            #expect(reply.status == .done)
            #expect(try await chat.history().items.map(\.text) == ["Two days", "ok"])
            #expect(try await chat.branches().items.map(\.isCurrent) == [true, false])
            try await chat.switchTo(first.id)
            #expect(try await chat.history().items.map(\.text) == ["One day", "ok"])
            #expect(try await chat.at(first.id).history().items.map(\.text) == ["One day"])
            #expect(await failure { try chat.at("no-id") }?.reason == "bad_id")
            let copy = try await chat.duplicate(first.id)
            #expect(copy.id != chat.id)
            #expect(try await copy.history().items.map(\.text) == ["One day"])
        }
    }

    @Test("a budget is kept, and says what is left of it")
    func money() async throws {
        try await bench { bench in
            let tertulia = try await bench.engine("text=ok")
            let me = tertulia.user("ana")
            try await tertulia.setBudget(.requests(2, per: .day, each: .user, warnAt: [0.5]))
            let chat = me.newConversation()
            _ = try await chat.send("one")
            _ = try await chat.send("two")
            let refused = await failure { try await chat.send("three") }
            #expect(refused?.kind == .budgetExceeded)
            #expect(try await bench.simulator.requests().count == 2)
            #expect(try await me.budgets().map(\.remaining) == [0])
            #expect(try await me.usage(by: .model).rows.count == 1)
            #expect(await failure { try await me.forecast(.minute) }?.reason == "bad_window")
            let bad = await failure { try await tertulia.setBudget(.usd(.nan)) }
            #expect(bad?.kind == .invalid)
            try await tertulia.removeBudget(try #require(try await tertulia.listBudgets().first).id())
            #expect(try await chat.send("three").text == "ok")
        }
    }

    @Test("a page is told a reply, and who lets go of it stops the call")
    func pages() async throws {
        try await bench { bench in
            let chat = try await bench.chat("text=one%20two;chunks=2")
            let told = try await chat.stream("Count").sse().reduce(into: Data()) { $0 += $1 }
            let lines = String(decoding: told, as: UTF8.self).split(separator: "\n")
            #expect(lines.contains { $0.hasPrefix("data: ") && $0.contains("\"done\"") })

            let stream = try await chat.stream("Again", options: .init(model: "lab/sim:\(stalls)"))
            var sse: SseStream? = try stream.sse()
            #expect(await failure { try stream.sse() }?.reason == "handed_over")
            for try await piece in try #require(sse) where String(decoding: piece, as: UTF8.self).contains("one") {
                break
            }
            sse = nil
            try await bench.simulator.waitForHangUp()
        }
    }
}
