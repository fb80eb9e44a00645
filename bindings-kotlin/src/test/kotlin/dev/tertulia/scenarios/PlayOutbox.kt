package dev.tertulia.scenarios

import dev.tertulia.Events
import dev.tertulia.Outbox
import dev.tertulia.OutboxWatch
import kotlinx.serialization.json.JsonObject

/** The verbs of an outbox. */
internal suspend fun ofOutbox(outbox: Outbox, verb: String, step: JsonObject): Made = when (verb) {
    "list" -> Made(told(outbox.list()))
    "retry" -> Made(told(outbox.retry(step.need("turn"))))
    "discard" -> Made(told(outbox.discard(step.need("turn"))))
    "watch" -> made(outbox.watch())
    else -> throw Wrong("this runner cannot play `outbox.$verb`")
}

/** The verbs of who watches an outbox. */
internal suspend fun ofOutboxWatch(watch: OutboxWatch, verb: String, step: JsonObject): Made = when (verb) {
    "next" -> untilOne(step) { watch.next() }
    else -> throw Wrong("this runner cannot play `outbox_watch.$verb`")
}

/** The verbs of who watches an engine. */
internal suspend fun ofEvents(events: Events, verb: String, step: JsonObject): Made = when (verb) {
    "next" -> untilOne(step) { events.next() }
    else -> throw Wrong("this runner cannot play `events.$verb`")
}
