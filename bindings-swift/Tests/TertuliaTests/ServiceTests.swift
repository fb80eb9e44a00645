import Foundation
import Simulator
import Tertulia
import Testing

/// Libraries, batches, upkeep, models.
@Suite(.timeLimit(.minutes(1)))
struct ServiceTests {
    @Test("a prompt is put, filled in, and not overwritten by who has not seen it")
    func libraries() async throws {
        try await bench { bench in
            let tertulia = try await bench.engine("text=ok")
            let (all, mine) = (tertulia.prompts(), tertulia.user("ana").prompts())
            #expect(try await all.put("guide", "Hi {{who}}", expectedVersion: 0) == 1)
            #expect(try await mine.get("guide")?.render(["who": "Ana"]) == "Hi Ana")
            let lacking = try #require(try await mine.get("guide"))
            let missing = await failure { try lacking.render() }
            #expect(missing?.kind == .invalid && missing?.reason == "missing_value")
            #expect(await failure { try await all.put("guide", "Ho", expectedVersion: 0) }?.reason == "entry_moved")
            try await mine.put("guide", .json(json: "[1, 2]"))
            #expect(try await mine.get("guide")?.text == nil)
            #expect(try await mine.list(prefix: "g").map(\.shared) == [false])
            try await mine.delete("guide")
            #expect(try await mine.get("guide")?.text == "Hi {{who}}")
            #expect(await failure { try await mine.delete("guide") }?.kind == .notFound)
            tertulia.libraryCache().clear()
            #expect(tertulia.libraryCache().health.entries == 0)
        }
    }

    @Test("a batch does all or nothing, and tells how far it is to its end")
    func batches() async throws {
        try await bench { bench in
            let me = try await bench.engine("text=ok").user("ana")
            let chats = (0..<20).map { _ in me.newConversation() }
            let batch = me.batch()
            for chat in chats { try batch.append(chat, [NewMessage(role: .user, parts: ["hi"])]) }
            let answer = try await chats[0].stream("Count", options: .init(model: "lab/sim:\(stalls)"))
            let run = batch.start()
            var seen: [BatchProgress] = []
            for try await progress in run {
                seen.append(progress)
                if progress.phase == .waiting { answer.cancel() }
            }
            #expect(try await run.report().done == 20)
            #expect(seen.contains { $0.phase == .waiting })
            #expect(seen.last == run.progress && seen.last?.done == 20)

            let ids = chats.map(\.id)
            let refused = await failure {
                try await me.batch().archive(ids).retag([ids[0]], "none", "other").run()
            }
            #expect(refused?.reason == "not_tagged")
            #expect(try await me.listConversations(archived: true).items.isEmpty)
            #expect(await failure { try me.batch().pin(["no-id"]) }?.reason == "bad_id")
            let dry = try await me.batch().delete(ids).run(dryRun: true)
            #expect(dry.dryRun && dry.done == 20)
            #expect(try await me.batch().tag(ids, ["old"]).archive(ids).run().refused == 0)
            #expect(try await me.listConversations(archived: true, tag: "old").items.count == 20)
        }
    }

    @Test("a store is looked at and copied, and the copy is a store")
    func upkeep() async throws {
        try await folder { folder in
            let tertulia = try await Tertulia.open("\(folder)/chat.db")
            let chat = tertulia.user("ana").newConversation()
            _ = try await chat.append([NewMessage(role: .user, parts: ["kept"])])
            let found = try await tertulia.store().verify()
            #expect(found.problems.isEmpty && found.conversations == 1 && found.messages == 1)
            #expect(try await tertulia.store().backup("\(folder)/copy.db") > 0)
            #expect(await failure { try await tertulia.store().backup("\(folder)/chat.db") }?.reason == "bad_backup")
            try await tertulia.close()
            #expect(await failure { try await tertulia.store().verify() }?.kind == .closed)
            let copy = try await Tertulia.open("\(folder)/copy.db")
            #expect(try await copy.user("ana").conversation(chat.id).history().items.map(\.text) == ["kept"])
            try await copy.close()
        }
    }

    @Test("models are known, settings change, and a provider is asked what it has")
    func models() async throws {
        try await bench { bench in
            let tertulia = try await bench.engine("text=ok", keys: ["lab": "key-1"])
            #expect(!tertulia.models("openai/*").isEmpty && tertulia.models("nobody/*").isEmpty)
            #expect(tertulia.providers().contains { $0.name == "lab" })
            try await tertulia.reconfigure(settings: Settings(json: #"{"retry": {"max_attempts": 2}}"#))
            let bad = await failure { try await tertulia.reconfigure(settings: Settings(json: #"{"retry": 1}"#)) }
            #expect(bad?.kind == .invalid)
            #expect(await failure { try await tertulia.loadCatalogue("/nowhere.json") }?.reason == "bad_catalogue")
            #expect(await failure { try await tertulia.warmUp(["nobody/x"]) }?.kind == .invalid)
            #expect(try tertulia.stats(.seconds(10)).contains("\"window_ms\":10000"))
            let answer = try await tertulia.provider("lab").request("GET", "/v1/nothing")
            #expect(answer.status == 404)
            #expect(await failure { try await tertulia.provider("nobody").models() }?.reason == "unknown_provider")
        }
    }
}
