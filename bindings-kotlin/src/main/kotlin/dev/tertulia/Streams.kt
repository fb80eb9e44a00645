package dev.tertulia

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.mapNotNull

/** How many events cross the border at once. */
private const val BATCH = 64

/** 30 times a second: as often as a screen shows words. */
private const val GATHER_MS = 33L

/**
 * The events of the reply. Whoever stops collecting before the end, or is cancelled, stops the call: its connection is
 * closed and what had arrived is kept; [ReplyStream.reply] then gives that, with the status `CANCELLED`. Not so when the
 * stream was detached, or only watches.
 *
 * The first words come at once, those behind them no sooner than [gatherMs] after the ones before (0: as they come).
 *
 * The events are there once: a second collector gets what the first has left.
 */
public fun ReplyStream.events(gatherMs: Long = GATHER_MS): Flow<StreamEvent> = flow {
    var ended = false
    try {
        while (true) {
            val batch = nextBatch(BATCH, gatherMs)
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
public fun ReplyStream.text(gatherMs: Long = GATHER_MS): Flow<String> =
    events(gatherMs).mapNotNull { (it.kind as? StreamEventKind.Text)?.delta }
