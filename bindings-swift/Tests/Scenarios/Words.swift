import Foundation
import Simulator
import Tertulia

/// The words of a step, or of a record within it.
struct Words: Sendable {
    var fields: [String: JSON]

    init(_ fields: [String: JSON]) {
        self.fields = fields
    }

    init(_ json: JSON?, _ what: String) throws {
        guard let fields = json?.object else { throw Wrong("\(what) must be an object") }
        self.fields = fields
    }

    /// What a word says, read in one way; nothing when it is left out or `null`.
    private func get<Value>(_ word: String, _ kind: String, _ read: (JSON) throws -> Value?) throws -> Value? {
        guard let json = fields[word], json != .null else { return nil }
        guard let value = try read(json) else { throw Wrong("`\(word)` must be \(kind)") }
        return value
    }

    func text(_ word: String) throws -> String? { try get(word, "a text", \.text) }
    func int(_ word: String) throws -> Int64? { try get(word, "a whole number", \.int) }
    func number(_ word: String) throws -> Double? { try get(word, "a number", \.number) }
    func bool(_ word: String) throws -> Bool? { try get(word, "true or false", \.bool) }
    func list(_ word: String) throws -> [JSON]? { try get(word, "a list", \.list) }
    func json(_ word: String) -> String? { fields[word].flatMap { $0 == .null ? nil : "\($0)" } }

    func need(_ word: String) throws -> String {
        guard let text = try text(word) else { throw Wrong("`\(word)` must be a text") }
        return text
    }

    func texts(_ word: String) throws -> [String] { try textsIf(word) ?? [] }

    func textsIf(_ word: String) throws -> [String]? {
        try list(word)?.map { item in
            guard let text = item.text else { throw Wrong("`\(word)` must be a list of texts") }
            return text
        }
    }

    func pairs(_ word: String) throws -> [String: String] { try pairsIf(word) ?? [:] }

    func pairsIf(_ word: String) throws -> [String: String]? {
        try get(word, "an object", \.object)?.mapValues { value in
            guard let text = value.text else { throw Wrong("`\(word)` must hold texts") }
            return text
        }
    }

    /// A word of an enum.
    func one<Word: CaseIterable>(_ word: String) throws -> Word? {
        try get(word, "one of \(Word.allCases)") { json in Word.allCases.first { snake("\($0)") == json.text } }
    }

    func record(_ word: String) throws -> Words? {
        try get(word, "an object", \.object).map { Words($0) }
    }

    /// Refuses what the border cannot say.
    func refuse(_ words: String...) throws {
        if let word = words.first(where: { fields[$0] != nil }) { throw Wrong("Swift lacks the word `\(word)`") }
    }

    /// What is said: a text, a part, or a list of both.
    func said(_ word: String = "say") throws -> [Part] {
        switch fields[word] {
        case .list(let items): try items.map(part)
        case let one?: [try part(one)]
        case nil: throw Wrong("the word `\(word)` is missing")
        }
    }

    func messages() throws -> [NewMessage] {
        try list("messages")?.map { message in
            let words = try Words(message, "a message")
            try known(words.fields, ["role", "content"], ["metadata"])
            guard let role = try words.one("role") as Role? else {
                throw Wrong("`role` is missing")
            }
            return NewMessage(role: role, parts: try words.said("content"), metadata: try words.pairs("metadata"))
        } ?? []
    }

    /// What becomes of a conversation's fields.
    func change() throws -> ConversationChange {
        let words = try Words(fields["change"], "`change`")
        let expiry = try words.int("expires_in_ms").map { Expiry.in(ms: $0) }
        return ConversationChange(
            title: try words.textChange("title"), system: try words.textChange("system"),
            model: try words.textChange("model"), metadata: try words.pairsIf("metadata"),
            pinned: try words.bool("pinned"), archived: try words.bool("archived"),
            expiry: words.fields["expires_in_ms"] == .null ? .never : expiry, tags: try words.textsIf("tags"))
    }

    /// A text that a change leaves, sets or clears.
    func textChange(_ word: String) throws -> TextChange? {
        fields[word] == .null ? .clear : try text(word).map { .set(text: $0) }
    }

