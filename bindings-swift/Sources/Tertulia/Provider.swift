import TertuliaFFI

/// A provider that is code of yours: a model on this device, a vendor's library, a script for tests. Its models are
/// `name/anything`.
///
/// ```swift
/// let house = Provider("house") { request in
///     AsyncThrowingStream { answer in
///         answer.yield(.text(delta: "You said: " + (request.messages.last?.text ?? "")))
///         answer.finish()
///     }
/// }
/// let tertulia = try await Tertulia.open("chat.db", model: "house/any", ownProviders: [house])
/// ```
///
/// It may give words (`text`, `reasoning`, `refusal`), `citation`, `toolCall` (whole, or `toolCallDelta` piece by piece),
/// `part` with a picture, sound, document or opaque object, `usage` (the totals so far; left out, tokens are estimated), and
/// `progress` as a sign of life. Beginning and end are the engine's to say; the normal end of the stream says that the
/// answer is whole. The first event may take 300 s, every other 90 s.
///
/// A ``TertuliaError`` that is thrown keeps its kind: before the first content one whose `retry` is `safe` or `after` makes
/// the engine ask again, after it the reply is `truncated` with what had arrived. Anything else is `unavailable`
/// (provider_failed) and not asked again, and its words are told to nobody.
public struct Provider: Sendable {
    let record: TertuliaFFI.Provider

    /// A provider that is code of yours.
    ///
    /// - Parameters:
    ///   - name: 1 to 64 of a-z, 0-9, `-`, `_` and `.`. It takes the place of a provider of the catalogue with the same name.
    ///   - models: What its models can do and cost, as a JSON object by their bare names; `*` stands for all that are not
    ///     listed.
    ///   - answer: The events of the answer to a request. It serves every call, also several at once; its task is cancelled
    ///     when nobody waits for the answer any more, and the stream is read only as fast as the answer is.
    public init(
        _ name: String, models: String? = nil,
        answer: @escaping @Sendable (_ request: ChatRequest) async throws ->
            AsyncThrowingStream<StreamEventKind, any Error>
    ) {
        record = TertuliaFFI.Provider(name: name, code: StreamCode(name: name, events: answer), models: models)
    }
}

/// The code of a provider, for the engine.
private final class StreamCode: ProviderCode {
    private let name: String
    private let events: @Sendable (ChatRequest) async throws -> AsyncThrowingStream<StreamEventKind, any Error>

    init(
        name: String,
        events: @escaping @Sendable (ChatRequest) async throws -> AsyncThrowingStream<StreamEventKind, any Error>
    ) {
        self.name = name
        self.events = events
    }

    func answer(request: ChatRequest, reply: OwnReply) async throws {
        do {
            for try await event in try await events(request) {
                if await !reply.give(event: event) { return }
            }
        } catch let known as TertuliaError {
            throw known.handedBack
        } catch {
            // Its words, which may hold anything, stay here.
            let detail = "the code of provider `\(name)` threw \(type(of: error))"
            throw failure(kind: .unavailable, reason: "provider_failed", detail: detail)
        }
    }
}
