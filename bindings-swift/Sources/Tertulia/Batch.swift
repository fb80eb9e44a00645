import TertuliaFFI

extension UserScope {
    /// Changes many of this user's conversations together: delete, archive, pin, change, tag, append, edit, export.
    public func batch() -> Batch { Batch(handle.batch()) }
}

/// Many changes to one user's conversations, gathered by its verbs and done together by ``run(bestEffort:dryRun:)`` or
/// ``start(bestEffort:)``.
///
/// ```swift
/// let report = try await me.batch().export("old.jsonl", ids).delete(ids).run()
/// ```
///
/// **All or nothing** unless told otherwise: at most 10,000 items in one transaction. Every item is checked before anything is
/// written, in its order, as if those before it were done. Where one is refused, the batch fails as that item does, the error
/// names it by its number, from 0, and nothing is written; the same when it is cancelled, when the store fails, or when
/// somebody else changes things in such a way that it cannot be done any more. With `bestEffort` it does what it can: at most
/// 100,000 items, up to 500 of them in one transaction; those that are refused are named in the report.
///
/// Either way the messages of a batch hold at most 64 MiB, files included. Messages go behind answers that are under way: the
/// batch waits for these. Turns of conversations that are deleted are stopped, once nothing is refused. `chats` are ids of
/// conversations; each is an item of its own.
public final class Batch: Sendable {
    private let handle: TertuliaFFI.Batch

    init(_ handle: TertuliaFFI.Batch) {
        self.handle = handle
    }

    /// Deletes these conversations with everything in them.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id).
    @discardableResult
    public func delete(_ chats: [String]) throws -> Batch {
        try with { try $0.delete(chats: chats) }
    }

    /// Changes the same fields of all of these conversations; what is left out stays as it is.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id).
    @discardableResult
    public func update(_ chats: [String], _ change: ConversationChange) throws -> Batch {
        try with { try $0.update(chats: chats, change: change) }
    }

    /// Leaves these conversations out of lists that do not ask for them.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id).
    @discardableResult
    public func archive(_ chats: [String]) throws -> Batch {
        try with { try $0.archive(chats: chats) }
    }

    /// Takes these conversations back out of the archive.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id).
    @discardableResult
    public func unarchive(_ chats: [String]) throws -> Batch {
        try with { try $0.unarchive(chats: chats) }
    }

    /// Puts these conversations before all others in lists.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id).
    @discardableResult
    public func pin(_ chats: [String]) throws -> Batch {
        try with { try $0.pin(chats: chats) }
    }

    /// Puts these conversations among the others again.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id).
    @discardableResult
    public func unpin(_ chats: [String]) throws -> Batch {
        try with { try $0.unpin(chats: chats) }
    }

    /// Adds these tags to the ones that the conversations have; those that they have already stay where they stand.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id).
    @discardableResult
    public func tag(_ chats: [String], _ tags: [String]) throws -> Batch {
        try with { try $0.tag(chats: chats, tags: tags) }
    }

    /// Takes these tags off the conversations; one that a conversation does not have is no error.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id).
    @discardableResult
    public func untag(_ chats: [String], _ tags: [String]) throws -> Batch {
        try with { try $0.untag(chats: chats, tags: tags) }
    }

