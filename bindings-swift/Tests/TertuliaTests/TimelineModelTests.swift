import Observation
import Simulator
import Testing

@testable import Tertulia

/// A timeline as a screen observes it.
@Suite(.timeLimit(.minutes(1)))
struct TimelineModelTests {
    @Test("every kind of change makes the rows of a screen, and only what has changed is told")
    func changes() async throws {
        try await bench { try await changed($0) }
    }

    @MainActor private func changed(_ bench: Bench) async throws {
        let chat = try await bench.chat("text=ok")
        let parts: [Part] = ["one", .reasoning(text: "hm"), .refusal(text: "no")]
        _ = try await chat.append([NewMessage(role: .user, parts: parts)])
        let said = try #require(try await chat.history().items.first)
        let model = TimelineModel(chat)
        let day = { (id: String) in TimelineItem(id: id, kind: .dayDivider(day: "2026-11-\(id)")) }
        let words = TimelineItem(id: "said", kind: .message(message: said, delivery: .sent, error: nil))
        let steps: [([TimelineDiff], [String])] = [
            ([.reset(items: [day("1"), words])], ["1", "said"]),
            ([.append(items: [day("2"), day("3")])], ["1", "said", "2", "3"]),
            ([.pushFront(item: day("0"))], ["0", "1", "said", "2", "3"]),
            ([.pushBack(item: day("4"))], ["0", "1", "said", "2", "3", "4"]),
            ([.popFront, .popBack], ["1", "said", "2", "3"]),
            ([.insert(index: 1, item: day("5"))], ["1", "5", "said", "2", "3"]),
            ([.set(index: 0, item: day("6"))], ["6", "5", "said", "2", "3"]),
            ([.remove(index: 1)], ["6", "said", "2", "3"]),
            ([.truncate(length: 3)], ["6", "said", "2"]),
        ]
        for (batch, ids) in steps {
            let told = Told { _ = model.ids }
            model.apply(batch)
            #expect(model.ids == ids && told.changed)
            #expect(ids.allSatisfy { model.row($0).item?.id == $0 })
        }
        #expect(model.row("1").item == nil)

        let (ids, other, grown) = (
            Told { _ = model.ids }, Told { _ = model.row("2").item }, Told { _ = model.row("said").item }
        )
        model.apply([
            .appendText(index: 1, partIndex: 0, from: 3, text: " two", stablePrefix: 0),
            .appendText(index: 1, partIndex: 1, from: 2, text: "m", stablePrefix: 0),
            .appendText(index: 1, partIndex: 2, from: 2, text: "!", stablePrefix: 0),
        ])
        #expect(grown.changed && !ids.changed && !other.changed)
        guard case .message(let message, _, _)? = model.row("said").item?.kind else {
            Issue.record("it is no message any more")
            return
        }
        #expect(message.parts == ["one two", .reasoning(text: "hmm"), .refusal(text: "no!")])

        let (row, gone) = (model.row("said"), Told { _ = model.row("said").item })
        model.apply([.clear])
        #expect(model.ids.isEmpty && gone.changed && row.item == nil)
    }

    @Test("a timeline goes on where it was when it is run again, and says why it cannot be run")
    func runs() async throws {
        try await bench { try await ran($0) }
    }

    @MainActor private func ran(_ bench: Bench) async throws {
        let tertulia = try await bench.engine("text=one%20two%20three;chunks=3")
        let chat = tertulia.user("ana").newConversation()
        let before = (0..<60).map { "\($0)" }
        _ = try await chat.append(before.map { NewMessage(role: .user, parts: [.text($0)]) })
        let model = TimelineModel(chat)
        let first = Task { await model.run() }
        await until { model.said.last == "59" }
        #expect(model.said.count < 60)
        #expect(try await model.loadOlder())
        await until { model.said == before }
        first.cancel()
        await first.value
        #expect(model.error == nil)

        let second = Task { await model.run() }
        #expect(try await chat.send("Count").text == "one two three")
        await until { model.said.last == "one two three" }
        #expect(model.said == before + ["Count", "one two three"])
        #expect(throws: TertuliaError.self) { try model.dismiss("no-id") }
        try await tertulia.close()
        await second.value
        #expect(model.error == nil)

        let other = TimelineModel(chat)
        await other.run()
        #expect(other.error?.kind == .closed && other.ids.isEmpty)
    }
}

extension TimelineModel {
    /// The words of its messages.
    fileprivate var said: [String] {
        ids.compactMap { id in
            if case .message(let message, _, _)? = row(id).item?.kind { message.text } else { nil }
        }
    }
}

/// Whether what was looked at has changed since.
@MainActor private final class Told {
    private(set) var changed = false

    init(_ look: () -> Void) {
        withObservationTracking(look) { [self] in MainActor.assumeIsolated { changed = true } }
    }
}
