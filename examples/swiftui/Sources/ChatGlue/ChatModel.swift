import Observation
import Tertulia

/// One conversation, for as long as its screen may come back. What is said and answered is shown by the rows of the
/// timeline; here is only what a person does.
@MainActor @Observable
public final class ChatModel {
    /// The rows.
    public let timeline: TimelineModel

    /// Whether an answer is under way.
    public var isAsking: Bool { asking != nil }

    /// Why what was said last is kept nowhere, for a person to read.
    public private(set) var refusal: String?

    private var asking: Task<Void, Never>?
    private let chat: Conversation

    /// The screen of this conversation.
    public init(_ chat: Conversation) {
        self.chat = chat
        timeline = TimelineModel(chat)
    }

    /// Says it. A message that cannot be sent now is kept, and sent when its provider is back.
    public func send(_ text: String) {
        ask { try await $0.stream(text, options: CallOptions(degrade: true)) }
    }

    /// Asks again for an answer that broke off, was stopped, or never came.
    public func retry(_ turnId: String) {
        ask { try await $0.retry(turnId, options: CallOptions(degrade: true)) }
    }

    /// Stops the answer; what had arrived is kept.
    public func stop() {
        asking?.cancel()
    }

    private func ask(_ start: @escaping @Sendable (Conversation) async throws -> ReplyStream) {
        guard asking == nil else { return }
        asking = Task { [chat] in
            refusal = nil
            do {
                _ = try await start(chat).reply()
            } catch let failure as TertuliaError where !failure.saved {
                refusal = failure.userMessage
            } catch {}  // why a message that is kept was not answered stands in its row
            asking = nil
        }
    }
}
