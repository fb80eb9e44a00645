package dev.tertulia

import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds

private val List<Part>.words: String
    get() = filterIsInstance<Part.Text>().joinToString("") { it.text }

/** All words of the answer. */
public val Reply.text: String
    get() = parts.words

/** What the model thought, as far as the provider shows it. */
public val Reply.reasoning: String
    get() = parts.filterIsInstance<Part.Reasoning>().joinToString("") { it.text }

/** The tools that the model wants to be called; those the provider runs itself are not among them. */
public val Reply.toolCalls: List<ToolCall>
    get() = parts.filterIsInstance<Part.ToolCall>().map { it.call }.filterNot { it.providerExecuted }

/** A sentence fit for an end user when the turn did not end well, or nothing. */
public val Reply.notice: String?
    get() = error?.userMessage

/** All words of the message. */
public val Message.text: String
    get() = parts.words

/** All words of the message. */
public val NewMessage.text: String
    get() = parts.words

/** The cost in US dollars, or nothing when it is not known. */
public val Cost.usd: Double?
    get() = nanoUsd?.let { it / 1e9 }

/** Names the conversation. */
public val Conversation.id: String
    get() = id()

/** Who it is. */
public val UserScope.id: String
    get() = id()

/** The shortest wait before repeating. */
public val ErrorInfo.retryAfter: Duration?
    get() = retryAfterMs?.milliseconds

/** The words that had arrived. */
public val ErrorInfo.text: String
    get() = partial.words

/** Everything that is known about the failure, whatever its kind. */
public val TertuliaException.info: ErrorInfo
    get() = when (this) {
        is TertuliaException.Invalid -> this.info
        is TertuliaException.NotFound -> this.info
        is TertuliaException.Conflict -> this.info
        is TertuliaException.Unauthorized -> this.info
        is TertuliaException.QuotaExhausted -> this.info
        is TertuliaException.BudgetExceeded -> this.info
        is TertuliaException.RateLimited -> this.info
        is TertuliaException.Unavailable -> this.info
        is TertuliaException.TimedOut -> this.info
        is TertuliaException.ContextTooLong -> this.info
        is TertuliaException.ContentFiltered -> this.info
        is TertuliaException.Truncated -> this.info
        is TertuliaException.OutputInvalid -> this.info
        is TertuliaException.Cancelled -> this.info
        is TertuliaException.Storage -> this.info
        is TertuliaException.Closed -> this.info
        is TertuliaException.Internal -> this.info
    }
