import Tertulia

/// Suspends an engine when its app is seen no more and resumes it when it is seen again: suspended it holds no file and no
/// lock, as iOS asks for. What is done last is what was said last.
@MainActor
public final class Rest {
    /// The engine.
    public let tertulia: Tertulia

    private var last: Task<Void, Never>?

    /// That of this engine.
    public init(_ tertulia: Tertulia) {
        self.tertulia = tertulia
    }

    /// Says whether the app is seen. The task ends when the engine has done so; iOS gives an app some seconds for that.
    @discardableResult
    public func seen(_ isSeen: Bool) -> Task<Void, Never> {
        let task = Task { [tertulia, last] in
            await last?.value
            // One that cannot is told so by its next verb, and the next change of scene tries again.
            if isSeen { try? await tertulia.resume() } else { try? await tertulia.suspend() }
        }
        last = task
        return task
    }
}
