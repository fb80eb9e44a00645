package dev.tertulia

import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

/**
 * A user's conversations that are not archived, as state: the pinned ones first and then the latest activity, 50 to begin
 * with. Somebody must [run] it; cancelled and run again it goes on where it was.
 *
 * @throws TertuliaException.Closed when the engine is shut down
 */
public class ConversationsState(user: UserScope) : AutoCloseable {
    private val watch = user.watchConversations()
    private val shown = MutableStateFlow(emptyList<ConversationSummary>())

    /** The conversations, in the order of the list. */
    public val conversations: StateFlow<List<ConversationSummary>> = shown.asStateFlow()

    /**
     * Keeps the list as it is in the store, until the engine is shut down.
     *
     * @throws TertuliaException.Storage when it cannot be read; run again, it goes on where it failed
     */
    public suspend fun run() {
        pull(watch::next) { batch ->
            val rows = shown.value.toMutableList()
            batch.forEach { it.applyTo(rows) }
            shown.value = rows
        }
    }

    /** Shows so many conversations more (1 to 200; 1,000 in all). True when there are no more. */
    public suspend fun loadOlder(count: Int = 50): Boolean = watch.loadOlder(count)

    /** Ends it; whoever runs it must be cancelled before. */
    override fun close() {
        watch.close()
    }
}

/** Makes the change in a list of conversations, which must be as the changes before it have left it. */
public fun ConversationDiff.applyTo(rows: MutableList<ConversationSummary>) {
    when (this) {
        is ConversationDiff.Append -> rows += items
        is ConversationDiff.Clear -> rows.clear()
        is ConversationDiff.PushFront -> rows.add(0, item)
        is ConversationDiff.PushBack -> rows += item
        is ConversationDiff.PopFront -> rows.removeAt(0)
        is ConversationDiff.PopBack -> rows.removeAt(rows.lastIndex)
        is ConversationDiff.Insert -> rows.add(index, item)
        is ConversationDiff.Set -> rows[index] = item
        is ConversationDiff.Remove -> rows.removeAt(index)
        is ConversationDiff.Truncate -> rows.subList(length, rows.size).clear()
        is ConversationDiff.Reset -> rows.apply { clear() } += items
        is ConversationDiff.AppendText -> Unit // A conversation in a list has no words that grow.
    }
}

/** What happens in the engine from the moment this is collected, until the engine is shut down. */
public fun Tertulia.events(): Flow<EngineEvent> = flow {
    eventReader().use { reader -> while (true) emit(reader.next() ?: break) }
}

/** What is in the outbox, and all of it again whenever that changes, until the engine is shut down. */
public fun Outbox.items(): Flow<List<OutboxItem>> = flow {
    watch().use { watch -> do emit(list()) while (watch.next() != null) }
}

/**
 * Pulls batch after batch until there is none, away from the thread that draws the screen. The calls are stopped by a token
 * and not with the job: a call that is stopped in the very moment in which its batch has come would lose it, and whatever
 * follows would be counted from the wrong list.
 */
internal suspend fun <T : Any> pull(next: suspend (CancelToken) -> T?, take: (T) -> Unit): Unit = coroutineScope {
    CancelToken().use { token ->
        val stopping = launch(start = CoroutineStart.UNDISPATCHED) {
            try {
                awaitCancellation()
            } finally {
                token.cancel()
            }
        }
        withContext(NonCancellable + Dispatchers.Default) {
            try {
                while (true) take(next(token) ?: break)
            } catch (stopped: TertuliaException.Cancelled) {
                this@coroutineScope.ensureActive()
                throw stopped
            } finally {
                stopping.cancelAndJoin()
            }
        }
    }
}
