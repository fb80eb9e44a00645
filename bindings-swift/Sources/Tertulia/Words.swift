import TertuliaFFI

extension [Part] {
    fileprivate var words: String {
        compactMap { if case .text(let text, _) = $0 { text } else { nil } }.joined()
    }
}

extension Reply {
    /// All words of the answer.
    public var text: String { parts.words }

    /// What the model thought, as far as the provider shows it.
    public var reasoning: String {
        parts.compactMap { if case .reasoning(let text) = $0 { text } else { nil } }.joined()
    }

    /// The tools that the model wants to be called; those the provider runs itself are not among them.
    public var toolCalls: [ToolCall] {
        parts.compactMap { if case .toolCall(let call) = $0, !call.providerExecuted { call } else { nil } }
    }

    /// A sentence fit for an end user when the turn did not end well, or nothing.
    public var notice: String? { error?.userMessage }
}

extension Message {
    /// All words of the message.
    public var text: String { parts.words }
}

extension NewMessage {
    /// All words of the message.
    public var text: String { parts.words }
}

extension Cost {
    /// The cost in US dollars, or nothing when it is not known.
    public var usd: Double? { nanoUsd.map { Double($0) / 1e9 } }
}

extension ErrorInfo {
    /// The shortest wait before repeating.
    public var retryAfter: Duration? { retryAfterMs.map { .milliseconds($0) } }

    /// The words that had arrived.
    public var text: String { partial.words }
}
