package dev.tertulia.scenarios

import dev.tertulia.Conversation
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

/** What a verb gave that makes a conversation. */
internal fun named(chat: Conversation) = Made(told(mapOf("id" to chat.id)), chat)

/** What a verb gave that makes a user. */
internal fun named(user: UserScope) = Made(told(mapOf("id" to user.id)), user)
