import TertuliaFFI

/// Does what the engine waits for: a cancelled task stops it, and its failures are ``TertuliaError``.
func calling<Result: Sendable>(_ work: @Sendable (CancelToken) async throws -> Result) async throws -> Result {
    let token = CancelToken()
    return try await failing {
        try await withTaskCancellationHandler {
            try await work(token)
        } onCancel: {
            token.cancel()
        }
    }
}

/// Gives failures the shape that apps see. Who has cancelled the own task hears what Swift says then.
func failing<Result: Sendable>(_ work: () async throws -> Result) async throws -> Result {
    do {
        return try await work()
    } catch let failure as TertuliaFFI.TertuliaError {
        if case .Cancelled = failure, Task.isCancelled { throw CancellationError() }
        throw TertuliaError(failure)
    }
}

/// The same for what nobody waits for.
func failing<Result>(_ work: () throws -> Result) throws -> Result {
    do {
        return try work()
    } catch let failure as TertuliaFFI.TertuliaError {
        throw TertuliaError(failure)
    }
}

/// Does what the engine asks of a host's code, and hands back what that throws.
func asked<Result>(_ work: () async throws -> Result) async throws -> Result {
    do {
        return try await work()
    } catch let failure as TertuliaError {
        throw failure.handedBack
    }
}
