import TertuliaFFI

extension Tertulia {
    /// The store's upkeep: a look at all of it, repairs, backups, what takes the space.
    public func store() -> StoreUpkeep { StoreUpkeep(handle.store()) }
}

/// The upkeep of an engine's store. Nothing of it changes what users see.
public final class StoreUpkeep: Sendable {
    private let handle: TertuliaFFI.StoreUpkeep

    init(_ handle: TertuliaFFI.StoreUpkeep) {
        self.handle = handle
    }

    /// Looks at everything that is kept, while others go on: pages and indexes, tables and indexes against those that this
    /// version makes, every figure that is kept against what it counts. Takes time in proportion to the size.
    ///
    /// - Throws: ``TertuliaError``: `storage`, `closed`; `invalid` (unsupported) for a store without files.
    public func verify() async throws -> Verification {
        try await calling { [handle] in try await handle.verify(cancel: $0) }
    }

    /// Mends what can be made from the rows: indexes, counts, references. Rows are neither changed nor thrown away. All of it
    /// is done or nothing. Nobody writes meanwhile.
    ///
    /// - Throws: ``TertuliaError``: `storage`, `closed`; `invalid` (unsupported) for a store without files.
    public func repair() async throws -> Repair {
        try await calling { [handle] in try await handle.repair(cancel: $0) }
    }

    /// What takes the space, by kind. Takes time in proportion to the size.
    ///
    /// - Throws: ``TertuliaError``: `storage`, `closed`; `invalid` (unsupported) for a store without files.
    public func storageReport() async throws -> StorageReport {
        try await calling { [handle] in try await handle.storageReport(cancel: $0) }
    }

    /// Moves the log into the database and empties it, which the store does by itself when it is idle. False when somebody
    /// still reads from the log; then what could be moved is.
    ///
    /// - Throws: ``TertuliaError``: `storage`, `closed`; `invalid` (unsupported) for a store without files.
    @discardableResult
    public func checkpoint() async throws -> Bool {
        try await calling { [handle] in try await handle.checkpoint(cancel: $0) }
    }

    /// Gives the space of what was deleted back to the system and puts the index of words together, in steps between which
    /// others go on. Gives the bytes.
    ///
    /// - Throws: ``TertuliaError``: `storage`, `closed`; `invalid` (unsupported) for a store without files.
    @discardableResult
    public func vacuum() async throws -> Int64 {
        try await calling { [handle] in try await handle.vacuum(cancel: $0) }
    }

    /// Copies everything that is kept at this moment into a file, while others go on. The file gets its name when it is whole
    /// and on the disk, in the place of one that was there; it can be opened like any store. Gives its size in bytes.
    /// Cancelling the task, or suspending the engine, ends it.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_backup) when the path is one of the store's own files, or a folder;
    ///   (unsupported) for a store without files; `storage`, `closed`.
    @discardableResult
    public func backup(_ path: String) async throws -> Int64 {
        try await calling { [handle] in try await handle.backup(path: path, cancel: $0) }
    }
}
