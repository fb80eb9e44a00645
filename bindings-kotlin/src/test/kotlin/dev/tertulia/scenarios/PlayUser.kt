package dev.tertulia.scenarios

import dev.tertulia.Conversation
import dev.tertulia.PreferencesChange
import dev.tertulia.TextChange
import dev.tertulia.UserScope
import dev.tertulia.id
import kotlinx.serialization.json.JsonObject

/** The verbs of a user. */
internal suspend fun ofUser(user: UserScope, verb: String, step: JsonObject): Made = when (verb) {
    "ask" -> Made(told(user.ask(step.said(), step.call())))
    "new_conversation" -> named(
        step.options.run {
            user.newConversation(text("model"), text("system"), text("title"), textMap("metadata").orEmpty())
        },
    )
    "conversation" -> named(user.conversation(step.need("id")))
    "conversation_for" -> named(user.conversationFor(step.need("key")))
    "preferences" -> Made(told(user.preferences()))
    "update_preferences" -> Made(told(user.updatePreferences(preferences(step))))
    "outbox" -> made(user.outbox())
    "watch_conversations" -> made(ShownConversations(user.watchConversations()))
    else -> throw Wrong("this runner cannot play `user.$verb`")
}

/** What a step changes of what a user prefers: `null` clears. */
private fun preferences(step: JsonObject): PreferencesChange = step.record("change")!!.run {
    val values = record("values").orEmpty()
    PreferencesChange(textChange("name"), textChange("language"), textChange("time_zone"), values.mapValues { JsonObject(values).id(it.key) })
}

/** What becomes of a text that need not be there. */
internal fun JsonObject.textChange(word: String): TextChange? =
    if (word !in this) null else id(word)?.let { TextChange.Set(it) } ?: TextChange.Clear

/** What a verb gave that makes a conversation. */
internal fun named(chat: Conversation) = Made(told(mapOf("id" to chat.id)), chat)

/** What a verb gave that makes a user. */
internal fun named(user: UserScope) = Made(told(mapOf("id" to user.id)), user)
