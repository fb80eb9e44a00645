import TertuliaFFI

/// One conversation. Its turns run one after the other, in the order they were asked for.
///
/// What is said is a text, or a list of texts and media: `["And what is this?", .image(path: "tower.jpg")]`.
public final class Conversation: Sendable {
    let handle: TertuliaFFI.Conversation

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

    /// Where a turn stands.
    ///
    /// - Throws: ``TertuliaError``: `notFound`; `invalid` (bad_id); `storage`.
    public func turn(_ turnId: String) async throws -> Turn {
        try await calling { [handle] in try await handle.turn(turnId: turnId, cancel: $0) }
    }

    /// What a model would be shown of the conversation as it stands, with these knobs: how many messages, and about how
    /// many tokens. Nothing is sent and nothing changes.
    ///
    /// - Throws: ``TertuliaError``: `invalid` for knobs that `send` would refuse, `notFound`,
    ///   `storage`.
    public func context(options: CallOptions = CallOptions()) async throws -> ContextReport {
        try await calling { [handle] in try await handle.context(options: options, cancel: $0) }
    }

    /// What a list shows of it, from one row.
    ///
    /// - Throws: ``TertuliaError``: `notFound`, also while nothing was said in it; `storage`.
    public func summary() async throws -> ConversationSummary {
        try await calling { [handle] in try await handle.summary(cancel: $0) }
    }

    /// Changes its title, instructions, model, metadata or tags, pins or archives it, or says how long it stays from now
    /// on: after that it is gone for every verb at once, with everything in it. What is left out stays as it is.
    ///
    /// - Throws: ``TertuliaError``: `notFound`; `invalid` (too_large, unknown_model, bad_tag, bad_expiry, …); `storage`.
    public func update(_ change: ConversationChange) async throws {
        try await calling { [handle] in try await handle.update(change: change, cancel: $0) }
    }

    /// Deletes it with everything in it. Turns that run are stopped first.
    ///
    /// - Throws: ``TertuliaError``: `notFound`; `storage`.
    public func delete() async throws {
        try await calling { [handle] in try await handle.delete(cancel: $0) }
    }
}
