import Foundation
import TertuliaFFI

/// What failed and what to do about it. Its `localizedDescription` is a sentence for an end user, `description` a line
/// for developers; neither holds what was said, or a key.
///
/// ```swift
/// do {
///     _ = try await chat.send("hi")
/// } catch let e as TertuliaError where e.kind == .rateLimited {
///     wait(e.retryAfter)
/// } catch {
///     show(error.localizedDescription)
/// }
/// ```
///
/// Everything that ``info`` holds can be read from the error itself, such as `e.reason` and `e.saved`. When the own task
/// was cancelled, calls throw `CancellationError` instead.
@dynamicMemberLookup
public struct TertuliaError: LocalizedError, CustomStringConvertible, Hashable, Sendable {
    /// Everything that is known about the failure.
    public let info: ErrorInfo

    /// What to do about it.
    public var kind: ErrorKind { info.kind }

    /// A sentence fit for an end user.
    public var errorDescription: String? { info.userMessage }

    /// One line for developers.
    public var description: String { "\(info)" }

    /// What the record holds.
    public subscript<Value>(dynamicMember field: KeyPath<ErrorInfo, Value>) -> Value { info[keyPath: field] }

    /// An error of this kind, for a provider or a key source of your own to throw.
    ///
    /// - Parameters:
    ///   - kind: What to do about it.
    ///   - reason: A stable machine word.
    ///   - detail: A sentence for developers; neither may hold a prompt or a key.
    ///   - retry: Whether the engine may ask again before the first content.
    public init(_ kind: ErrorKind, reason: String, detail: String, retry: Retry = .never) {
        self.init(failure(kind: kind, reason: reason, detail: detail, retry: retry))
    }

    /// The same, on its way back into the engine.
    var handedBack: TertuliaFFI.TertuliaError {
        failure(kind: info.kind, reason: info.reason, detail: info.detail, retry: info.retry)
    }

    init(_ failure: TertuliaFFI.TertuliaError) {
        switch failure {
        case .Invalid(let info), .NotFound(let info), .Conflict(let info), .Unauthorized(let info),
            .QuotaExhausted(let info), .BudgetExceeded(let info), .RateLimited(let info), .Unavailable(let info),
            .TimedOut(let info), .ContextTooLong(let info), .ContentFiltered(let info), .Truncated(let info),
            .OutputInvalid(let info), .Cancelled(let info), .Storage(let info), .Closed(let info), .Internal(let info):
            self.info = info
        }
    }
}
