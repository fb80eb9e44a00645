package dev.tertulia

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.launch

/**
 * The two moments in the life of an app that an engine must hear of. No class of Android's is needed: whatever tells an app
 * that it is seen calls them, from any thread. There, for instance:
 *
 * ```kotlin
 * val life = tertulia.bindTo(ProcessLifecycleOwner.get().lifecycleScope)
 * ProcessLifecycleOwner.get().lifecycle.addObserver(object : DefaultLifecycleObserver {
 *     override fun onStart(owner: LifecycleOwner) = life.onStart()
 *     override fun onStop(owner: LifecycleOwner) = life.onStop()
 * })
 * ```
 */
public interface AppLifecycle {
    /** The app is seen. */
    public fun onStart()

    /** The app is seen no more; the system may suspend or end it at any time. */
    public fun onStop()
}

/**
 * Suspends the engine when the app is seen no more and resumes it when it is seen again, as long as the scope is there. Both
 * calls return at once; what is done is always what was said last.
 *
 * @param failed hears why the engine could not do so; the next call tries again
 */
public fun Tertulia.bindTo(scope: CoroutineScope, failed: (TertuliaException) -> Unit = {}): AppLifecycle {
    val seen = Channel<Boolean>(Channel.CONFLATED)
    scope.launch {
        for (isSeen in seen) {
            try {
                if (isSeen) resume() else suspend()
            } catch (failure: TertuliaException) {
                failed(failure)
            }
        }
    }
    return object : AppLifecycle {
        override fun onStart() {
            seen.trySend(true)
        }

        override fun onStop() {
            seen.trySend(false)
        }
    }
}
