import Foundation
import TertuliaFFI

extension Conversation {
    /// What a screen shows of the conversation, and from then on what changes: its newest messages unless a focus says
    /// otherwise. `utcOffsetMinutes` is how far the clocks of who reads are ahead of UTC (-1,080 to 1,080): by that days are
    /// told apart. Behind the message `readUpto` the unread marker stands.
    ///
    /// - Throws: ``TertuliaError``: `notFound`, `storage`, `closed`; `invalid` (bad_offset, bad_id).
    public func timeline(
        _ focus: TimelineFocus? = nil, utcOffsetMinutes: Int = 0, readUpto: String? = nil
    ) async throws -> Timeline {
        Timeline(
            try await calling { [handle] in
                try await handle.timeline(
                    focus: focus, utcOffsetMinutes: Int32(clamping: utcOffsetMinutes), readUpto: readUpto, cancel: $0)
            })
    }
}

/// What a screen shows of a conversation, as batches of changes: first `reset` with all rows, then only what changed since
/// the batch before, to be applied one after the other (`TimelineDiff.apply(to:)`). The first words of an
/// answer and its end come at once, everything else not before `timeline.min_interval_ms` have passed. It ends with the
/// engine. One task reads.
///
/// ```swift
/// var rows: [TimelineItem] = []
/// for try await diffs in try await chat.timeline() {
///     for diff in diffs { diff.apply(to: &rows) }
/// }
/// ```
public final class Timeline: AsyncSequence, Sendable {
    /// What it is made of.
    public typealias Element = [TimelineDiff]

    private let handle: TertuliaFFI.Timeline

    init(_ handle: TertuliaFFI.Timeline) {
        self.handle = handle
    }

    /// The next batch of changes; nothing once the engine is closed. A cancelled task loses nothing.
    ///
    /// - Throws: ``TertuliaError``: `storage`; asking again goes on where it failed.
    public func next() async throws -> [TimelineDiff]? {
        try await calling { [handle] in try await handle.next(cancel: $0) }
    }

    /// Reads the changes that come.
    public func makeAsyncIterator() -> Batches<[TimelineDiff]> {
        Batches { try await self.next().map { [$0] } ?? [] }
    }

    /// Loads so many older messages (1 to 200). True when the first message of the branch is there.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_limit), `storage`, `closed`.
    @discardableResult
    public func loadOlder(_ count: Int = 50) async throws -> Bool {
        try await calling { [handle] in try await handle.loadOlder(count: Int32(clamping: count), cancel: $0) }
    }

    /// Loads so many newer messages (1 to 200), where the newest are not there. True when they are.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_limit), `storage`, `closed`.
    @discardableResult
    public func loadNewer(_ count: Int = 50) async throws -> Bool {
        try await calling { [handle] in try await handle.loadNewer(count: Int32(clamping: count), cancel: $0) }
    }

    /// The reader sees the rows from the one at place `first` to the one at place `last`, counted from 0 in the list as the
    /// last batch has left it. These are kept; what is farthest away from them is dropped where the list is too long.
    public func setVisible(_ first: Int, _ last: Int) {
        handle.setVisible(first: Int32(clamping: first), last: Int32(clamping: last))
    }

    /// Shows another part of the conversation; the next batch begins with `reset`. Left out: the newest messages.
    ///
    /// - Throws: ``TertuliaError``: `notFound` when the message is not there, or not on the branch that is shown; `invalid`
    ///   (bad_id); `storage`, `closed`.
    public func focus(_ focus: TimelineFocus? = nil) async throws {
        try await calling { [handle] in try await handle.focus(focus: focus, cancel: $0) }
    }

    /// Everything up to this message is read: the unread marker moves behind it, or goes (nothing).
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id), `closed`.
    public func setRead(_ upto: String?) async throws {
        try await calling { [handle] in try await handle.setRead(upto: upto, cancel: $0) }
    }

    /// Takes a message off the screen that was refused and is kept nowhere. False when there is none with this id.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_id).
    @discardableResult
    public func dismiss(_ messageId: String) throws -> Bool {
        try failing { try handle.dismiss(messageId: messageId) }
    }

    /// The same as server-sent events for a page. Whoever reads this timeline otherwise takes batches away from it. A
    /// comment is sent when nothing else was for `heartbeatMs` (15 s unless told, at least 100). Readers are told what an
    /// end user is to see; with `detail` everything that the rows hold.
    public func sse(heartbeatMs: Int64? = nil, detail: Bool = false) -> TimelineSse {
        TimelineSse(handle.sse(heartbeatMs: heartbeatMs, detail: detail))
    }
}

/// What a screen shows of a conversation as server-sent events: bytes, to be sent as they come. A failure is the last
/// event, `error`. One task reads.
public final class TimelineSse: AsyncSequence, Sendable {
    /// What it is made of.
    public typealias Element = Data

    private let handle: TertuliaFFI.TimelineSse

    init(_ handle: TertuliaFFI.TimelineSse) {
        self.handle = handle
    }

    /// Reads the bytes that come.
    public func makeAsyncIterator() -> Batches<Data> {
        Batches {
            let piece = try await calling { [handle = self.handle] in try await handle.next(cancel: $0) }
            return piece.map { [$0] } ?? []
        }
    }
}

extension TimelineDiff {
    /// Makes the change in a list of rows, which must be as the changes before it have left it.
    public func apply(to rows: inout [TimelineItem]) {
        switch self {
        case .append(let items): rows += items
        case .clear: rows = []
        case .pushFront(let item): rows.insert(item, at: 0)
        case .pushBack(let item): rows.append(item)
        case .popFront: rows.removeFirst()
        case .popBack: rows.removeLast()
        case .insert(let index, let item): rows.insert(item, at: Int(index))
        case .set(let index, let item): rows[Int(index)] = item
        case .remove(let index): rows.remove(at: Int(index))
        case .truncate(let length): rows.removeSubrange(Int(length)...)
        case .reset(let items): rows = items
        case .appendText(let index, let partIndex, _, let text, _): rows[Int(index)].grow(Int(partIndex), text)
        }
    }
}

extension TimelineItem {
    /// More words in a part of its message.
    fileprivate mutating func grow(_ place: Int, _ words: String) {
        guard case .message(var message, let delivery, let error) = kind else { return }
        switch message.parts[place] {
        case .text(let text, let citations): message.parts[place] = .text(text: text + words, citations: citations)
        case .reasoning(let text): message.parts[place] = .reasoning(text: text + words)
        case .refusal(let text): message.parts[place] = .refusal(text: text + words)
        default: return
        }
        kind = .message(message: message, delivery: delivery, error: error)
    }
}

extension ConversationDiff {
    /// Makes the change in a list of conversations, which must be as the changes before it have left it.
    public func apply(to rows: inout [ConversationSummary]) {
        switch self {
        case .append(let items): rows += items
        case .clear: rows = []
        case .pushFront(let item): rows.insert(item, at: 0)
        case .pushBack(let item): rows.append(item)
        case .popFront: rows.removeFirst()
        case .popBack: rows.removeLast()
        case .insert(let index, let item): rows.insert(item, at: Int(index))
        case .set(let index, let item): rows[Int(index)] = item
        case .remove(let index): rows.remove(at: Int(index))
        case .truncate(let length): rows.removeSubrange(Int(length)...)
        case .reset(let items): rows = items
        case .appendText: break  // a conversation in a list has no words that grow
        }
    }
}
