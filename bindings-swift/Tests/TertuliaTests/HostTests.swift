import Foundation
import Simulator
import Tertulia
import Testing

/// What an app gives in code: keys, providers, and who hears the log.
@Suite(.timeLimit(.minutes(1)))
struct HostTests {
    private static let settings = Settings(
        json: """
            {"profile": "mobile", "retry": {"max_attempts": 2, "base_delay_ms": 1, "max_delay_ms": 1},
            "outbox": {"degrade": false}}
            """)

    private func keyed(_ bench: Bench, _ source: any KeySource) async throws -> Tertulia {
        try await Tertulia.open(
            "memory:", model: "lab/any", keySource: source,
            providers: [.openAIChat("lab", baseURL: "\(bench.simulator.url)/v1")], settings: Self.settings)
    }

    private func housed(_ house: Provider) async throws -> Tertulia {
        try await Tertulia.open("memory:", model: "house/any", ownProviders: [house], settings: Self.settings)
    }

    private func keysSent(_ bench: Bench) async throws -> [String?] {
        try await bench.simulator.requests().map { $0["headers"]?["authorization"]?.text }
    }

    @Test("an app's key source is asked by user and provider, and again after a rejection")
    func keys() async throws {
        try await bench { bench in
            let asked = Noted<String>()
            let tertulia = try await keyed(
                bench,
                AskedKeys { user, provider in
                    await asked.note("\(user ?? "-") \(provider)") == 1 ? "sk-old" : "sk-new"
                })
            let ana = tertulia.user("ana")
            #expect(try await ana.ask("Hi", options: .init(model: "lab/sim:status=401;fail=1;text=ok")).text == "ok")
            #expect(try await ana.ask("Hi", options: .init(model: "lab/sim:text=again")).text == "again")
            _ = try await tertulia.ask("Hi")
            #expect(try await keysSent(bench) == ["Bearer sk-old", "Bearer sk-new", "Bearer sk-new", "Bearer sk-new"])
            #expect(await asked.all == ["ana lab", "ana lab", "- lab"])
            try await tertulia.close()
        }
    }

    private struct Told: Error, CustomStringConvertible {
        let description = "sk-secret"
    }

    private struct Vault: KeySource {
        let asked = Noted<Bool>()

        func key(user: String?, provider: String) async throws -> String? {
            switch await asked.note(true) {
            case 1: throw Told()
            case 2: throw TertuliaError(.internal, reason: "sk-secret", detail: "sk-secret")
            case 3: throw TertuliaError(.unavailable, reason: "sk-secret", detail: "sk-secret")
            default: return "sk-new"
            }
        }
    }

    @Test("a key source that throws says nothing of keys, and the engine goes on")
    func secrets() async throws {
        try await bench { bench in
            let tertulia = try await keyed(bench, Vault())
            let chat = tertulia.user().newConversation()
            for kind in [ErrorKind.unauthorized, .unauthorized, .unavailable] {
                let refused = try #require(await failure { try await chat.send("Hi") })
                #expect(refused.kind == kind && refused.reason == "key_source")
                #expect(!"\(refused) \(String(reflecting: refused))".contains("sk-secret"))
            }
            _ = try await chat.send("Hi")
            #expect(try await keysSent(bench) == ["Bearer sk-new"])
            try await tertulia.close()
        }
    }

    @Test("a key source that never answers is cancelled with its call")
    func hangs() async throws {
        try await bench { bench in
            let (began, ended) = (Signal(), Signal())
            let tertulia = try await keyed(
                bench,
                AskedKeys { _, _ in
                    began.raise()
                    // Comes back because the task is cancelled.
                    await Signal().next()
                    ended.raise()
                    return nil
                })
            let call = Task { try await tertulia.ask("Hi") }
            await began.next()
            call.cancel()
            await #expect(throws: CancellationError.self) { try await call.value }
            await ended.next()
            #expect(await failure { try await tertulia.ask("Hi", options: .init(timeoutMs: 30)) }?.kind == .timedOut)
            await ended.next()
            #expect(try await bench.simulator.requests().isEmpty)
            try await tertulia.close()
        }
    }

    @Test("an app's provider is streamed word by word, and its call is like any other")
    func words() async throws {
        let goOn = Signal()
        let requests = Noted<ChatRequest>()
        let house = Provider("house") { request in
            _ = await requests.note(request)
            return AsyncThrowingStream { answer in
                let work = Task {
                    answer.yield(.text(delta: "You said: "))
                    await goOn.next()
                    answer.yield(.text(delta: request.messages.last?.text ?? ""))
                    let usage = Usage(inputTokens: 3, outputTokens: 5, source: .reported)
                    answer.yield(.usage(usage: usage, cost: Cost(source: .unknown)))
                    answer.finish()
                }
                answer.onTermination = { _ in work.cancel() }
            }
        }
        let tertulia = try await housed(house)
        let stream = try await tertulia.user().newConversation(system: "Be brief.").stream("Hi")
        var heard: [String] = []
        for try await words in stream.text {
            heard.append(words)
            // The rest is given only when the first words were heard.
            goOn.raise()
        }
        #expect(heard == ["You said: ", "Hi"])
        let reply = try await stream.reply()
        #expect(reply.model == "any" && reply.usage.inputTokens == 3 && reply.usage.outputTokens == 5)
        let request = try #require(await requests.all.first)
        #expect(request.model == "any" && request.system == "Be brief." && !"\(request)".contains("brief"))
        try await tertulia.close()
    }

