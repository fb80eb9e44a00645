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
/// The events are there once: who reads again gets what is left.
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
    /// joined. Empty after the last. Cancelling the task ends the waiting, not the call.
    ///
    /// - Throws: ``TertuliaError``, whatever ended the reply, once; `partial` holds what had arrived.
    public func nextBatch(max: Int = 64) async throws -> [StreamEvent] {
        try await calling { [handle] in try await handle.nextBatch(max: Int32(clamping: max), cancel: $0) }
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

    /// Reads the events that are left.
    public func makeAsyncIterator() -> Iterator {
        Iterator(reading: Reading(self))
    }

    /// Reads the events of a stream.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let reading: Reading
        private var batch: ArraySlice<StreamEvent> = []

        fileprivate init(reading: Reading) {
            self.reading = reading
        }

        /// The next event, or nothing after the last.
        ///
        /// - Throws: ``TertuliaError``, whatever ended the reply; `CancellationError` when the task was cancelled.
        public mutating func next() async throws -> StreamEvent? {
            if batch.isEmpty {
                batch = try await reading.stream.nextBatch()[...]
            }
            return batch.popFirst()
        }
    }

    /// One reader. Goes with its iterator, and leaves what nobody reads any more; after the end that changes nothing.
    fileprivate final class Reading: Sendable {
        let stream: ReplyStream

        init(_ stream: ReplyStream) {
            self.stream = stream
        }

        deinit {
            stream.handle.leave()
        }
    }
}
