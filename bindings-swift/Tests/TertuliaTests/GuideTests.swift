import Simulator
import Tertulia
import Testing

/// The app's keys, as a keychain would have them.
private actor Vault {
    func key(_ user: String?, _ provider: String) -> String? {
        provider == "anthropic" ? "sk-of-\(user ?? "nobody")" : nil
    }
}

/// The page of Swift in `docs/guide`: what stands there stands here, but for lines of the test's own.
@Suite(.timeLimit(.minutes(1)))
struct GuideTests {
    @Test("the page runs as it is written")
    func page() async throws {
        try await bench { bench in
            try await folder { folder in try await read(bench, "\(folder)/chat.db") }
        }
    }

    @MainActor private func read(_ bench: Bench, _ path: String) async throws {
        let vault = Vault()
        let lab = ProviderSpec(name: "anthropic", baseUrl: "\(bench.simulator.url)/v1", dialect: "anthropic")
        var out = ""
        func print(_ words: Any..., terminator: String = "\n") {
            out += words.map { "\($0)" }.joined(separator: " ") + terminator
        }

        let tertulia = try await Tertulia.open(
            path, model: "anthropic/claude-sonnet-4-5",
            keySource: AskedKeys { user, provider in await vault.key(user, provider) },
            providers: [lab],  // only here
            settings: .mobile)
        let chat = tertulia.user("ana").newConversation(system: "Answer briefly.")
        for try await text in try await chat.stream("Three things to see in Cádiz?").text {
            print(text, terminator: "")
        }
        let reply = try await chat.send("Which of them on a rainy day?")
        print(reply.text, reply.usage.outputTokens, reply.cost)
        #expect(out.contains("Cádiz") && out.contains("rainy day"))  // only here
        #expect("\(try await bench.simulator.requests().last ?? .null)".contains("sk-of-ana"))  // only here

        let again = try tertulia.user("ana").conversation(chat.id)
        let page = try await again.history(limit: 50)
        for message in page.items { print(message.role, message.text) }
        #expect(page.items.count == 4)  // only here

        let stream = try await chat.stream("A long story, please.")
        for try await _ in stream.text { break }  // leaving the loop stops the reply
        print(try await stream.reply().status)

        do {
            _ = try await chat.send("Plan a day in Cádiz", options: .init(model: "nobody/nothing"))
        } catch let error as TertuliaError {
            switch error.kind {
            case .rateLimited: print("again in \(error.retryAfter ?? .zero)")
            case .invalid: print("\(error.reason): \(error.detail)")
            default: print("\(error.userMessage) saved: \(error.saved)")
            }
        }
        #expect(out.contains("unknown_provider: "))  // only here

        let timeline = TimelineModel(chat)
        let drawing = Task { await timeline.run() }
        await until { !timeline.ids.isEmpty }
        drawing.cancel()
        await drawing.value
        try await tertulia.close()

        let house = Provider("house") { request in
            AsyncThrowingStream { answer in
                answer.yield(.text(delta: "You said: " + (request.messages.last?.text ?? "")))
                answer.finish()
            }
        }
        let own = try await Tertulia.open("memory:", model: "house/any", ownProviders: [house])
        #expect(try await own.ask("Hi").text == "You said: Hi")
        try await own.close()
    }
}
