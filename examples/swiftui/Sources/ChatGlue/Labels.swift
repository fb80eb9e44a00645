import Tertulia

extension ConversationSummary {
    /// What a list calls it.
    public var label: String { title ?? lastPreview ?? "New conversation" }
}

/// A message as its row shows it.
public struct Bubble {
    /// The message.
    public let message: Message
    private let delivery: Delivery?
    private let error: ErrorInfo?

    /// Nothing for a row that is no message.
    public init?(_ item: TimelineItem?) {
        guard case .message(let message, let delivery, let error)? = item?.kind else { return nil }
        (self.message, self.delivery, self.error) = (message, delivery, error)
    }

    /// Whether the user of this device said it.
    public var isMine: Bool { message.role == .user }

    /// What stands below it, besides its words; nothing when all went well.
    public var note: String? {
        if let error { return error.userMessage }
        switch (delivery, message.status) {
        case (.pending, _): return "Waiting"
        case (.sending, _): return "Sending"
        case (_, .interrupted): return "Broke off"
        case (_, .cancelled): return "Stopped"
        default: return nil
        }
    }

    /// The turn that can be asked for again; nothing when there is none.
    public var again: String? {
        let broken = message.status == .interrupted || message.status == .cancelled
        let rests = delivery == .failed && error?.saved == true
        return broken || rests ? message.turnId : nil
    }

    /// Whether it was refused and is kept nowhere: it can only be taken off the screen.
    public var isRefused: Bool { delivery == .failed && error?.saved == false }
}
