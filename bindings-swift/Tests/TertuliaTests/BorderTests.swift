import Foundation
import Simulator
import Tertulia
import Testing

/// Failures, keys, pages, and the end of an engine.
@Suite(.timeLimit(.minutes(1)))
struct BorderTests {
    @Test("failures have a kind and tell everything that is known")
    func failures() async throws {
        try await bench { bench in
            let chat = try await bench.chat("error=rate_limit;retry_after=7;message=secret%20prompt")
            let limited = try #require(await failure { try await chat.send("hi") })
            #expect(limited.kind == .rateLimited && limited.info.kind == .rateLimited)
            #expect(limited.retryAfter == .seconds(7))
            #expect(limited.saved && limited.turnId != nil)
            #expect(limited.localizedDescription == limited.userMessage && limited.userMessage.contains("7 s"))
            for shown in ["\(limited)", String(reflecting: limited), "\(limited.info)"] {
                #expect(shown.contains("rate_limited") && shown.contains("conversation.send"))
                #expect(!shown.contains("secret") && !shown.contains("hi\""))
            }
            let cut = CallOptions(model: "lab/sim:text=Half%20a%20word;chunks=3;cut=2")
            let truncated = try #require(await failure { try await chat.send("hi", options: cut) })
            #expect(truncated.kind == .truncated && truncated.text == "Half a ")
            #expect(!"\(truncated)".contains("Half") && !truncated.localizedDescription.contains("Half"))
        }
    }

    @Test("what cannot be is refused before anything is sent")
    func refused() async throws {
        try await bench { bench in
            let me = try await bench.engine("text=ok").user("ana")
            let chat = me.newConversation()
            #expect(await failure { try me.conversation("no-id") }?.reason == "bad_id")
            let refusals: [(String, TertuliaError?)] = [
                ("empty_message", await failure { try await chat.send(" ") }),
                ("empty_message", await failure { try await chat.send([]) }),
                ("unknown_provider", await failure { try await chat.send("hi", options: .init(model: "nobody/any")) }),
                ("bad_json", await failure { try await chat.send("hi", options: .init(extraBody: "{")) }),
                ("bad_cursor", await failure { try await chat.history(.before("no cursor")) }),
                ("bad_limit", await failure { try await chat.history(limit: 0) }),
                ("bad_limit", await failure { try await chat.history(limit: .max) }),
                (
                    "bad_settings",
                    await failure { try await Tertulia.open("memory:", settings: .init(json: #"{"retyr": {}}"#)) }
                ),
            ]
            for (reason, refusal) in refusals {
                #expect(refusal?.kind == .invalid && refusal?.reason == reason)
            }
            #expect(try await bench.simulator.requests().isEmpty)
        }
    }

    @Test("keys are sent and never printed")
    func keys() async throws {
        try await bench { bench in
            let tertulia = try await bench.engine("text=ok", keys: ["lab": "sk-engine"])
            let options = CallOptions(model: "lab/any", key: "sk-call")
            _ = try await tertulia.user("bob", keys: ["lab": "sk-bob"]).newConversation().send("hi")
            _ = try await tertulia.ask("hi")
            _ = try await tertulia.user("eva").ask("hi", options: options)
            let sent = try await bench.simulator.requests().map { $0["headers"]?["authorization"]?.text }
            #expect(sent == ["Bearer sk-bob", "Bearer sk-engine", "Bearer sk-call"])
            #expect(!"\(options) \(String(reflecting: options))".contains("sk-call"))
        }
    }

    @Test("pages lead backwards and forwards")
    func pages() async throws {
        try await bench { bench in
            let chat = try await bench.engine("text=ok").user().conversationFor("diary")
            for number in 0..<3 { _ = try await chat.send("\(number)") }
            let page = try await chat.history(limit: 2)
            #expect(page.items.map(\.text) == ["2", "ok"])
            let older = try await chat.history(.before(page.before!), limit: 2)
            #expect(older.items.map(\.text) == ["1", "ok"])
            let newer = try await chat.history(.after(try #require(older.after)))
            #expect(newer.items == page.items && newer.reachedEnd && !newer.reachedStart)
            #expect(try await chat.append([NewMessage(role: .user, parts: ["noted"])]).count == 1)
            #expect(try await chat.history(.after(try #require(page.after))).items.map(\.text) == ["noted"])
        }
    }

    @Test("what is said may be a text, parts of it, and bytes in hand")
    func content() async throws {
        try await bench { bench in
            let chat = try await bench.chat("text=ok")
            let (city, picture) = ("Cádiz", Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]))
            _ = try await chat.send([
                "What is in \(city)?", .image(data: picture, mimeType: "image/png"),
                .image(url: "https://x.example/a.png"),
            ])
            let sent = try await bench.simulator.requests().last?["body"]?["messages"]?[0]?["content"]?.list ?? []
            #expect(sent.first?["text"]?.text == "What is in Cádiz?")
            let places = sent.compactMap { $0["image_url"]?["url"]?.text }
            #expect(places == ["data:image/png;base64,\(picture.base64EncodedString())", "https://x.example/a.png"])
        }
    }

    @Test("what came can be kept as Swift keeps things")
    func coding() async throws {
        try await bench { bench in
            let reply = try await bench.chat("reasoning=Hm;text=ok").send("hi")
            let copy = try JSONDecoder().decode(Reply.self, from: JSONEncoder().encode(reply))
            #expect(copy == reply && copy.text == "ok" && copy.cost.usd == nil)
        }
    }

    @Test("after the end every handle says so, and ending twice is ending once")
    func ends() async throws {
        try await bench { bench in
            let tertulia = try await bench.engine("text=ok")
            let me = tertulia.user()
            let chat = me.newConversation()
            _ = try await chat.send("hi")
            async let first: Void = tertulia.close()
            async let second: Void = tertulia.close()
            _ = try await (first, second)
            try await tertulia.close()
            #expect(await failure { try await chat.send("hi") }?.kind == .closed)
            #expect(await failure { try await me.ask("hi") }?.kind == .closed)
            #expect(await failure { try await tertulia.user("eva").newConversation().history() }?.kind == .closed)
        }
    }
}
