package dev.tertulia

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.mapNotNull

/** How many events cross the border at once. */
private const val BATCH = 64

/**
 * The events of the reply. Whoever stops collecting before the end, or is cancelled, stops the call: its connection is
 * closed and what had arrived is kept; [ReplyStream.reply] then gives that, with the status `CANCELLED`. Not so when the
 * stream was detached, or only watches.
 *
 * The events are there once: a second collector gets what the first has left.
 */
public fun ReplyStream.events(): Flow<StreamEvent> = flow {
    var ended = false
    try {
        while (true) {
            val batch = nextBatch(BATCH)
            if (batch.isEmpty()) break
            for (event in batch) emit(event)
        }
        ended = true
    } finally {
        try {
            if (!ended) leave()
        } catch (_: IllegalStateException) {
            // The collector has closed the stream, which stops the call; what it threw comes out, not this.
        }
    }
}

/** Only the words of the reply; in all else as [events]. */
public fun ReplyStream.text(): Flow<String> = events().mapNotNull { (it.kind as? StreamEventKind.Text)?.delta }
