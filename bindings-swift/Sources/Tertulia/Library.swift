import TertuliaFFI

extension Tertulia {
    /// The application's prompts, which all its users see.
    public func prompts() -> Library { Library(handle.prompts()) }

    /// The application's personas, which all its users see.
    public func personas() -> Library { Library(handle.personas()) }

    /// The application's councils, which all its users see.
    public func councils() -> Library { Library(handle.councils()) }

    /// The application's values of a kind: `setting`, or a word of your own (small letters, digits, `-`, `_`; at most 32).
    public func library(_ kind: String) -> Library { Library(handle.library(kind: kind)) }

    /// What is remembered of libraries and of users' preferences.
    public func libraryCache() -> LibraryCache { LibraryCache(handle.libraryCache()) }
}

extension UserScope {
    /// This user's prompts, which stand before the application's of the same name.
    public func prompts() -> Library { Library(handle.prompts()) }

    /// This user's personas, which stand before the application's of the same name.
    public func personas() -> Library { Library(handle.personas()) }

    /// This user's councils, which stand before the application's of the same name.
    public func councils() -> Library { Library(handle.councils()) }

    /// This user's values of a kind: `setting`, or a word of your own (small letters, digits, `-`, `_`; at most 32).
    public func library(_ kind: String) -> Library { Library(handle.library(kind: kind)) }
}

/// The values of one kind, by name: the application's, or one user's before them. Every value put in the place of another is
/// a new version. Values are text or JSON of at most 64 KiB; a name is text of 1 to 128 bytes.
///
/// A user sees the application's values as well, unless he has one of the same name; only the application puts and deletes
/// them. What is read by name is remembered until somebody changes it, in whichever process.
///
/// ```swift
/// try await tertulia.prompts().put("guide", "You show {{who}} around.")
/// let words = try await tertulia.prompts().get("guide")?.render(["who": "Ana"])
/// ```
public final class Library: Sendable {
    private let handle: TertuliaFFI.Library

    init(_ handle: TertuliaFFI.Library) {
        self.handle = handle
    }

    /// The newest version under this name: the user's own, else the application's; nothing when there is neither.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_kind, bad_name, bad_user); `storage`, `closed`.
    public func get(_ name: String) async throws -> LibraryEntry? {
        try await calling { [handle] in try await handle.get(name: name, cancel: $0) }
    }

    /// This version of what stands under the name: of the user's own value if he has one, else of the application's;
    /// nothing when it is not there (any more).
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_kind, bad_name, bad_user); `storage`, `closed`.
    public func version(_ name: String, _ version: Int64) async throws -> LibraryEntry? {
        try await calling { [handle] in try await handle.version(name: name, version: version, cancel: $0) }
    }

    /// Puts a value under the name, as its next version, and gives the version's number. The value that stands there
    /// already changes nothing. With `expectedVersion` only if that version stands there; 0 = only if nothing does.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_json, bad_kind, bad_name, bad_user, too_large, too_deep); `conflict`
    ///   (entry_moved) on another version than the expected one; `storage`, `closed`.
    @discardableResult
    public func put(_ name: String, _ value: LibraryValue, expectedVersion: Int64? = nil) async throws -> Int64 {
        try await calling { [handle] in
            try await handle.put(name: name, value: value, expectedVersion: expectedVersion, cancel: $0)
        }
    }

    /// Puts words under the name, as the next version; in all else as of any value.
    ///
    /// - Throws: ``TertuliaError``, as of any value.
    @discardableResult
    public func put(_ name: String, _ text: String, expectedVersion: Int64? = nil) async throws -> Int64 {
        try await put(name, .text(text: text), expectedVersion: expectedVersion)
    }

    /// Deletes the value under the name, with all its versions. The application's is seen again in the place of a user's.
    /// Numbers of versions are not given again. With `expectedVersion` only if that version stands there.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_kind, bad_name, bad_user); `notFound` when nothing stands there, or only
    ///   the application's; `conflict` (entry_moved) on another version than the expected one; `storage`, `closed`.
    public func delete(_ name: String, expectedVersion: Int64? = nil) async throws {
        try await calling { [handle] in
            try await handle.delete(name: name, expectedVersion: expectedVersion, cancel: $0)
        }
    }

    /// The names in the order of their letters (by code point) that begin with the prefix and stand behind `after`; 1 to
    /// 200 of them. Of a user's library the application's names as well, each name once.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_kind, bad_user, bad_limit); `storage`, `closed`.
    public func list(prefix: String = "", after: String? = nil, limit: Int = 50) async throws -> [LibraryItem] {
        try await calling { [handle] in
            try await handle.list(prefix: prefix, after: after, limit: Int32(clamping: limit), cancel: $0)
        }
    }

    /// The versions of what stands under the name that are kept, the newest first, from the one before `before` on; 1 to
    /// 200 of them. Of the user's own value if he has one, else of the application's; none when nothing stands there.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_kind, bad_name, bad_user, bad_limit); `storage`, `closed`.
    public func versions(_ name: String, before: Int64? = nil, limit: Int = 50) async throws -> [LibraryVersion] {
        try await calling { [handle] in
            try await handle.versions(name: name, before: before, limit: Int32(clamping: limit), cancel: $0)
        }
    }
}

/// What an engine remembers of libraries and of users' preferences. It is never behind: what is changed, here or in another
/// process, is read anew by itself.
public final class LibraryCache: Sendable {
    private let handle: TertuliaFFI.LibraryCache

    init(_ handle: TertuliaFFI.LibraryCache) {
        self.handle = handle
    }

    /// How often a value was remembered and how often it had to be read, and what is remembered now. From memory.
    public var health: LibraryHealth { handle.health() }

    /// Forgets one value, which is read anew with the next question for it: the application's, or this user's. The kind
    /// `preferences` (without a name) is what a user prefers.
    public func invalidate(_ kind: String, name: String = "", user: String = "") {
        handle.invalidate(kind: kind, name: name, user: user)
    }

    /// Forgets everything.
    public func clear() {
        handle.clear()
    }
}

extension LibraryEntry {
    /// The words, of a value that is text; nothing of any other.
    public var text: String? { if case .text(let text) = value { text } else { nil } }

    /// The text with `{{name}}` replaced by the value of that name, wherever it stands; blanks within the braces are
    /// allowed. A value is put in as it is, and one that no place asks for is left out.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (missing_value) names a value that is asked for and not given; (not_text) when
    ///   the value is no text.
    public func render(_ values: [String: String] = [:]) throws -> String {
        try failing { try render(values: values) }
    }
}
