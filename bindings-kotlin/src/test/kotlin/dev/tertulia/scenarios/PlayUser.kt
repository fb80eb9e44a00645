package dev.tertulia.scenarios

import dev.tertulia.Conversation
import dev.tertulia.PreferencesChange
import dev.tertulia.UserScope
import dev.tertulia.ask
import dev.tertulia.id
import kotlinx.serialization.json.JsonObject

/** The verbs of a user. */
internal suspend fun ofUser(user: UserScope, verb: String, step: JsonObject): Made = when (verb) {
    "ask" -> Made(told(if ("messages" in step) user.ask(step.messages(), step.call()) else user.ask(step.said(), step.call())))
    "new_conversation" -> named(step.options.run { begun(user) })
    "conversation" -> named(user.conversation(step.need("id")))
    "conversation_for" -> named(user.conversationFor(step.need("key")))
    "preferences" -> Made(told(user.preferences()))
    "update_preferences" -> Made(told(user.updatePreferences(preferences(step))))
    "outbox" -> made(user.outbox())
    "watch_conversations" -> made(ShownConversations(user.watchConversations()))
    "list_conversations" -> Made(told(step.run { listed(user) }))
    "search" -> Made(
        told(user.search(step.need("words"), step.word("sort"), step.int("limit") ?: 50, step.id("before"))),
    )
    "export_conversations" -> Made(
        told(
            user.exportConversations(
                step.need("path"),
                step.texts("ids"),
                step.flag("archived"),
                step.flag("pinned"),
                step.text("tag"),
                step.flag("preferences") ?: false,
            ),
        ),
    )
    "import_conversations" -> Made(told(user.importConversations(step.need("path"), step.flag("dry_run") ?: false)))
    "erase" -> Made(told(user.erase()))
    "prompts" -> made(user.prompts())
    "personas" -> made(user.personas())
    "councils" -> made(user.councils())
    "library" -> made(user.library(step.need("kind")))
    "batch" -> made(user.batch())
    "tier" -> Made(told(user.tier()))
    "budgets" -> Made(told(user.budgets()))
    "usage" -> Made(told(user.usage(step.word("by"), after = step.text("after"), limit = step.int("limit") ?: 50)))
    "forecast" -> Made(told(user.forecast(step.word("window")!!)))
    else -> throw Wrong("this runner cannot play `user.$verb`")
}

private fun JsonObject.begun(user: UserScope): Conversation = user.newConversation(
    text("model"),
    text("system"),
    text("title"),
    textMap("metadata").orEmpty(),
    texts("tags").orEmpty(),
    long("expires_in_ms"),
)

private suspend fun JsonObject.listed(user: UserScope): Any? {
    val (before, after) = id("before") to id("after")
    val (limit, archived) = (int("limit") ?: 50) to (flag("archived") ?: false)
    val since = long("unchanged_since")
        ?: return user.listConversations(limit, before, after, archived, flag("pinned"), text("tag"))
    return user.listConversationsIfChanged(since, limit, before, after, archived, flag("pinned"), text("tag"))
}

/** What a step changes of what a user prefers: `null` clears. */
private fun preferences(step: JsonObject): PreferencesChange = step.record("change")!!.run {
    val values = record("values").orEmpty()
    PreferencesChange(
        textChange("name"),
        textChange("language"),
        textChange("time_zone"),
        values.mapValues { (name, _) -> JsonObject(values).id(name) },
    )
}

/** What a verb gave that makes a conversation. */
internal fun named(chat: Conversation) = Made(told(mapOf("id" to chat.id)), chat)

/** What a verb gave that makes a user. */
internal fun named(user: UserScope) = Made(told(mapOf("id" to user.id)), user)
