import TertuliaFFI

extension Tertulia {
    /// Tells everything that is logged at this level or a louder one, by all engines of the program, from now on; who was
    /// told before hears nothing more. Called on a thread of its own: no call waits for it.
    ///
    /// ```swift
    /// let logger = Logger(subsystem: "com.example.app", category: "tertulia")
    /// try Tertulia.forwardLogs(.warn) { record in logger.warning("\(record.target): \(record)") }
    /// ```
    ///
    /// A record's text is its message and what is known besides. It holds no key and nothing of what was said.
    ///
    /// - Throws: ``TertuliaError``: `conflict` when the program already sends what is logged elsewhere.
    public static func forwardLogs(
        _ level: LogLevel = .info, to log: @escaping @Sendable (_ record: LogRecord) -> Void
    ) throws {
        try failing { try TertuliaFFI.forwardLogs(level: level, listener: Listener(log)) }
    }

    /// Tells nobody any more what is logged.
    public static func stopLogs() throws {
        try failing { try TertuliaFFI.forwardLogs(level: .error, listener: nil) }
    }
}

private final class Listener: LogListener {
    private let listen: @Sendable (LogRecord) -> Void

    init(_ listen: @escaping @Sendable (LogRecord) -> Void) {
        self.listen = listen
    }

    func log(record: LogRecord) {
        listen(record)
    }
}
