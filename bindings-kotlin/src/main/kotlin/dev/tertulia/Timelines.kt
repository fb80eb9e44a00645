package dev.tertulia

import java.time.Instant
import java.time.ZoneId
import java.util.concurrent.ConcurrentHashMap
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock

/**
 * What a screen shows of a conversation, as state: [ids] change rarely, and each row is observed by itself.
 *
 * Somebody must [run] it, as long as the screen is there. Cancelled and run again it goes on where it was. In Compose:
 *
 * ```kotlin
 * @Composable
 * fun rememberTimeline(chat: Conversation): TimelineState {
 *     val timeline = remember(chat) { TimelineState(chat) }
 *     LaunchedEffect(timeline) { timeline.run() }
 *     DisposableEffect(timeline) { onDispose { timeline.close() } }
 *     return timeline
 * }
 *
 * val timeline = rememberTimeline(chat)
 * val ids by timeline.ids.collectAsState()
 * LazyColumn { items(ids, key = { it }) { id -> Bubble(timeline.row(id)) } }
 * ```
 *
 * Nothing is read before its first use.
 *
 * @param focus which part is shown first; left out: the newest messages
 * @param utcOffsetMinutes how far the clocks of who reads are ahead of UTC; left out: as the clock of this device
 * @param readUpto the last message that was read: behind it the unread marker stands
 */
public class TimelineState(
    private val chat: Conversation,
    private val focus: TimelineFocus? = null,
    private val utcOffsetMinutes: Int = ZoneId.systemDefault().rules.getOffset(Instant.now()).totalSeconds / 60,
    private val readUpto: String? = null,
) : AutoCloseable {
    private val rows = TimelineRows()
    private val opening = Mutex()

    @Volatile
    private var timeline: Timeline? = null

    @Volatile
    private var closed = false

    /** The ids of all rows, in reading order. */
    public val ids: StateFlow<List<String>>
        get() = rows.ids

    /** The row with this id as it is now; nothing once it is gone. */
    public fun row(id: String): StateFlow<TimelineItem?> = rows.row(id)

    /**
     * Keeps the rows as they are in the conversation, until the engine is shut down or this is closed.
     *
     * @throws TertuliaException.NotFound when there is no such conversation or message
     * @throws TertuliaException.Storage when it cannot be read; run again, it goes on where it failed
     */
    public suspend fun run() {
        try {
            val timeline = opened()
            pull({ timeline.next(it).takeUnless { closed } }) { rows.apply(it) }
        } catch (gone: IllegalStateException) {
            // Closed meanwhile: the handle is gone, and nobody wants to hear of it.
            if (gone is CancellationException || !closed) throw gone
        }
    }

    /** Loads so many older messages (1 to 200). True when the first message of the branch is there. */
    public suspend fun loadOlder(count: Int = 50): Boolean = opened().loadOlder(count)

    /** Loads so many newer messages (1 to 200), where the newest are not there. True when they are. */
    public suspend fun loadNewer(count: Int = 50): Boolean = opened().loadNewer(count)

    /** Shows another part of the conversation; left out: the newest messages. */
    public suspend fun focus(focus: TimelineFocus? = null): Unit = opened().focus(focus)

    /** Everything up to this message is read: the unread marker moves behind it, or goes (nothing). */
    public suspend fun setRead(upto: String?): Unit = opened().setRead(upto)

    /**
     * The reader sees the rows from the one at place `first` of [ids] to the one at place `last`. These are kept; what is
     * farthest away from them is dropped where the list is too long.
     */
    public fun setVisible(first: Int, last: Int) {
        timeline?.setVisible(first, last)
    }

    /** Takes a message off the screen that was refused and is kept nowhere. False when there is none with this id. */
    public fun dismiss(messageId: String): Boolean = timeline?.dismiss(messageId) ?: false

    /** Ends it: [run] returns with the next change. */
    override fun close() {
        closed = true
        timeline?.close()
    }

    private suspend fun opened(): Timeline = timeline ?: opening.withLock {
        check(!closed) { "the timeline is closed" }
        timeline ?: chat.timeline(focus, utcOffsetMinutes, readUpto).also {
            timeline = it
            // Whoever closed it meanwhile found nothing to close.
            if (closed) it.close()
        }
    }
}

/** The rows of a timeline, as state, for who pulls its batches of changes himself. Read by anybody, changed by one. */
public class TimelineRows {
    private val rows = mutableListOf<TimelineItem>()
    private val states = ConcurrentHashMap<String, MutableStateFlow<TimelineItem?>>()
    private val shown = MutableStateFlow(emptyList<String>())

    /** The ids of all rows, in reading order. They change once for a batch, if at all. */
    public val ids: StateFlow<List<String>> = shown.asStateFlow()

    /** The row with this id as it is now; nothing once it is gone. */
    public fun row(id: String): StateFlow<TimelineItem?> = states[id] ?: MutableStateFlow(null)

    /** Makes the changes of a batch, one after the other. */
    public fun apply(batch: List<TimelineDiff>) {
        batch.forEach { it.applyTo(rows) }
        // A row is there before its id is told, and goes after its id.
        for (row in rows) states.getOrPut(row.id) { MutableStateFlow(row) }.value = row
        shown.value = rows.map { it.id }
        for (id in states.keys - shown.value.toSet()) states.remove(id)?.value = null
    }
}

/** Makes the change in a list of rows, which must be as the changes before it have left it. */
public fun TimelineDiff.applyTo(rows: MutableList<TimelineItem>) {
    when (this) {
        is TimelineDiff.Append -> rows += items
        is TimelineDiff.Clear -> rows.clear()
        is TimelineDiff.PushFront -> rows.add(0, item)
        is TimelineDiff.PushBack -> rows += item
        is TimelineDiff.PopFront -> rows.removeAt(0)
        is TimelineDiff.PopBack -> rows.removeAt(rows.lastIndex)
        is TimelineDiff.Insert -> rows.add(index, item)
        is TimelineDiff.Set -> rows[index] = item
        is TimelineDiff.Remove -> rows.removeAt(index)
        is TimelineDiff.Truncate -> rows.subList(length, rows.size).clear()
        is TimelineDiff.Reset -> rows.apply { clear() } += items
        is TimelineDiff.AppendText -> rows[index] = rows[index].grown(partIndex, text)
    }
}

/** The row with more words in a part of its message. */
private fun TimelineItem.grown(place: Int, words: String): TimelineItem {
    val row = kind as? TimelineItemKind.Message ?: return this
    val parts = row.message.parts.toMutableList()
    parts[place] = when (val part = parts[place]) {
        is Part.Text -> part.copy(text = part.text + words)
        is Part.Reasoning -> part.copy(text = part.text + words)
        is Part.Refusal -> part.copy(text = part.text + words)
        else -> part
    }
    return copy(kind = row.copy(message = row.message.copy(parts = parts)))
}
