import TertuliaFFI

/// Gives keys: a keychain, a vault. Asked before the environment, after all keys that were handed over.
///
/// ```swift
/// struct KeychainKeys: KeySource {
///     func key(user: String?, provider: String) async throws -> String? {
///         try Keychain.read(account: user ?? "app", service: provider)
///     }
/// }
/// let tertulia = try await Tertulia.open("chat.db", keySource: KeychainKeys())
/// ```
public protocol KeySource: Sendable {
    /// The key of this user for this provider, or nothing when there is none. Without a user it is the application's own.
    ///
    /// Answers are remembered for 5 minutes, "none" for 10 seconds, and asked for anew once a provider has rejected the
    /// key. A call waits for the answer as long as it waits for its provider; one that is cancelled waits no longer, and
    /// the task in which this runs is cancelled when nobody waits any more.
    ///
    /// - Throws: Whatever is thrown makes the call `unauthorized` (key_source), and its words are told to nobody. Only a
    ///   ``TertuliaError`` of the kind `unavailable` stays what it is, for keys that cannot be had right now.
    func key(user: String?, provider: String) async throws -> String?
}

/// Keys that a closure gives.
///
/// ```swift
/// let tertulia = try await Tertulia.open("chat.db", keySource: AskedKeys { user, provider in vault.key(user, provider) })
/// ```
public struct AskedKeys: KeySource {
    private let ask: @Sendable (_ user: String?, _ provider: String) async throws -> String?

    /// The keys that this closure gives by user and provider. The user is nothing when the key is the application's own.
    public init(_ ask: @escaping @Sendable (_ user: String?, _ provider: String) async throws -> String?) {
        self.ask = ask
    }

    public func key(user: String?, provider: String) async throws -> String? {
        try await ask(user, provider)
    }
}

/// The keys of a host, for the engine.
final class HostKeys: TertuliaFFI.KeySource {
    private let source: any KeySource

    init(_ source: any KeySource) {
        self.source = source
    }

    func key(user: String?, provider: String) async throws -> String? {
        try await asked { try await source.key(user: user, provider: provider) }
    }
}
