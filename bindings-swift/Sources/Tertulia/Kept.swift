import TertuliaFFI

/// What is kept of a user.
extension UserScope {
    /// This user's conversations that are not archived (or with `archived` those that are): the pinned ones first, then the
    /// latest activity, 1 to 200 of them. With `pinned` only those that are pinned or only those that are not, with `tag`
    /// only those with this tag. A page's `before` goes on down the list; its `after` gives what has had activity since,
    /// pinned or not, the latest first.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_cursor, bad_limit); `storage`.
    public func listConversations(
        limit: Int = 50, before: String? = nil, after: String? = nil, archived: Bool = false, pinned: Bool? = nil,
        tag: String? = nil
    ) async throws -> ConversationPage {
        try await calling { [handle] in
            try await handle.listConversations(
                limit: Int32(clamping: limit), before: before, after: after, archived: archived, pinned: pinned,
                tag: tag,
                cancel: $0)
        }
    }

    /// The same page, or nothing when no conversation of this user has changed since the page with the version
    /// `unchangedSince`; no conversation is read then.
    ///
    /// - Throws: ``TertuliaError``, as of `listConversations`.
    public func listConversationsIfChanged(
        unchangedSince version: Int64, limit: Int = 50, before: String? = nil, after: String? = nil,
        archived: Bool = false,
        pinned: Bool? = nil, tag: String? = nil
    ) async throws -> ConversationPage? {
        try await calling { [handle] in
            try await handle.listConversationsIfChanged(
                unchangedSince: version, limit: Int32(clamping: limit), before: before, after: after,
                archived: archived,
                pinned: pinned, tag: tag, cancel: $0)
        }
    }

    /// Searches what was said in this user's conversations, on all their branches: words, `"phrases"`, `-exclusions` and
    /// `beginnings*`, whatever their case and accents. All of it must be said in one message, whoever's but a tool's. The
    /// newest first unless sorted otherwise, 1 to 200 of them; a page's `before` leads on. Nothing is found for a query
    /// without a word.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_query, bad_limit, bad_cursor, search_off); `storage`.
    public func search(
        _ words: String, sort: SearchSort? = nil, limit: Int = 50, before: String? = nil
    ) async throws -> SearchPage {
        try await calling { [handle] in
            try await handle.search(
                words: words, sort: sort, limit: Int32(clamping: limit), before: before, cancel: $0)
        }
    }

    /// Writes this user's conversations into a file, as JSON Lines, with everything but turns, the outbox and budgets: all
    /// of them, or only `ids`, in their order, or only those that are `archived`, `pinned`, or have this `tag`; with
    /// `preferences` what the user prefers as well. The file gets its name when it is whole and on the disk.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_path, bad_id); `notFound` for an id that is not there; `storage` when the
    ///   file cannot be written. A cancelled task leaves no file.
    public func exportConversations(
        _ path: String, ids: [String]? = nil, archived: Bool? = nil, pinned: Bool? = nil, tag: String? = nil,
        preferences: Bool = false
    ) async throws -> ExportReport {
        try await calling { [handle] in
            try await handle.exportConversations(
                path: path, ids: ids, archived: archived, pinned: pinned, tag: tag, preferences: preferences, cancel: $0
            )
        }
    }

    /// Adds the conversations of a file to this user's: of an export of this engine, of the `conversations.json` of ChatGPT
    /// or Claude, or lists of messages with `role` and `content`. What it is, is recognised. With `dryRun` nothing is
    /// written: the report says what would be. What is here already stays as it is, so that the same file twice is the same
    /// file once.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (unreadable_file, unknown_format, newer_format, malformed, truncated,
    ///   too_deep, too_large), each with the line and the item; `storage`. A cancelled task keeps what was added.
    public func importConversations(_ path: String, dryRun: Bool = false) async throws -> ImportReport {
        try await calling { [handle] in try await handle.importConversations(path: path, dryRun: dryRun, cancel: $0) }
    }

    /// Takes out everything of this user: conversations, files, turns, what waits in the outbox, libraries, what the user
    /// prefers, the words of all of it in the search index, and what is left of it in free places of the store's files. The
    /// sums of what was spent stay. It goes on when the task is cancelled, and at the next opening of the store when the
    /// process ends before. Doing it again does what is left.
    ///
    /// - Throws: ``TertuliaError``: `storage`; `closed`. What is done then stays done.
    public func erase() async throws -> ErasureReport {
        try await calling { [handle] in try await handle.erase(cancel: $0) }
    }
}

extension SearchHit {
    /// The place in the message where it was found.
    public var text: String { snippet.map(\.text).joined() }
}
