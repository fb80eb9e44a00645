import Foundation
import Simulator
import Tertulia
import Testing

/// What the README and the sketch of the API show.
@Suite(.timeLimit(.minutes(1)))
struct OpeningTests {
    @Test("the opening of the README runs as it is written")
    func opening() async throws {
        try await bench { bench in
            try await folder { folder in
                let tower = "\(folder)/tower.png"
                let picture =
                    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
                try #require(Data(base64Encoded: picture)).write(to: URL(fileURLWithPath: tower))
                var printed = ""

                let lab = ProviderSpec(name: "anthropic", baseUrl: "\(bench.simulator.url)/v1", dialect: "anthropic")
                let tertulia = try await Tertulia.open(
                    "\(folder)/chat.db", model: "anthropic/claude-sonnet-4-5", providers: [lab])
                let chat = tertulia.user().newConversation(system: "Answer briefly.")
                for try await text in try await chat.stream("Three things to see in Cádiz?").text { printed += text }
                let reply = try await chat.send(["And what is this?", .image(path: tower)])

                #expect(printed.contains("Cádiz"))
                #expect(reply.text.contains("And what is this?"))
                #expect("\(reply.cost)" == "unknown")
                let sent = try #require(await bench.simulator.requests().last?["body"])
                #expect("\(sent["system"] ?? .null)".contains("Answer briefly."))
                let last = sent["messages"]?.list?.last?["content"]?.list ?? []
                #expect(last.compactMap { $0["type"]?.text } == ["text", "image"])
                let page = try await chat.history(limit: 50)
                #expect(page.items.map(\.role) == [.user, .assistant, .user, .assistant])
                #expect(page.items.last?.text == reply.text)
                #expect(page.items.allSatisfy { $0.createdAt > Date(timeIntervalSince1970: 1_000_000_000) })
                try await tertulia.close()
            }
        }
    }

    @Test("the lines of the API compile and run as they are written")
    func lines() async throws {
        try await bench { bench in
            var out: [String] = []
            func wait(_ time: Duration?) { out.append("wait \(time ?? .zero)") }
            func show(_ sentence: String) { out.append(sentence) }

            let t = try await Tertulia.open(
                "memory:", model: "lab/any", keys: ["openai": "sk-unused"],
                providers: [.openAIChat("lab", baseURL: "\(bench.simulator.url)/v1")], settings: .mobile)
            let me = t.user()
            let chat = me.newConversation()
            let reply = try await t.ask("Capital of Peru?")
            let sent = try await chat.send("Plan a day in Cádiz")
            #expect(reply.text.contains("Peru") && sent.text.contains("Cádiz"))
            let stream = try await chat.stream("Tell me more")
            var told = ""
            for try await event in stream {
                switch event.kind {
                case .text(let delta): told += delta
                case .done(let reply): told += "\(reply.cost)"
                default: break
                }
            }
            #expect(told.contains("Tell me more") && told.hasSuffix("unknown"))
            let page = try await chat.history(limit: 50)
            for m in page.items { out.append("\(m.role) \(m.text)") }
            #expect(out.first == "user Plan a day in Cádiz")
            for script in ["error=rate_limit;retry_after=60", "error=billing"] {
                do {
                    _ = try await chat.send(
                        "hi",
                        options: .init(model: "lab/sim:\(script)", temperature: 0.2, timeoutMs: 30_000, degrade: false))
                } catch let e as TertuliaError where e.kind == .rateLimited {
                    wait(e.retryAfter)
                } catch {
                    show(error.localizedDescription)
                }
            }
            #expect(out[4] == "wait 60.0 seconds")
            #expect(out[5].hasSuffix("Your message was saved."))
            try await t.close()
        }
    }

    @Test("an app may have types of the same names")
    func names() async throws {
        struct Message {}
        struct Conversation {}
        let own = (Message(), Conversation())
        let theirs = (Tertulia.Message.self, Tertulia.Conversation.self, Tertulia.TertuliaError.self)
        #expect("\(type(of: own.0))" == "\(theirs.0)" && type(of: own.0) != theirs.0)
        #expect("\(type(of: own.1))" == "\(theirs.1)" && type(of: own.1) != theirs.1)
    }

    @Test("the example of a chat answers and remembers")
    func chat() async throws {
        try await folder { folder in
            let said = try run("chat", in: folder, environment: ["MESSAGE": "Good morning"])
            #expect(said.contains("Good morning"))
            let tertulia = try await Tertulia.open("\(folder)/chat.db", model: "echo/any")
            let page = try await tertulia.user().conversationFor("terminal").history()
            #expect(page.items.map(\.role) == [.user, .assistant])
            try await tertulia.close()
        }
    }
}
