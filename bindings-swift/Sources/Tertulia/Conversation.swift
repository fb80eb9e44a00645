import TertuliaFFI

/// One conversation. Its turns run one after the other, in the order they were asked for.
///
/// What is said is a text, or a list of texts and media: `["And what is this?", .image(path: "tower.jpg")]`.
public final class Conversation: Sendable {
    private let handle: TertuliaFFI.Conversation

    init(_ handle: TertuliaFFI.Conversation) {
        self.handle = handle
    }

    /// Names it.
    public var id: String { handle.id() }

    /// Saves the message, sends it, and waits for the whole reply. Cancelling the task stops the call and keeps what had
    /// arrived.
    ///
    /// - Throws: ``TertuliaError``, whatever ends the call; it says whether the message is kept.
    public func send(_ parts: [Part], options: CallOptions = CallOptions()) async throws -> Reply {
        try await calling { [handle] in try await handle.send(parts: parts, options: options, cancel: $0) }
    }

    /// Saves the message, sends it, and waits for the whole reply. Cancelling the task stops the call and keeps what had
    /// arrived.
    ///
    /// - Throws: ``TertuliaError``, whatever ends the call; it says whether the message is kept.
    public func send(_ text: String, options: CallOptions = CallOptions()) async throws -> Reply {
        try await send([.text(text)], options: options)
    }

    /// Saves the message, sends it, and gives the reply as it comes. The stream exists once the message is saved.
    ///
    /// - Throws: ``TertuliaError``: what can be refused before the message is sent; `storage`.
    public func stream(_ parts: [Part], options: CallOptions = CallOptions()) async throws -> ReplyStream {
        ReplyStream(
            try await calling { [handle] in try await handle.stream(parts: parts, options: options, cancel: $0) })
    }

    /// Saves the message, sends it, and gives the reply as it comes. The stream exists once the message is saved.
    ///
    /// - Throws: ``TertuliaError``: what can be refused before the message is sent; `storage`.
    public func stream(_ text: String, options: CallOptions = CallOptions()) async throws -> ReplyStream {
        try await stream([.text(text)], options: options)
    }

    /// Asks again for a turn that was interrupted, parked or cancelled. What was said since stays on a branch of its own.
    ///
    /// - Throws: ``TertuliaError``: `conflict` (already_answered, still_running); `notFound`; `storage`.
    public func retry(_ turnId: String, options: CallOptions = CallOptions()) async throws -> ReplyStream {
        ReplyStream(
            try await calling { [handle] in try await handle.retry(turnId: turnId, options: options, cancel: $0) })
    }

    /// The reply of a turn from behind this event on (0 = all of it): while it runs here, exactly the rest, as it comes.
    /// When it has come to rest, the store gives it in whole parts to who begins at 0, and its end to everybody else.
    /// Who stops reading this stream, or lets go of it, does not stop the call: it only watches.
    ///
    /// - Throws: ``TertuliaError``: `notFound`; `conflict` (held_elsewhere) while another process works on it.
    public func attach(_ turnId: String, afterSeq: Int64 = 0) async throws -> ReplyStream {
        ReplyStream(
            try await calling { [handle] in try await handle.attach(turnId: turnId, afterSeq: afterSeq, cancel: $0) })
    }

    /// Stops a turn that runs in this process. Who waits for it hears `cancelled`. A turn that has come to rest stays as
    /// it is.
    ///
    /// - Throws: ``TertuliaError``: `notFound`.
    public func stop(_ turnId: String) async throws {
        try await calling { [handle] in try await handle.stop(turnId: turnId, cancel: $0) }
    }

    /// Stores messages without asking a model: all of them, or none. Gives their ids.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (empty_message, too_large, …), `notFound`, `storage`.
    @discardableResult
    public func append(_ messages: [NewMessage]) async throws -> [String] {
        try await calling { [handle] in try await handle.append(messages: messages, cancel: $0) }
    }

    /// A page of its messages, in reading order: the latest unless an anchor says where; 1 to 200 of them.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_cursor, bad_limit), `notFound`, `storage`.
    public func history(_ anchor: HistoryAnchor? = nil, limit: Int = 50) async throws -> MessagePage {
        try await calling { [handle] in
            try await handle.history(anchor: anchor, limit: Int32(clamping: limit), cancel: $0)
        }
    }
}