    /// Moves the conversations from one tag to another, as from folder to folder. One without the first tag is refused:
    /// `invalid` (not_tagged).
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id).
    @discardableResult
    public func retag(_ chats: [String], _ old: String, _ new: String) throws -> Batch {
        try with { try $0.retag(chats: chats, old: old, new: new) }
    }

    /// Stores messages without asking a model, all of them one behind the other. A new conversation begins with them; other
    /// items may name it, too.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id, bad_json).
    @discardableResult
    public func append(_ chat: Conversation, _ messages: [NewMessage]) throws -> Batch {
        try with { try $0.append(chat: chat.handle, messages: messages) }
    }

    /// Says a message anew without asking a model: the new one stands beside it and is shown in its place. One that waits to
    /// be sent is taken back instead. Words of the model are refused: `invalid` (not_editable).
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id, bad_json).
    @discardableResult
    public func edit(_ chat: Conversation, _ messageId: String, _ parts: [Part]) throws -> Batch {
        try with { try $0.edit(chat: chat.handle, messageId: messageId, parts: parts) }
    }

    /// Says a message anew without asking a model; in all else as of parts.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id).
    @discardableResult
    public func edit(_ chat: Conversation, _ messageId: String, _ text: String) throws -> Batch {
        try edit(chat, messageId, [.text(text)])
    }

    /// Writes these conversations into a file, as ``UserScope/exportConversations(_:ids:archived:pinned:tag:preferences:)``
    /// does. It holds what is there before the batch: put it before the items that change them. With them deleted by the same
    /// batch, either the file is whole and they are gone, or neither.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id).
    @discardableResult
    public func export(_ path: String, _ chats: [String]) throws -> Batch {
        try with { try $0.export(path: path, chats: chats) }
    }

    /// Does it and waits for its end; cancelling the task ends it. With `bestEffort` it does what it can, in place of all or
    /// nothing. With `dryRun` nothing is written: the report says what would be, and names every item that is refused.
    ///
    /// - Throws: ``TertuliaError``, as of ``BatchRun/report()``.
    @discardableResult
    public func run(bestEffort: Bool = false, dryRun: Bool = false) async throws -> BatchReport {
        try await calling { [handle] in try await handle.run(bestEffort: bestEffort, dryRun: dryRun, cancel: $0) }
    }

    /// Begins it. It goes on whether anybody holds what this gives or not.
    @discardableResult
    public func start(bestEffort: Bool = false) -> BatchRun {
        BatchRun(handle.start(bestEffort: bestEffort))
    }

    /// Adds items, and gives itself for more.
    private func with(_ add: (TertuliaFFI.Batch) throws -> Void) throws -> Batch {
        try failing { try add(handle) }
        return self
    }
}

/// A batch that is under way, as the sequence of how far it is: now, whenever that has changed, and at its end. Whoever is slow
/// is told the latest. One task reads.
///
/// ```swift
/// let run = try me.batch().archive(ids).start()
/// for try await progress in run { bar.show(progress.done, of: progress.total) }
/// let report = try await run.report()
/// ```
public final class BatchRun: AsyncSequence, Sendable {
    /// What it is made of.
    public typealias Element = BatchProgress

    private let handle: TertuliaFFI.BatchRun

    init(_ handle: TertuliaFFI.BatchRun) {
        self.handle = handle
    }

    /// How far it is now.
    public var progress: BatchProgress { handle.progress() }

    /// How far it is, as soon as that is not what this told last; nothing once it is over. A cancelled task ends the waiting,
    /// not the batch.
    public func next() async throws -> BatchProgress? {
        try await calling { [handle] in try await handle.next(cancel: $0) }
    }

    /// Ends it. What is done whole or not at all is not done, unless it is being written at this very moment; what is done as
    /// far as it goes keeps what is done. Once it is over this does nothing.
    public func cancel() {
        handle.cancel()
    }

    /// What it has done, once it is over. It may be asked any number of times. A cancelled task ends the waiting, not the
    /// batch.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (batch_too_large). All or nothing: as the first item that is refused, which it
    ///   names by its number, from 0; `conflict` (changed_meanwhile) when others change the same things again and again;
    ///   `cancelled`, `storage`, `closed`. Then nothing is written. Best effort: `cancelled`, `storage` and `closed` before
    ///   the first write; what comes later is told of the items.
    public func report() async throws -> BatchReport {
        try await calling { [handle] in try await handle.report(cancel: $0) }
    }

    /// Reads how far it is.
    public func makeAsyncIterator() -> Iterator {
        Iterator(run: self)
    }

    /// Reads how far a batch is.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let run: BatchRun
        private var last: BatchProgress?
        private var over = false

        fileprivate init(run: BatchRun) {
            self.run = run
        }

        /// How far it is when that is news; nothing after its end was told.
        ///
        /// - Throws: `CancellationError` when the task was cancelled.
        public mutating func next() async throws -> BatchProgress? {
            while !over {
                var now: BatchProgress?
                if last != nil {
                    now = try await run.next()
                    over = now == nil
                }
                let told = now ?? run.progress
                if told != last {
                    last = told
                    return told
                }
            }
            return nil
        }
    }
}
