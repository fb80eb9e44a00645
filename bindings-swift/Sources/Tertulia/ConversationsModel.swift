import Observation
import TertuliaFFI

/// A user's conversations that are not archived, to be observed: the pinned ones first and then the latest activity, 50 to
/// begin with. They change when a turn has ended, and not while its answer is being written.
///
/// Somebody must ``run()`` it, as long as the screen is there. Cancelled and run again it goes on where it was. In SwiftUI:
///
/// ```swift
/// struct Conversations: View {
///     @State var model: ConversationsModel
///     var body: some View {
///         List(model.conversations, id: \.id) { Text($0.title ?? $0.lastPreview ?? "") }
///             .task { await model.run() }
///     }
/// }
/// ```
@available(iOS 17, macOS 14, *)
@MainActor @Observable
public final class ConversationsModel {
    /// The conversations, in the order of the list. They change once for a batch of changes, if at all.
    public private(set) var conversations: [ConversationSummary] = []

    /// Why the last run ended before its time; nothing while it runs, and when it was cancelled or the engine was closed.
    public private(set) var error: TertuliaError?

    private let watch: ConversationsWatch

    /// The list of this user. What changes from now on is told.
    ///
    /// - Throws: ``TertuliaError``: `closed`; `invalid` (bad_user).
    public init(_ user: UserScope) throws {
        watch = try user.watchConversations()
    }

    /// Keeps the list as it is in the store, until the engine is closed, the task is cancelled, or it fails, which ``error``
    /// tells; after `storage` it may be run again, and goes on where it failed. One task runs it.
    public func run() async {
        error = nil
        do {
            while let batch = try await watch.next() {
                var rows = conversations
                for diff in batch { diff.apply(to: &rows) }
                if rows != conversations { conversations = rows }
            }
        } catch let failure as TertuliaError {
            error = failure
        } catch {}  // cancelled: nobody looks any more
    }

    /// Shows so many conversations more (1 to 200; 1,000 in all). True when there are no more.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_limit), `storage`, `closed`.
    @discardableResult
    public func loadOlder(_ count: Int = 50) async throws -> Bool {
        try await watch.loadOlder(count)
    }
}
