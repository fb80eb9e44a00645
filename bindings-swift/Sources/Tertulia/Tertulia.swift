import TertuliaFFI

/// The conversation engine. Usable from any task and thread; touches neither disk nor network where nothing is awaited.
///
/// ```swift
/// let tertulia = try await Tertulia.open("chat.db", model: "anthropic/claude-sonnet-4-5")
/// let chat = tertulia.user().newConversation(system: "Answer briefly.")
/// for try await text in try await chat.stream("Three things to see in Cádiz?").text { print(text, terminator: "") }
/// ```
///
/// Letting go of it without ``close()`` loses nothing that was said to be saved.
public final class Tertulia: Sendable {
    let handle: TertuliaFFI.Tertulia

    private init(_ handle: TertuliaFFI.Tertulia) {
        self.handle = handle
    }

    /// Opens an engine.
    ///
    /// - Parameters:
    ///   - store: A path (SQLite) or `memory:`. Left out: the platform's folder for application data.
    ///   - model: The model that is asked when neither call nor conversation names one, as `provider/model`.
    ///   - fallback: The models to go on to, in this order, when that one fails. Left out: as the settings say.
    ///   - keys: Keys by provider. Left out: the environment variable that the catalogue names.
    ///   - keySource: Where keys are asked for, by user and provider: a keychain, a vault.
    ///   - providers: Providers of your own, as data.
    ///   - ownProviders: Providers of your own, as code.
    ///   - settings: All settings.
    /// - Throws: ``TertuliaError``: `invalid` for bad settings, providers or models; `storage` when the store cannot be
    ///   opened.
    public static func open(
        _ store: String? = nil, model: String? = nil, fallback: [String]? = nil, keys: [String: String] = [:],
        keySource: (any KeySource)? = nil, providers: [ProviderSpec] = [], ownProviders: [Provider] = [],
        settings: Settings = .server
    ) async throws -> Tertulia {
        let options = OpenOptions(
            store: store, model: model, fallback: fallback, keys: keys, providers: providers, settings: settings.json)
        let source = keySource.map(HostKeys.init)
        let own = ownProviders.map(\.record)
        return Tertulia(
            try await calling {
                try await openTertulia(options: options, keySource: source, ownProviders: own, cancel: $0)
            })
    }

    /// The conversations of one user; left out, of the one user of this device. Their own keys, by provider, serve them
    /// alone.
    public func user(_ id: String? = nil, keys: [String: String] = [:]) -> UserScope {
        UserScope(handle.user(id: id, keys: keys))
    }

    /// Asks once and stores nothing. Cancelling the task stops the call.
    ///
    /// - Throws: ``TertuliaError``, whatever ends the call.
    public func ask(_ parts: [Part], options: CallOptions = CallOptions()) async throws -> Reply {
        try await calling { [handle] in try await handle.ask(parts: parts, options: options, cancel: $0) }
    }

    /// Asks once and stores nothing. Cancelling the task stops the call.
    ///
    /// - Throws: ``TertuliaError``, whatever ends the call.
    public func ask(_ text: String, options: CallOptions = CallOptions()) async throws -> Reply {
        try await ask([.text(text)], options: options)
    }

    /// Asks once with these messages, the last of them what is asked now; stores nothing.
    ///
    /// - Throws: ``TertuliaError``, whatever ends the call.
    public func ask(messages: [NewMessage], options: CallOptions = CallOptions()) async throws -> Reply {
        try await calling { [handle] in
            try await handle.askMessages(messages: messages, options: options, cancel: $0)
        }
    }

    /// Ends what is under way (waiting up to 5 s), then frees every thread, socket and file. Every other handle of this
    /// engine says `closed` from then on. Twice is once.
    ///
    /// - Throws: ``TertuliaError``: `storage` when the store could not finish.
    public func close() async throws {
        try await failing { try await handle.shutdown() }
    }
}
