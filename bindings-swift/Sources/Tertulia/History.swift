import TertuliaFFI

extension Conversation {
    /// A page of its messages, in reading order: the latest unless an anchor says where. It holds exactly `limit` of them
    /// (1 to 200), or all there are; with `turns` so many whole turns (1 to 200) instead, each a message of the user with
    /// all that follows up to the next one. All of each message unless `detail` says less.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_cursor, bad_limit, bad_position, bad_id), `notFound`, `storage`.
    public func history(
        _ anchor: HistoryAnchor? = nil, limit: Int = 50, turns: Int? = nil, detail: Detail? = nil
    ) async throws -> MessagePage {
        try await calling { [handle] in
            try await handle.history(
                anchor: anchor, limit: Int32(clamping: limit), turns: turns.map { Int32(clamping: $0) }, detail: detail,
                cancel: $0)
        }
    }

    /// The same page, or nothing when the conversation has still the version `unchangedSince`, which is that of the page
    /// at hand; no message is read then.
    ///
    /// - Throws: ``TertuliaError``, as ``history(_:limit:turns:detail:)`` does.
    public func historyIfChanged(
        unchangedSince version: Int64, _ anchor: HistoryAnchor? = nil, limit: Int = 50, turns: Int? = nil,
        detail: Detail? = nil
    ) async throws -> MessagePage? {
        try await calling { [handle] in
            try await handle.historyIfChanged(
                unchangedSince: version, anchor: anchor, limit: Int32(clamping: limit),
                turns: turns.map { Int32(clamping: $0) }, detail: detail, cancel: $0)
        }
    }

    /// What a screen needs when it opens: what a list shows of it, and its latest messages, both of the same moment.
    ///
    /// - Throws: ``TertuliaError``: `notFound`, also while nothing was said in it; `invalid` (bad_limit), `storage`.
    public func open(limit: Int = 50, turns: Int? = nil, detail: Detail? = nil) async throws -> ConversationOpening {
        try await calling { [handle] in
            try await handle.open(
                limit: Int32(clamping: limit), turns: turns.map { Int32(clamping: $0) }, detail: detail, cancel: $0)
        }
    }

    /// Its messages one after the other, from the first to the last unless told otherwise, however many there are: pages
    /// are read as they are needed. What is said meanwhile, or shown instead, changes nothing.
    public func messages(newestFirst: Bool = false, detail: Detail? = nil) -> Messages {
        Messages(handle.messages(newestFirst: newestFirst, detail: detail))
    }
}

/// The messages of a conversation one after the other. They are there once: who reads again goes on. One task reads.
public final class Messages: AsyncSequence, Sendable {
    /// What it is made of.
    public typealias Element = Message

    private let handle: TertuliaFFI.Messages

    init(_ handle: TertuliaFFI.Messages) {
        self.handle = handle
    }

    /// The next messages, as many as are at hand and at most this many (at least 1). Empty behind the last one.
    ///
    /// - Throws: ``TertuliaError``: `notFound`, `storage`; `invalid` (bad_cursor) when the message is deleted with which
    ///   the page before ended. Asking again goes on where it failed.
    public func nextBatch(max: Int = 50) async throws -> [Message] {
        try await calling { [handle] in try await handle.nextBatch(max: Int32(clamping: max), cancel: $0) }
    }

    /// Reads the messages that are left.
    public func makeAsyncIterator() -> Batches<Message> {
        Batches { try await self.nextBatch() }
    }
}

extension HistoryAnchor {
    /// The messages before a page's `before`.
    public static func before(_ cursor: String) -> HistoryAnchor {
        .before(cursor: cursor)
    }

    /// The messages after a page's `after`; also for polling at the end.
    public static func after(_ cursor: String) -> HistoryAnchor {
        .after(cursor: cursor)
    }

    /// This message, which must be on the branch, in the middle of the page, as far as the ends let it.
    public static func around(_ messageId: String) -> HistoryAnchor {
        .around(messageId: messageId)
    }

    /// The messages from this place of the branch on, counted from 1.
    public static func position(_ position: Int) -> HistoryAnchor {
        .position(position: Int32(clamping: position))
    }
}
