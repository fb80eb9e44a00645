import TertuliaFFI

extension Conversation {
    /// Says a message anew: the new one stands beside it, is shown in its place, and is answered. The old one stays, with
    /// everything that followed; ``switchTo(_:)`` shows it. One that still waited to be sent is taken back instead. Waits
    /// until the turns before it are over.
    ///
    /// - Throws: ``TertuliaError``, as `stream` does; `notFound`; `invalid` (not_editable) for words of the model;
    ///   `conflict` (epoch_moved) when the old one is being sent by another process at this very moment.
    public func edit(
        _ messageId: String, _ parts: [Part], options: CallOptions = CallOptions()
    ) async throws -> ReplyStream {
        ReplyStream(
            try await calling { [handle] in
                try await handle.edit(messageId: messageId, parts: parts, options: options, cancel: $0)
            })
    }

    /// Says a message anew, in words; in all else as with parts.
    public func edit(
        _ messageId: String, _ text: String, options: CallOptions = CallOptions()
    ) async throws -> ReplyStream {
        try await edit(messageId, [.text(text)], options: options)
    }

    /// Asks for another answer. Give the answer, or the message that was answered; the new one stands beside the old ones,
    /// is shown once it begins, and belongs to the same turn. It is asked of the model that was asked then, unless told
    /// otherwise. If it fails before its first word, everything is as it was.
    ///
    /// - Throws: ``TertuliaError``, as `stream` does; `notFound`; `invalid` (no_question) when nothing was asked, (deleted)
    ///   when the question is gone; `conflict` (waits) while the message waits in the outbox, (still_running) while another
    ///   process answers it.
    public func regenerate(_ messageId: String, options: CallOptions = CallOptions()) async throws -> ReplyStream {
        ReplyStream(
            try await calling { [handle] in
                try await handle.regenerate(messageId: messageId, options: options, cancel: $0)
            })
    }

    /// The messages that stand in the same place, this one among them, in the order in which they were made: what a "2/3"
    /// switches between. Those about this one unless a page's own `before` or `after` says where; 1 to 200 of them.
    ///
    /// - Throws: ``TertuliaError``: `notFound`; `invalid` (bad_cursor, bad_limit, bad_id); `storage`.
    public func siblings(
        _ messageId: String, limit: Int = 50, before: String? = nil, after: String? = nil
    ) async throws -> MessagePage {
        try await calling { [handle] in
            try await handle.siblings(
                messageId: messageId, limit: Int32(clamping: limit), before: before, after: after, cancel: $0)
        }
    }

    /// The branches of the conversation, each by its last message, the newest first; 1 to 200 of them. `before` and `after`
    /// are those of a page.
    ///
    /// - Throws: ``TertuliaError``: `notFound`; `invalid` (bad_cursor, bad_limit); `storage`.
    public func branches(limit: Int = 50, before: String? = nil, after: String? = nil) async throws -> BranchPage {
        try await calling { [handle] in
            try await handle.branches(limit: Int32(clamping: limit), before: before, after: after, cancel: $0)
        }
    }

    /// Shows the branch on which this message stands, for everybody who reads the conversation, and gives the id of its
    /// last message. A branch is shown as it was left. The conversation keeps its place in the list.
    ///
    /// - Throws: ``TertuliaError``: `notFound`; `invalid` (bad_id); `storage`.
    @discardableResult
    public func switchTo(_ messageId: String) async throws -> String {
        try await calling { [handle] in try await handle.switchTo(messageId: messageId, cancel: $0) }
    }

    /// Begins a new branch behind this message: the conversation is shown up to it, and the next message goes there. What
    /// followed stays; ``switchTo(_:)`` shows it. Copies nothing.
    ///
    /// - Throws: ``TertuliaError``: `notFound`; `invalid` (bad_id); `storage`.
    public func fork(_ messageId: String) async throws {
        try await calling { [handle] in try await handle.fork(messageId: messageId, cancel: $0) }
    }

    /// The conversation as it is seen from this message: `history` ends with it, whatever is shown to others, and what is
    /// sent or appended goes right behind it, each time, and is shown from then on. Reads and writes nothing by itself; a
    /// message that is not there is `notFound` to whoever reads or sends. Everything else is as for the conversation.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id).
    public func at(_ messageId: String) throws -> Conversation {
        Conversation(try failing { try handle.at(messageId: messageId) })
    }

    /// A conversation of its own, with a copy of what was said up to and including this message, of its title,
    /// instructions, model, metadata and tags, and of the files. What the answers took and cost stays with the original.
    ///
    /// - Throws: ``TertuliaError``: `notFound`; `invalid` (bad_id); `storage`; `conflict` (still_streaming) when the message
    ///   is being written. A cancelled task may leave the beginning of a copy.
    public func duplicate(_ messageId: String) async throws -> Conversation {
        Conversation(
            try await calling { [handle] in try await handle.duplicate(messageId: messageId, cancel: $0) })
    }

    /// Deletes a message: its words, files and metadata are gone, and no model is shown it. It keeps its place, as a message
    /// with the status `deleted`, so that everything else keeps its own. With `subtree` it goes altogether, and everything
    /// below it on all branches; when the branch that is shown goes through it, that one ends before it. A message that
    /// waits to be sent is taken out of the outbox.
    ///
    /// - Throws: ``TertuliaError``: `notFound`; `invalid` (bad_id); `storage`; `conflict` (still_streaming, turn_open) when
    ///   it is being answered or written: stop its turn first.
    public func deleteMessage(_ messageId: String, subtree: Bool = false) async throws {
        try await calling { [handle] in
            try await handle.deleteMessage(messageId: messageId, subtree: subtree, cancel: $0)
        }
    }

    /// Searches in this conversation alone, on all its branches; in all else as a user's search.
    ///
    /// - Throws: ``TertuliaError``, as a user's search does; `notFound`.
    public func search(
        _ words: String, sort: SearchSort? = nil, limit: Int = 50, before: String? = nil
    ) async throws -> SearchPage {
        try await calling { [handle] in
            try await handle.search(
                words: words, sort: sort, limit: Int32(clamping: limit), before: before, cancel: $0)
        }
    }
}

extension TextChange: ExpressibleByStringLiteral {
    /// It is this from now on.
    public init(stringLiteral text: String) {
        self = .set(text: text)
    }
}

extension Expiry {
    /// From now on so long, whatever is said in it.
    public static func `in`(_ time: Duration) -> Expiry {
        .in(ms: time.milliseconds)
    }
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: Int64 {
        Int64(components.seconds) * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
