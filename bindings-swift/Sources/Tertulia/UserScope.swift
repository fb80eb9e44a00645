import TertuliaFFI

/// The conversations of one user. Another user's cannot be named through it.
public final class UserScope: Sendable {
    let handle: TertuliaFFI.UserScope

    init(_ handle: TertuliaFFI.UserScope) {
        self.handle = handle
    }

    /// Who it is.
    public var id: String { handle.id() }

    /// A new conversation, with a model, instructions, title, metadata or tags of its own (at most 32, each of 1 to 64
    /// characters); with `expiresIn` (at least 1 ms) it stays so long from its first message on, whatever is said in it.
    /// Nothing is written before its first message; its id is there from the start.
    public func newConversation(
        model: String? = nil, system: String? = nil, title: String? = nil, metadata: [String: String] = [:],
        tags: [String] = [], expiresIn: Duration? = nil
    ) -> Conversation {
        Conversation(
            handle.newConversation(
                model: model, system: system, title: title, metadata: metadata, tags: tags,
                expiresInMs: expiresIn.map(\.milliseconds)))
    }

    /// A conversation by its id. `notFound` at its first use when there is none, or when it is another user's.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id) for a text that is no id.
    public func conversation(_ id: String) throws -> Conversation {
        Conversation(try failing { try handle.conversation(id: id) })
    }

    /// The conversation that belongs to a key of your own: same key, same conversation.
    public func conversationFor(_ key: String) -> Conversation {
        Conversation(handle.conversationFor(key: key))
    }

    /// Asks once on this user's account and stores nothing. Cancelling the task stops the call.
    ///
    /// - Throws: ``TertuliaError``, whatever ends the call.
    public func ask(_ parts: [Part], options: CallOptions = CallOptions()) async throws -> Reply {
        try await calling { [handle] in try await handle.ask(parts: parts, options: options, cancel: $0) }
    }

    /// Asks once on this user's account and stores nothing. Cancelling the task stops the call.
    ///
    /// - Throws: ``TertuliaError``, whatever ends the call.
    public func ask(_ text: String, options: CallOptions = CallOptions()) async throws -> Reply {
        try await ask([.text(text)], options: options)
    }

    /// Asks once with these messages, the last of them what is asked now, on this user's account; stores nothing.
    ///
    /// - Throws: ``TertuliaError``, whatever ends the call.
    public func ask(messages: [NewMessage], options: CallOptions = CallOptions()) async throws -> Reply {
        try await calling { [handle] in
            try await handle.askMessages(messages: messages, options: options, cancel: $0)
        }
    }
}
