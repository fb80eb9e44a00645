import TertuliaFFI

extension Tertulia {
    /// Gives up every file and lock of the store, so that the system may suspend the program: what is handed to the store
    /// already is finished, every connection is closed. Until ``resume()`` every verb says `closed` (suspended); what is
    /// under way waits where it stands, so that nothing is lost. Twice is once.
    ///
    /// - Throws: ``TertuliaError``: `closed` when the engine is closed.
    public func suspend() async throws {
        try await calling { [handle] in try await handle.suspend(cancel: $0) }
    }

    /// Opens the store again after ``suspend()``. What waited goes on; connections to providers are made anew, and what
    /// waits in the outbox is tried. Does nothing to an engine that is not suspended.
    ///
    /// - Throws: ``TertuliaError``: `storage` when the store cannot be opened; the engine is still suspended then. `closed`
    ///   when it is closed.
    public func resume() async throws {
        try await calling { [handle] in try await handle.resume(cancel: $0) }
    }

    /// Tells that the machine is on another network, or on one again: the next calls open fresh connections, and what waits
    /// in the outbox is tried. Also for devices that wake from sleep.
    public func networkChanged() {
        handle.networkChanged()
    }

    /// Tells that the device saves power (`true`), or no longer does: Low Power Mode. From then on nothing is done ahead of time:
    /// no rolling summary is begun, nothing is made ready for searches, no second request is raced against a slow one, and what
    /// waits in the outbox is tried when the network changes, when a provider answers, after ``resume()``, and every five
    /// minutes. What somebody asks for is done as always. When power is no longer saved, what is due is tried at once.
    ///
    /// - Parameter low: `ProcessInfo.processInfo.isLowPowerModeEnabled`, also when it changes.
    public func setLowPower(_ low: Bool) {
        handle.setLowPower(low: low)
    }

    /// What happens in the engine from now on: retries, breakers, turns, failed tasks, the store, rejected keys.
    public var events: Events { Events(handle.events()) }

    /// How the engine is now. From memory.
    public var health: Health { handle.health() }
}

extension UserScope {
    /// What this user prefers.
    ///
    /// - Throws: ``TertuliaError``: `storage`, `closed`.
    public func preferences() async throws -> Preferences {
        try await calling { [handle] in try await handle.preferences(cancel: $0) }
    }

    /// Changes what this user prefers; what is left out stays as it is. At most 8 KiB in all.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_language, bad_time_zone, too_large); `storage`, `closed`.
    public func updatePreferences(_ change: PreferencesChange) async throws {
        try await calling { [handle] in try await handle.updatePreferences(change: change, cancel: $0) }
    }

    /// What of this user's messages waits to be sent by itself, is being sent, or was given up.
    public func outbox() -> Outbox {
        Outbox(handle.outbox())
    }

    /// This user's conversations as a list that changes by itself: those that are not archived, the pinned ones first and
    /// then the latest activity, 50 to begin with. While an answer is being written nothing is told; its end is.
    ///
    /// - Throws: ``TertuliaError``: `closed`; `invalid` (bad_user).
    public func watchConversations() throws -> ConversationsWatch {
        ConversationsWatch(try failing { try handle.watchConversations() })
    }
}

/// A list of conversations that changes by itself, as batches of changes: first `reset` with all rows, then only what changed
/// since the batch before, to be applied one after the other. It ends with the engine. One task reads.
public final class ConversationsWatch: AsyncSequence, Sendable {
    /// What it is made of.
    public typealias Element = [ConversationDiff]

    private let handle: TertuliaFFI.ConversationsWatch

    init(_ handle: TertuliaFFI.ConversationsWatch) {
        self.handle = handle
    }

    /// The next batch of changes; nothing once the engine is closed. A cancelled task loses nothing.
    ///
    /// - Throws: ``TertuliaError``: `storage`; asking again goes on where it failed.
    public func next() async throws -> [ConversationDiff]? {
        try await calling { [handle] in try await handle.next(cancel: $0) }
    }

