import TertuliaFFI

/// The conversations of one user. Another user's cannot be named through it.
public final class UserScope: Sendable {
    private let handle: TertuliaFFI.UserScope

    init(_ handle: TertuliaFFI.UserScope) {
        self.handle = handle
    }

    /// Who it is.
    public var id: String { handle.id() }

    /// A new conversation, with a model, instructions, title or metadata of its own. Nothing is written before its first
    /// message; its id is there from the start.
    public func newConversation(
        model: String? = nil, system: String? = nil, title: String? = nil, metadata: [String: String] = [:]
    ) -> Conversation {
        Conversation(handle.newConversation(model: model, system: system, title: title, metadata: metadata))
    }

    /// A conversation by its id. `notFound` at its first use when there is none, or when it is another user's.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id) for a text that is no id.
    public func conversation(_ id: String) throws -> Conversation {
        do {
            return Conversation(try handle.conversation(id: id))
        } catch let failure as TertuliaFFI.TertuliaError {
            throw TertuliaError(failure)
        }
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
}