    private struct Rude: Error, CustomStringConvertible {
        let description = "secret"
    }

    @Test("an app's provider that says so is asked again, and what it throws is an error of ours")
    func failures() async throws {
        let asked = Noted<Bool>()
        let tertulia = try await housed(
            Provider("house") { request in
                let said = request.messages.last?.text
                if said == "loading", await asked.note(true) == 1 {
                    throw TertuliaError(.unavailable, reason: "loading", detail: "the model is loaded", retry: .safe)
                }
                if said == "rude" { throw Rude() }
                return AsyncThrowingStream { answer in
                    if said == "done" { answer.yield(.other(name: "x", data: "")) }
                    answer.yield(.text(delta: said == "broken" ? "Half a " : "ok"))
                    answer.finish(throwing: said == "broken" ? Rude() : nil)
                }
            })
        let chat = tertulia.user().newConversation()
        #expect(try await chat.send("loading").text == "ok")
        #expect(await asked.all.count == 2)
        let rude = try #require(await failure { try await chat.send("rude") })
        #expect(rude.kind == .unavailable && rude.reason == "provider_failed")
        #expect(rude.detail.contains("Rude") && !"\(rude)".contains("secret"))
        let done = try #require(await failure { try await chat.send("done") })
        #expect(done.kind == .unavailable && done.reason == "bad_response")
        let broken = try #require(await failure { try await chat.send("broken") })
        #expect(broken.kind == .truncated && broken.text == "Half a ")
        #expect(try await chat.send("Hi").text == "ok")
        #expect(try await chat.history().items.suffix(2).map(\.text) == ["Hi", "ok"])
        try await tertulia.close()
    }

    @Test("an app's provider is cancelled with its call, and with a stream that is left")
    func cancelled() async throws {
        let (began, ended) = (Signal(), Signal())
        let tertulia = try await housed(
            Provider("house") { _ in
                AsyncThrowingStream { answer in
                    answer.yield(.text(delta: "one "))
                    began.raise()
                    answer.onTermination = { _ in ended.raise() }
                }
            })
        let chat = tertulia.user().newConversation()
        let call = Task { try await chat.send("Hi") }
        await began.next()
        call.cancel()
        await #expect(throws: CancellationError.self) { try await call.value }
        await ended.next()
        let stream = try await chat.stream("Hi")
        for try await words in stream.text {
            #expect(words == "one ")
            break
        }
        await began.next()
        await ended.next()
        #expect(try await stream.reply().status == .cancelled)
        try await tertulia.close()
    }

    @Test("an app's provider has models of its own, and is refused by a bad name")
    func models() async throws {
        let models = #"{"small": {"context_window": 4096}}"#
        let house = Provider("house", models: models) { request in
            AsyncThrowingStream { answer in
                answer.yield(.text(delta: "You said: " + (request.messages.last?.text ?? "")))
                answer.finish()
            }
        }
        let tertulia = try await housed(house)
        #expect(try await tertulia.ask("Hi", options: .init(model: "house/small")).text == "You said: Hi")
        #expect(tertulia.models("house/*").map(\.id) == ["house/small"])
        try await tertulia.close()
        let unnamed = await failure {
            try await housed(Provider("No Name") { _ in AsyncThrowingStream { $0.finish() } })
        }
        #expect(unnamed?.kind == .invalid && unnamed?.reason == "bad_provider")
    }

    @Test("an app hears what is logged, and neither keys nor prompts")
    func logs() async throws {
        try await bench { bench in
            let (records, heard) = AsyncStream<LogRecord>.makeStream()
            try Tertulia.forwardLogs(.info) { heard.yield($0) }
            let tertulia = try await bench.engine("status=401", keys: ["lab": "sk-canary"])
            #expect(await failure { try await tertulia.ask("canary-prompt") }?.kind == .unauthorized)
            try await tertulia.close()
            for await record in records {
                #expect(!"\(record) \(record.fields)".contains("canary") && record.target.hasPrefix("tertulia"))
                if record.message == "closed" { break }
            }
            try Tertulia.stopLogs()
        }
    }
}

/// What was noted, in its order.
private actor Noted<Item: Sendable> {
    var all: [Item] = []

    /// Notes one, and says how many there are.
    func note(_ item: Item) -> Int {
        all.append(item)
        return all.count
    }
}

/// Something that happened, as often as it did.
private final class Signal: Sendable {
    private let happenings: AsyncStream<Void>
    private let happened: AsyncStream<Void>.Continuation

    init() {
        (happenings, happened) = AsyncStream.makeStream()
    }

    func raise() {
        happened.yield()
    }

    /// Waits until it has happened once more.
    func next() async {
        for await _ in happenings { return }
    }
}
