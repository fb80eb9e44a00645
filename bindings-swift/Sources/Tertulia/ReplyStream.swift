import Foundation
import TertuliaFFI

/// A reply on its way: a sequence of events. Exists once the message is saved.
///
/// ```swift
/// for try await event in stream {
///     switch event.kind {
///     case .text(let delta): print(delta, terminator: "")
///     case .done(let reply): print(reply.cost)
///     default: break
///     }
/// }
/// ```
///
/// Whoever stops reading before the end, by `break` or because the task is cancelled, stops the call: its connection is
/// closed and what had arrived is kept; ``reply()`` then gives that, with the status `cancelled`. So does letting go of
/// the stream. Neither does when it was detached, or only watches.
///
/// The events are there once: who reads again gets what is left. The first words come at once, those behind them gathered
/// 30 times a second; ``nextBatch(max:gatherMs:)`` lets an app say how often.
public final class ReplyStream: AsyncSequence, Sendable {
    /// What it is made of.
    public typealias Element = StreamEvent

    private let handle: TertuliaFFI.ReplyStream

    init(_ handle: TertuliaFFI.ReplyStream) {
        self.handle = handle
    }

    /// The turn, unless nothing is stored.
    public var turnId: String? { handle.turnId() }

    /// Only the words of the reply, as they come.
    public var text: AsyncCompactMapSequence<ReplyStream, String> {
        compactMap { event in
            guard case .text(let delta) = event.kind else { return nil }
            return delta
        }
    }

    /// Waits for at least one event and gives all that are there, at most this many (at least 1), adjacent deltas
    /// joined. Empty after the last. Words that follow words come no sooner than `gatherMs` after these (33, which is 30
    /// times a second, unless set; 0: as they come), because each batch costs as much as many words. The first words,
    /// whatever else happens and the end come at once. Where nothing is stored nothing waits. Cancelling the task ends the
    /// waiting, not the call.
    ///
    /// - Throws: ``TertuliaError``, whatever ended the reply, once; `partial` holds what had arrived.
    public func nextBatch(max: Int = 64, gatherMs: Int64 = 33) async throws -> [StreamEvent] {
        try await calling { [handle] in
            try await handle.nextBatch(max: Int32(clamping: max), gatherMs: gatherMs, cancel: $0)
        }
    }

    /// Waits for the end and gives the whole reply, however much of it was read. After ``cancel()``: what had arrived,
    /// with the status `cancelled`. Cancelling the task ends the waiting, not the call.
    ///
    /// - Throws: ``TertuliaError``, whatever ended the reply; `partial` holds what had arrived.
    public func reply() async throws -> Reply {
        try await calling { [handle] in try await handle.reply(cancel: $0) }
    }

    /// Stops the call, closes its connection and keeps what had arrived. Returns at once.
    public func cancel() {
        handle.cancel()
    }

    /// Lets the reply go on when nobody reads it any more.
    public func detach() {
        handle.detach()
    }

    /// The events as bytes for readers outside of the program (`text/event-stream`), behind the event `afterSeq`: what a
    /// browser sends as `Last-Event-ID`. After so long (15 s unless set, at least 100 ms) without an event comes a comment,
    /// so that proxies keep the connection and a reader that is gone is found out. Readers are told the answer and how it
    /// ended; with `detail` also thoughts, tools, progress and usage.
    ///
    /// It takes the stream over: from then on this handle only cancels and detaches.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (handed_over) when it was taken over before, or somebody reads at this very
    ///   moment.
    public func sse(afterSeq: Int64 = 0, heartbeatMs: Int64? = nil, detail: Bool = false) throws -> SseStream {
        SseStream(
            try failing { try handle.sse(afterSeq: afterSeq, heartbeatMs: heartbeatMs, detail: detail) })
    }

    /// Reads the events that are left.
    public func makeAsyncIterator() -> Batches<StreamEvent> {
        let reading = Reading(self)
        return Batches { try await reading.stream.nextBatch() }
    }

    /// One reader. Goes with its iterator, and leaves what nobody reads any more; after the end that changes nothing.
    private final class Reading: Sendable {
        let stream: ReplyStream

        init(_ stream: ReplyStream) {
            self.stream = stream
        }

        deinit {
            stream.handle.leave()
        }
    }
}

/// A reply as server-sent events: bytes, to be sent as they come. A failure is an event, `error`, and is not thrown.
/// Letting go of it stops the reply, unless that was detached or only watched. One task reads, once.
public final class SseStream: AsyncSequence, Sendable {
    /// What it is made of.
    public typealias Element = Data

    private let handle: TertuliaFFI.SseStream

    init(_ handle: TertuliaFFI.SseStream) {
        self.handle = handle
    }

    /// Reads the bytes that are left.
    public func makeAsyncIterator() -> Batches<Data> {
        Batches {
            let piece = try await calling { [handle = self.handle] in try await handle.next(cancel: $0) }
            return piece.map { [$0] } ?? []
        }
    }
}
