package dev.tertulia.scenarios

import dev.tertulia.Conversation
import dev.tertulia.HistoryAnchor
import kotlinx.serialization.json.JsonObject

/** The verbs of a conversation. */
internal suspend fun ofConversation(chat: Conversation, verb: String, step: JsonObject): Made = when (verb) {
    "send" -> Made(told(chat.send(step.said(), step.call())))
    "stream" -> Made(streamed(chat.stream(step.said(), step.call()), step))
    "retry" -> Made(streamed(chat.retry(step.need("turn"), step.call()), step))
    "attach" -> Made(streamed(chat.attach(step.need("turn"), step.long("after_seq") ?: 0), step))
    "append" -> Made(told(chat.append(step.messages())))
    "stop" -> Made(told(chat.stop(step.need("turn"))))
    "budgets" -> Made(told(chat.budgets()))
    "history" -> Made(told(chat.history(anchor(step), step.int("limit") ?: 50)))
    else -> throw Wrong("this runner cannot play `conversation.$verb`")
}

private fun anchor(step: JsonObject): HistoryAnchor? {
    val anchors = listOfNotNull(
        step.text("before")?.let { HistoryAnchor.Before(it) },
        step.text("after")?.let { HistoryAnchor.After(it) },
    )
    if (anchors.size > 1) throw Wrong("a page has one place where it begins, or none")
    return anchors.singleOrNull()
}