    /// The knobs of a call.
    func call() throws -> CallOptions {
        let words = try record("options") ?? Words([:])
        return CallOptions(
            model: try words.text("model"),
            fallback: try words.textsIf("fallback"),
            system: try words.text("system"),
            temperature: try words.number("temperature"),
            topP: try words.number("top_p"),
            seed: try words.int("seed"),
            stopSequences: try words.texts("stop_sequences"),
            maxTokens: try words.int("max_tokens"),
            frequencyPenalty: try words.number("frequency_penalty"),
            presencePenalty: try words.number("presence_penalty"),
            reasoningEffort: try words.one("reasoning_effort"),
            reasoningTokens: try words.int("reasoning_tokens"),
            tools: try words.list("tools")?.map(tool) ?? [],
            toolChoice: try words.toolChoice(),
            parallelTools: try words.bool("parallel_tools"),
            outputSchema: try words.record("output_schema").map {
                OutputSchema(
                    name: try $0.need("name"), schema: $0.json("schema") ?? "{}", strict: try $0.bool("strict") ?? true)
            },
            promptCache: try words.record("prompt_cache").map {
                PromptCache(
                    system: try $0.bool("system") ?? false,
                    messages: try $0.list("messages")?.compactMap { $0.int.map { Int32($0) } } ?? [],
                    oneHour: try $0.bool("one_hour") ?? false, key: try $0.text("key"))
            },
            timeoutMs: try words.int("timeout_ms"),
            midStream: try words.one("mid_stream"),
            priority: try words.one("priority"),
            degrade: try words.bool("degrade"),
            clientId: try words.text("client_id"),
            expectedHead: try words.text("expected_head"),
            metadata: try words.pairs("metadata"),
            key: try words.text("key"),
            extraBody: words.json("extra_body"),
            extraHeaders: try words.pairs("extra_headers"),
            cache: try words.one("cache"),
            context: try words.record("context").map {
                try known($0.fields, [], ["turns", "tokens", "summary"])
                return ContextOptions(
                    turns: try $0.int("turns"), tokens: try $0.int("tokens"), summary: try $0.bool("summary"))
            },
            detached: try words.bool("detached") ?? false,
            maxCostNanoUsd: try words.int("max_cost_nano_usd"))
    }

    private func toolChoice() throws -> ToolChoice? {
        if let name = fields["tool_choice"]?["tool"]?["name"]?.text { return .tool(name: name) }
        let known: [String: ToolChoice] = ["auto": .auto, "never": .never, "required": .required]
        return try get("tool_choice", "one of \(known.keys.sorted())") { $0.text.flatMap { known[$0] } }
    }

    func provider() throws -> ProviderSpec {
        try known(
            fields, ["name", "base_url"], ["dialect", "auth", "key_variable", "allow_http", "models"])
        return ProviderSpec(
            name: try need("name"), baseUrl: try need("base_url"), dialect: try text("dialect") ?? "openai_chat",
            auth: try text("auth"), keyVariable: try text("key_variable"), allowHttp: try bool("allow_http") ?? false,
            models: json("models"))
    }
}

private func tool(_ json: JSON) throws -> ToolSpec {
    let words = try Words(json, "a tool")
    return ToolSpec(
        name: try words.need("name"), description: try words.need("description"),
        parameters: words.json("parameters") ?? "null", strict: try words.bool("strict") ?? false,
        textFormat: words.json("text_format"), provider: try words.text("provider"))
}

private func part(_ json: JSON) throws -> Part {
    if let text = json.text { return .text(text) }
    let words = try Words(json, "a part")
    let bytes = { try media(try Words(words.fields["media"], "`media`")) }
    switch try words.need("type") {
    case "text": return .text(try words.need("text"))
    case "reasoning": return .reasoning(text: try words.need("text"))
    case "refusal": return .refusal(text: try words.need("text"))
    case "image": return .image(media: try bytes())
    case "audio": return .audio(media: try bytes())
    case "file": return .file(media: try bytes())
    case "tool_call":
        let call = try Words(words.fields["call"], "`call`")
        return .toolCall(
            call: ToolCall(
                id: try call.need("id"), name: try call.need("name"), arguments: call.json("arguments") ?? "{}"))
    case "tool_result":
        let result = try Words(words.fields["result"], "`result`")
        return .toolResult(
            result: ToolResult(
                callId: try result.need("call_id"), output: result.json("output") ?? "null",
                isError: try result.bool("is_error") ?? false))
    case let kind: throw Wrong("a part `\(kind)` is unknown")
    }
}

private func media(_ words: Words) throws -> Media {
    let source = try Words(words.fields["source"], "`source`")
    let place: MediaSource
    switch try source.need("type") {
    case "path": place = .path(path: try source.need("path"))
    case "url": place = .url(url: try source.need("url"))
    case "data":
        guard let data = Data(base64Encoded: try source.need("data")) else { throw Wrong("`data` is no base64") }
        place = .data(data: data)
    case "attachment": place = .attachment(id: try source.need("id"))
    case "provider_file": place = .providerFile(provider: try source.need("provider"), id: try source.need("id"))
    case let kind: throw Wrong("a source `\(kind)` is unknown")
    }
    return Media(
        source: place, mimeType: try words.text("mime_type"), name: try words.text("name"),
        sizeBytes: try words.int("size_bytes"))
}
