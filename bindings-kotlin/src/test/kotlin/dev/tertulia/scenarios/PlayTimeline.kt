package dev.tertulia.scenarios

import dev.tertulia.ConversationSummary
import dev.tertulia.ConversationsWatch
import dev.tertulia.Timeline
import dev.tertulia.TimelineFocus
import dev.tertulia.TimelineItem
import dev.tertulia.TimelineSse
import dev.tertulia.applyTo
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonObject

/** How many rows a screen loads unless told otherwise. */
private const val ROWS = 50

/** A timeline, and its rows as the last batch has left them. */
internal class ShownTimeline(val timeline: Timeline) {
    val rows = mutableListOf<TimelineItem>()
}

/** A list of conversations, and its rows as the last batch has left them. */
internal class ShownConversations(val watch: ConversationsWatch) {
    val rows = mutableListOf<ConversationSummary>()
}

/** The verbs of a timeline. */
internal suspend fun ofTimeline(shown: ShownTimeline, verb: String, step: JsonObject): Made = with(shown.timeline) {
    when (verb) {
        "next" -> untilRows(step, { JsonArray(shown.rows.map { plain(told(it)) }) }) {
            next()?.onEach { it.applyTo(shown.rows) } != null
        }
        "load_older" -> Made(told(loadOlder(step.int("count") ?: ROWS)))
        "load_newer" -> Made(told(loadNewer(step.int("count") ?: ROWS)))
        "focus" -> Made(told(focus(focus(step))))
        "set_read" -> Made(told(setRead(step.id("upto"))))
        "set_visible" -> Made(told(setVisible(step.int("first")!!, step.int("last")!!)))
        "dismiss" -> Made(told(dismiss(step.need("message"))))
        "sse" -> sse(step.long("heartbeat_s")?.let { it * 1_000 }, step.flag("detail") ?: false).use { Made(firstTold(it)) }
        else -> throw Wrong("this runner cannot play `timeline.$verb`")
    }
}

/** The verbs of a list of conversations. */
internal suspend fun ofConversationsWatch(shown: ShownConversations, verb: String, step: JsonObject): Made = when (verb) {
    "next" -> untilRows(step, { told(shown.rows) }) {
        shown.watch.next()?.onEach { it.applyTo(shown.rows) } != null
    }
    "load_older" -> Made(told(shown.watch.loadOlder(step.int("count") ?: ROWS)))
    else -> throw Wrong("this runner cannot play `conversations_watch.$verb`")
}

/** The part of a conversation that the step wants to see. */
internal fun focus(step: JsonObject): TimelineFocus? {
    val (message, branch) = step.id("message") to step.id("branch")
    if (message != null && branch != null) throw Wrong("a timeline shows what is about a message, or a branch, not both")
    return message?.let { TimelineFocus.Message(it) } ?: branch?.let { TimelineFocus.Branch(it) }
}

/** A row as it is: what is told besides the fields of a message is none of it. */
private fun plain(row: JsonElement): JsonObject = JsonObject(
    row.jsonObject.mapValues { (name, value) -> if (name == "message") JsonObject(value.jsonObject - "text") else value },
)

/** What a page is told first of a timeline: all rows. */
private suspend fun firstTold(sse: TimelineSse): JsonElement {
    while (true) {
        val piece = (sse.next() ?: return JsonNull).decodeToString()
        val line = piece.lines().firstOrNull { it.startsWith("data: ") } ?: continue
        return Json.parseToJsonElement(line.removePrefix("data: "))
    }
}
