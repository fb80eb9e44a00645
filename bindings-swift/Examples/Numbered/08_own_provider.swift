// A provider of your own, as code: from a request to events. The message is on disk first, the reply streams as any other.
import Tertulia

/// Stands where a model on this device, or a vendor's library, would stand.
private actor House {
    private var awake = false

    /// The answer to a request. What fails before its first word is asked again.
    func answer(_ request: ChatRequest) throws -> AsyncThrowingStream<StreamEventKind, any Error> {
        guard awake else {
            awake = true
            throw TertuliaError(
                .unavailable, reason: "asleep", detail: "the clerk is waking up", retry: .after(afterMs: 10))
        }
        let (times, last) = ((request.messages.count + 1) / 2, request.messages.last?.text ?? "")
        return AsyncThrowingStream { answer in
            for word in "\(request.model) asked \(times) times; last: \(last)".split(separator: " ") {
                answer.yield(.text(delta: "\(word) "))
            }
            answer.finish()
        }
    }
}

func ownProvider() async throws {
    let house = House()
    let models = #"{"clerk": {"context_window": 8192}}"#  // what is known of its models, if anything
    let tertulia = try await Tertulia.open(
        "memory:", model: "house/clerk",
        ownProviders: [
            Provider("house") { request in try await house.answer(request) },
            Provider("shop", models: models) { request in try await house.answer(request) },
        ])
    let chat = tertulia.user("ana").newConversation()
    let reply = try await chat.send("Are you open?")
    print("\(reply.text) (\(reply.attempts.count) tries)")
    for try await text in try await chat.stream("And on Sunday?", options: .init(model: "shop/clerk")).text {
        print(text, terminator: "")
    }
    print()
    for model in tertulia.models("shop/*") {
        print("\(model.id) reads \(model.contextWindow ?? 0) tokens")
    }
    try await tertulia.close()
}