    /// Reads what comes.
    public func makeAsyncIterator() -> Batches<[ConversationDiff]> {
        Batches { try await self.next().map { [$0] } ?? [] }
    }

    /// Shows so many conversations more (1 to 200), of those with older activity; at most 1,000 in all. True when there are
    /// no more, or no more are shown.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_limit), `storage`, `closed`.
    @discardableResult
    public func loadOlder(_ count: Int = 50) async throws -> Bool {
        try await calling { [handle] in try await handle.loadOlder(count: Int32(clamping: count), cancel: $0) }
    }
}

/// One user's messages that wait to be sent by themselves, are being sent, or were given up.
public final class Outbox: Sendable {
    private let handle: TertuliaFFI.Outbox

    init(_ handle: TertuliaFFI.Outbox) {
        self.handle = handle
    }

    /// What is in it, first in first; at most 1,000.
    ///
    /// - Throws: ``TertuliaError``: `storage`, `closed`.
    public func list() async throws -> [OutboxItem] {
        try await calling { [handle] in try await handle.list(cancel: $0) }
    }

    /// Sends a message now, as soon as its provider lets it, and gives it its whole time again. A parked one waits again.
    ///
    /// - Throws: ``TertuliaError``: `notFound` when it is not in the outbox; `invalid` (bad_id), `storage`, `closed`.
    public func retry(_ turnId: String) async throws {
        try await calling { [handle] in try await handle.retry(turnId: turnId, cancel: $0) }
    }

    /// Takes a message back: it is not sent, or no longer. It stays in its conversation as `cancelled`, and no model is
    /// shown it. What had arrived of an answer is kept, and then the message with it.
    ///
    /// - Throws: ``TertuliaError``: `notFound` when it is not in the outbox, which it also is not once it is answered;
    ///   `conflict` (held_elsewhere) while another process sends it; `invalid` (bad_id), `storage`, `closed`.
    public func discard(_ turnId: String) async throws {
        try await calling { [handle] in try await handle.discard(turnId: turnId, cancel: $0) }
    }

    /// What happens in it from now on, in this process. To miss nothing, watch first and list then.
    public func watch() -> OutboxWatch {
        OutboxWatch(handle.watch())
    }
}

/// What happens in one user's outbox, as it happens: each message as it stands after a change, the last time when it has left
/// the outbox. A watcher that is far behind gets all that is there now instead. It ends with the engine. One task reads.
public final class OutboxWatch: AsyncSequence, Sendable {
    /// What it is made of.
    public typealias Element = OutboxItem

    private let handle: TertuliaFFI.OutboxWatch

    init(_ handle: TertuliaFFI.OutboxWatch) {
        self.handle = handle
    }

    /// The next message that has changed; nothing once the engine is closed. A cancelled task loses nothing.
    ///
    /// - Throws: ``TertuliaError``: `storage` when the message cannot be read.
    public func next() async throws -> OutboxItem? {
        try await calling { [handle] in try await handle.next(cancel: $0) }
    }

    /// Reads what comes.
    public func makeAsyncIterator() -> Batches<OutboxItem> {
        Batches { try await self.next().map { [$0] } ?? [] }
    }
}

/// What happens in an engine, as it happens. It ends with the engine, or when the task that reads is cancelled.
public final class Events: AsyncSequence, Sendable {
    /// What it is made of.
    public typealias Element = EngineEvent

    private let handle: TertuliaFFI.Events

    init(_ handle: TertuliaFFI.Events) {
        self.handle = handle
    }

    /// The next event; nothing once the engine is closed, or the task is cancelled, which loses nothing.
    public func next() async -> EngineEvent? {
        try? await calling { [handle] in try await handle.next(cancel: $0) }
    }

    /// Reads what comes.
    public func makeAsyncIterator() -> Iterator {
        Iterator(events: self)
    }

    /// Reads the events of an engine.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let events: Events

        /// The next event.
        public mutating func next() async -> EngineEvent? {
            await events.next()
        }
    }
}
