import Foundation
import Observation
import TertuliaFFI

/// What a screen shows of a conversation, to be observed: ``ids`` change rarely, and each row is observed by itself.
///
/// Somebody must ``run()`` it, as long as the screen is there. Cancelled and run again it goes on where it was. In SwiftUI:
///
/// ```swift
/// struct Chat: View {
///     @State var timeline: TimelineModel
///     var body: some View {
///         LazyVStack { ForEach(timeline.ids, id: \.self) { Bubble(row: timeline.row($0)) } }
///             .task { await timeline.run() }
///     }
/// }
/// ```
///
/// Nothing is read before its first use.
@available(iOS 17, macOS 14, *)
@MainActor @Observable
public final class TimelineModel {
    /// The ids of all rows, in reading order. They change once for a batch of changes, if at all.
    public private(set) var ids: [String] = []

    /// Why the last run ended before its time; nothing while it runs, and when it was cancelled or the engine was closed.
    public private(set) var error: TertuliaError?

    @ObservationIgnored private var items: [TimelineItem] = []
    @ObservationIgnored private var rows: [String: TimelineRow] = [:]
    @ObservationIgnored private var timeline: Timeline?
    @ObservationIgnored private var opening: Task<Timeline, any Error>?
    private let open: @Sendable () async throws -> Timeline

    /// The timeline of a conversation: its newest messages first, unless a focus says otherwise. `utcOffsetMinutes` is how far
    /// the clocks of who reads are ahead of UTC; left out: as the clock of this device. Behind the message `readUpto` the
    /// unread marker stands.
    public init(
        _ chat: Conversation, focus: TimelineFocus? = nil,
        utcOffsetMinutes: Int = TimeZone.current.secondsFromGMT() / 60, readUpto: String? = nil
    ) {
        open = { @Sendable in
            try await chat.timeline(focus, utcOffsetMinutes: utcOffsetMinutes, readUpto: readUpto)
        }
    }

    /// The row with this id. One that is not there has no item.
    public func row(_ id: String) -> TimelineRow {
        rows[id] ?? TimelineRow(id, nil)
    }

    /// Keeps the rows as they are in the conversation, until the engine is closed, the task is cancelled, or it fails, which
    /// ``error`` tells: `notFound` when there is no such conversation or message; after `storage` it may be run again, and
    /// goes on where it failed. One task runs it.
    public func run() async {
        error = nil
        do {
            let timeline = try await opened()
            while let batch = try await timeline.next() { apply(batch) }
        } catch let failure as TertuliaError {
            error = failure
        } catch {}  // cancelled: nobody looks any more
    }

    /// Loads so many older messages (1 to 200). True when the first message of the branch is there.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_limit), `notFound`, `storage`, `closed`.
    @discardableResult
    public func loadOlder(_ count: Int = 50) async throws -> Bool {
        try await opened().loadOlder(count)
    }

    /// Loads so many newer messages (1 to 200), where the newest are not there. True when they are.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_limit), `notFound`, `storage`, `closed`.
    @discardableResult
    public func loadNewer(_ count: Int = 50) async throws -> Bool {
        try await opened().loadNewer(count)
    }

    /// Shows another part of the conversation. Left out: the newest messages.
    ///
    /// - Throws: ``TertuliaError``: `notFound` when the message is not there, or not on the branch that is shown; `invalid`
    ///   (bad_id); `storage`, `closed`.
    public func focus(_ focus: TimelineFocus? = nil) async throws {
        try await opened().focus(focus)
    }

    /// Everything up to this message is read: the unread marker moves behind it, or goes (nothing).
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id), `notFound`, `storage`, `closed`.
    public func setRead(_ upto: String?) async throws {
        try await opened().setRead(upto)
    }

    /// The reader sees the rows from the one at place `first` of ``ids`` to the one at place `last`. These are kept; what is
    /// farthest away from them is dropped where the list is too long.
    public func setVisible(_ first: Int, _ last: Int) {
        timeline?.setVisible(first, last)
    }

    /// Takes a message off the screen that was refused and is kept nowhere. False when there is none with this id.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id).
    @discardableResult
    public func dismiss(_ messageId: String) throws -> Bool {
        try timeline?.dismiss(messageId) ?? false
    }

    /// Makes the changes of a batch, one after the other. What has not changed is not told, so that nobody draws it again.
    func apply(_ batch: [TimelineDiff]) {
        for diff in batch { diff.apply(to: &items) }
        for item in items {
            if let row = rows[item.id] {
                if row.item != item { row.item = item }
            } else {
                rows[item.id] = TimelineRow(item.id, item)
            }
        }
        // A row is there before its id is told, and goes after its id.
        let now = items.map(\.id)
        if now != ids { ids = now }
        let left = Set(now)
        for (id, row) in rows where !left.contains(id) {
            rows[id] = nil
            row.item = nil
        }
    }

    private func opened() async throws -> Timeline {
        if let timeline { return timeline }
        let task = opening ?? Task { [open] in try await open() }
        opening = task
        defer { opening = nil }
        let opened = try await task.value
        timeline = timeline ?? opened
        return timeline ?? opened
    }
}

/// One row of a ``TimelineModel``. Who shows it observes this row alone.
@available(iOS 17, macOS 14, *)
@MainActor @Observable
public final class TimelineRow: Identifiable {
    /// Names it, from the local echo of a message to the end of its answer.
    public nonisolated let id: String

    /// The row as it is now; nothing once it is gone.
    public internal(set) var item: TimelineItem?

    init(_ id: String, _ item: TimelineItem?) {
        self.id = id
        self.item = item
    }
}
