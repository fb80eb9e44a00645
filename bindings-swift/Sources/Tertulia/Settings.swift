import TertuliaFFI

/// Settings, as JSON: a `profile` and areas with the fields that differ from it.
public struct Settings: Hashable, Sendable {
    /// The text.
    public let json: String

    /// Settings of your own, such as `{"profile": "mobile", "retry": {"max_attempts": 3}}`.
    public init(json: String) {
        self.json = json
    }

    /// For services: the defaults.
    public static let server = Settings(json: #"{"profile": "server"}"#)

    /// For programs on a desk.
    public static let desktop = Settings(json: #"{"profile": "desktop"}"#)

    /// For apps: fewer connections and readers.
    public static let mobile = Settings(json: #"{"profile": "mobile"}"#)
}

extension ProviderSpec {
    /// A provider that speaks as OpenAI's chat completions do, under this prefix of its models.
    public static func openAIChat(_ name: String, baseURL: String, keyVariable: String? = nil) -> ProviderSpec {
        ProviderSpec(name: name, baseUrl: baseURL, keyVariable: keyVariable)
    }
}
