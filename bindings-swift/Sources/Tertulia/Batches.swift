/// Reads what comes in batches one by one.
public struct Batches<Element: Sendable>: AsyncIteratorProtocol {
    private var batch: ArraySlice<Element> = []
    private let more: @Sendable () async throws -> [Element]

    init(_ more: @escaping @Sendable () async throws -> [Element]) {
        self.more = more
    }

    /// The next one, or nothing after the last.
    ///
    /// - Throws: ``TertuliaError``; `CancellationError` when the task was cancelled.
    public mutating func next() async throws -> Element? {
        if batch.isEmpty {
            batch = try await more()[...]
        }
        return batch.popFirst()
    }
}
