package dev.tertulia.scenarios

import dev.tertulia.Conversation
import dev.tertulia.HistoryAnchor
import dev.tertulia.asFlow
import kotlinx.coroutines.flow.toList
import kotlinx.serialization.json.JsonObject

/** The verbs of a conversation. */
internal suspend fun ofConversation(chat: Conversation, verb: String, step: JsonObject): Made = when (verb) {
    "at" -> named(chat.at(step.need("message")))
    "duplicate" -> named(chat.duplicate(step.need("message")))
    "stream" -> Made(streamed(chat.stream(step.said(), step.call()), step))
    "retry" -> Made(streamed(chat.retry(step.need("turn"), step.call()), step))
    "edit" -> Made(streamed(chat.edit(step.need("message"), step.said(), step.call()), step))
    "regenerate" -> Made(streamed(chat.regenerate(step.need("message"), step.call()), step))
    "attach" -> Made(streamed(chat.attach(step.need("turn"), step.long("after_seq") ?: 0), step))
    "timeline" -> made(
        ShownTimeline(chat.timeline(focus(step), step.int("utc_offset_minutes") ?: 0, step.id("read_upto"))),
    )
    else -> Made(told(plainly(chat, verb, step)))
}

/** The verbs that give a record, or nothing. */
private suspend fun plainly(chat: Conversation, verb: String, step: JsonObject): Any? = when (verb) {
    "send" -> chat.send(step.said(), step.call())
    "append" -> chat.append(step.messages())
    "stop" -> chat.stop(step.need("turn"))
    "turn" -> chat.turn(step.need("turn"))
    "context" -> chat.context(step.call())
    "history" -> history(chat, step)
    "open" -> chat.open(step.limit, step.int("turns"), step.word("detail"))
    "messages" -> chat.messages(step.flag("newest_first") ?: false, step.word("detail")).use { it.asFlow().toList() }
    "search" -> chat.search(step.need("words"), step.word("sort"), step.limit, step.id("before"))
    "siblings" -> chat.siblings(step.need("message"), step.limit, step.id("before"), step.id("after"))
    "branches" -> chat.branches(step.limit, step.id("before"), step.id("after"))
    "switch_to" -> chat.switchTo(step.need("message"))
    "fork" -> chat.fork(step.need("message"))
    "delete_message" -> chat.deleteMessage(step.need("message"), step.flag("subtree") ?: false)
    "summary" -> chat.summary()
    "budgets" -> chat.budgets()
    "update" -> chat.update(step.change())
    "delete" -> chat.delete()
    else -> throw Wrong("this runner cannot play `conversation.$verb`")
}

private val JsonObject.limit: Int
    get() = int("limit") ?: 50

private suspend fun history(chat: Conversation, step: JsonObject): Any? {
    val (turns, since) = step.int("turns") to step.long("unchanged_since")
    if (since == null) return chat.history(anchor(step), step.limit, turns, step.word("detail"))
    return chat.historyIfChanged(since, anchor(step), step.limit, turns, step.word("detail"))
}

private fun anchor(step: JsonObject): HistoryAnchor? {
    val anchors = listOfNotNull(
        step.id("before")?.let { HistoryAnchor.Before(it) },
        step.id("after")?.let { HistoryAnchor.After(it) },
        step.id("around")?.let { HistoryAnchor.Around(it) },
        step.int("position")?.let { HistoryAnchor.Position(it) },
    )
    if (anchors.size > 1) throw Wrong("a page has one place where it begins, or none")
    return anchors.singleOrNull()
}
