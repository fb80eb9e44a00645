import Simulator
import Tertulia
import Testing

/// Replies on their way, and what stops them: proved where the connection ends.
@Suite(.timeLimit(.minutes(1)))
struct StreamTests {
    @Test("a stream is a sequence of events and its reply is the sum of them")
    func events() async throws {
        try await bench { bench in
            let chat = try await bench.chat("reasoning=Hm;text=one%20two%20three;chunks=3")
            let stream = try await chat.stream("Count")
            var kinds: [StreamEventKind] = []
            for try await event in stream { kinds.append(event.kind) }
            guard case .started(let turn, _, _) = kinds.first, case .done(let done) = kinds.last else {
                return #expect(Bool(false), "\(kinds)")
            }
            #expect(turn == stream.turnId && turn != nil)
            #expect(kinds.map { if case .text(let delta) = $0 { delta } else { "" } }.joined() == "one two three")
            #expect(kinds.map { if case .reasoning(let delta) = $0 { delta } else { "" } }.joined() == "Hm")
            #expect(try await stream.reply() == done)
            #expect(done.text == "one two three" && done.reasoning == "Hm")
            for try await event in stream { #expect(Bool(false), "\(event) was read before") }
        }
    }

    @Test("a long stream arrives whole and in order")
    func long() async throws {
        try await bench { bench in
            let stream = try await bench.chat("words=5000").stream("Talk")
            var (words, seqs): (String, [Int64]) = ("", [])
            for try await event in stream {
                seqs.append(event.seq)
                if case .text(let delta) = event.kind { words += delta }
            }
            #expect(try await stream.reply().text == words)
            #expect(words.split(separator: " ").count == 5000)
            #expect(seqs == Array(Set(seqs)).sorted())
        }
    }

    @Test("whoever breaks off closes the connection and keeps what had come")
    func breaks() async throws {
        try await bench { bench in
            let chat = try await bench.chat(stalls)
            let stream = try await chat.stream("Count")
            for try await text in stream.text {
                #expect(text.hasPrefix("one"))
                break
            }
            try await bench.simulator.waitForHangUp()
            let reply = try await stream.reply()
            #expect(reply.status == .cancelled)
            #expect(!reply.text.isEmpty && "one two ".hasPrefix(reply.text))
            #expect(try await chat.history().items.last?.status == .cancelled)
        }
    }

    @Test("a cancelled task closes the connection of the stream it reads")
    func cancelled() async throws {
        try await bench { bench in
            let stream = try await bench.chat(stalls).stream("Count")
            let (begun, begins) = AsyncStream<Void>.makeStream()
            let reading = Task {
                for try await _ in stream.text { begins.yield() }
            }
            for await _ in begun { break }
            reading.cancel()
            await #expect(throws: CancellationError.self) { try await reading.value }
            try await bench.simulator.waitForHangUp()
            #expect(try await stream.reply().status == .cancelled)
        }
    }

    @Test("a cancelled task drops its call and closes the connection")
    func sending() async throws {
        try await bench { bench in
            let chat = try await bench.chat("text=a%20b;chunks=2;stall=1")
            let sending = Task { try await chat.send("Hi") }
            while try await bench.simulator.requests().isEmpty { await Task.yield() }
            sending.cancel()
            await #expect(throws: CancellationError.self) { try await sending.value }
            try await bench.simulator.waitForHangUp()
            #expect(try await chat.send("Again", options: .init(model: "lab/sim:text=ok")).text == "ok")
        }
    }

    @Test("a task that is cancelled before it begins sends nothing")
    func early() async throws {
        try await bench { bench in
            let chat = try await bench.chat("text=ok")
            let sending = Task {
                while !Task.isCancelled { await Task.yield() }
                return try await chat.send("Hi")
            }
            sending.cancel()
            await #expect(throws: CancellationError.self) { try await sending.value }
            #expect(try await bench.simulator.requests().isEmpty)
        }
    }

    @Test("a call that somebody else stops fails with a kind, and not as if its task were cancelled")
    func stopped() async throws {
        try await bench { bench in
            let chat = try await bench.chat(stalls)
            let stream = try await chat.stream("Count")
            let turn = try #require(stream.turnId)
            let watching = try await chat.attach(turn)
            for try await _ in watching.text { break }
            try await chat.stop(turn)
            try await bench.simulator.waitForHangUp()
            let failed = await failure { while try await !stream.nextBatch().isEmpty {} }
            #expect(failed?.kind == .cancelled)
            let again = try await chat.retry(turn, options: .init(model: "lab/sim:text=whole")).reply()
            #expect(again.text == "whole" && again.turnId == turn)
            let refused = await failure { try await chat.retry(turn) }
            #expect(refused?.kind == .conflict && refused?.reason == "already_answered")
        }
    }

    @Test("a stream that nobody holds stops its call")
    func freed() async throws {
        try await bench { bench in
            let chat = try await bench.chat(stalls)
            var stream: ReplyStream? = try await chat.stream("Count")
            while try await stream?.nextBatch().contains(where: { if case .text = $0.kind { true } else { false } })
                == false
            {}
            stream = nil
            try await bench.simulator.waitForHangUp()
        }
    }

    @Test("a stream that was detached, or only watches, goes on without its reader", arguments: [true, false])
    func detached(atOnce: Bool) async throws {
        try await bench { bench in
            let chat = try await bench.chat("text=a%20b%20c;chunks=3;delay_ms=200")
            var stream: ReplyStream? = try await chat.stream("Again", options: .init(detached: atOnce))
            let turn = try #require(stream?.turnId ?? nil)
            for try await _ in try await chat.attach(turn).text { break }
            if !atOnce { stream?.detach() }
            for try await _ in try #require(stream) { break }
            stream = nil
            let reply = try await chat.attach(turn).reply()
            #expect(reply.text == "a b c" && reply.status == .done)
        }
    }

    @Test("words come gathered but for the first, and as they come where that is asked for")
    func gathered() async throws {
        try await bench { bench in
            let chat = try await bench.chat("words=40;delay_ms=10")
            var told: [[String]] = []
            for gatherMs: Int64 in [60_000, 0] {
                let stream = try await chat.stream("Count")
                var texts: [String] = []
                while case let batch = try await stream.nextBatch(gatherMs: gatherMs), !batch.isEmpty {
                    for case .text(let delta) in batch.map(\.kind) { texts.append(delta) }
                }
                told.append(texts)
            }
            #expect(told[0].count <= 2 && told[1].count > 2)
            #expect(told[0].joined() == told[1].joined())
        }
    }

    @Test("many conversations speak at once")
    func many() async throws {
        try await bench { bench in
            let me = try await bench.engine("text=a%20b%20c;chunks=3;delay_ms=1").user()
            let replies = try await withThrowingTaskGroup(of: (String, Reply).self) { group in
                for number in 1...100 {
                    group.addTask {
                        let stream = try await me.newConversation().stream("\(number)")
                        var words = ""
                        for try await text in stream.text { words += text }
                        return (words, try await stream.reply())
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(Set(replies.map { $0.0 }) == ["a b c"])
            #expect(Set(replies.map { $0.1.conversationId }).count == 100)
        }
    }
}
