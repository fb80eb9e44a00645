import TertuliaFFI

extension Tertulia {
    /// Every known model whose `provider/model` fits the pattern: a name, or a beginning with `*` behind it. From memory.
    public func models(_ pattern: String = "*") -> [ModelInfo] { handle.models(pattern: pattern) }

    /// Every provider that the engine knows. From memory.
    public func providers() -> [ProviderInfo] { handle.providers() }

    /// One provider, for requests of your own with its key and address.
    public func provider(_ name: String) -> ProviderHandle { ProviderHandle(handle.provider(name: name)) }

    /// Reads a catalogue from a JSON file in the layout of the bundled one, at most 16 MiB, for all calls from now on; calls
    /// that are under way end as they began. What it holds is laid over what is known: a provider takes the place of one of
    /// the same name, whole, with all of its models, and so does an alias; everything else stays, and what the engine was
    /// opened with stays on top. A catalogue says where keys and conversations go: load none that you would not run as a
    /// program.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_catalogue, bad_provider, bad_url, …) that says what is wrong; then nothing
    ///   has changed. `closed`.
    public func loadCatalogue(_ path: String) async throws {
        try await calling { [handle] in try await handle.loadCatalogue(path: path, cancel: $0) }
    }

    /// Changes limits, timeouts, retries, breakers, keys and prices, all of it or nothing: settings that shall be otherwise
    /// (`Settings(json: #"{"retry": {"max_attempts": 3}}"#)`), new keys by provider, and a catalogue as JSON to lay over what
    /// is known. Calls that begin from now on see the new values; those under way end as they began. What is left out stays,
    /// and what was used of a budget stays used; with another key a provider's models begin anew.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_json, bad_settings, cannot_change, unknown_provider, bad_catalogue, …):
    ///   then nothing has changed. `closed`.
    public func reconfigure(
        settings: Settings? = nil, keys: [String: String] = [:], catalogue: String? = nil
    ) async throws {
        try await calling { [handle] in
            try await handle.reconfigure(settings: settings?.json, keys: keys, catalogue: catalogue, cancel: $0)
        }
    }

    /// Opens connections to the providers of these models ahead of the first call.
    ///
    /// - Throws: ``TertuliaError``: `invalid` for a model whose provider is not known; `unavailable` when a provider cannot be
    ///   reached.
    public func warmUp(_ models: [String]) async throws {
        try await calling { [handle] in try await handle.warmUp(models: models, cancel: $0) }
    }

    /// The figures of the last while, for each model and in all: in whole seconds up to a minute, in whole minutes up to an
    /// hour. From memory. For whoever runs it, not for a screen, so it is one JSON object: `window_ms`, `total` and `targets`.
    ///
    /// - Throws: ``TertuliaError``: `internal` when they cannot be written.
    public func stats(_ window: Duration = .seconds(60)) throws -> String {
        try failing { try handle.stats(windowMs: window.milliseconds) }
    }
}

/// One provider, for requests of your own with its key and address.
public final class ProviderHandle: Sendable {
    private let handle: TertuliaFFI.ProviderHandle

    init(_ handle: TertuliaFFI.ProviderHandle) {
        self.handle = handle
    }

    /// Asks the provider which models it offers right now, in its own order. What the list says of a model's window and output
    /// goes first; the rest is what the catalogue knows, so that a model it does not know has no price.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (unknown_provider), `unauthorized` (key_missing, key_rejected), `unavailable`
    ///   (bad_response, …), `timedOut`.
    public func models(key: String? = nil) async throws -> [ModelInfo] {
        try await calling { [handle] in try await handle.models(key: key, cancel: $0) }
    }

    /// Sends a request with this provider's key, or with one for it alone, to a path of its own (`/v1/moderations`), with a
    /// body of JSON if there is one, and gives whatever comes back. Nothing is tried again.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_json, unknown_provider, bad_request), `unauthorized` (key_missing),
    ///   `unavailable`, `timedOut`.
    public func request(
        _ method: String, _ path: String, body: String? = nil, key: String? = nil
    ) async throws -> RawResponse {
        try await calling { [handle] in
            try await handle.request(method: method, path: path, body: body, key: key, cancel: $0)
        }
    }
}

extension RawResponse {
    /// The body as text.
    public var text: String { String(decoding: body, as: UTF8.self) }
}
