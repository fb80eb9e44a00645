package sample

import dev.tertulia.ConversationSummary
import dev.tertulia.Delivery
import dev.tertulia.MessageStatus
import dev.tertulia.TimelineItemKind

/** What a list calls a conversation. */
fun ConversationSummary.label(): String = title ?: lastPreview ?: "New conversation"

/** What stands below a message, besides its words; nothing when all went well. */
fun TimelineItemKind.Message.note(): String? = error?.userMessage ?: when {
    delivery == Delivery.PENDING -> "Waiting"
    delivery == Delivery.SENDING -> "Sending"
    message.status == MessageStatus.INTERRUPTED -> "Broke off"
    message.status == MessageStatus.CANCELLED -> "Stopped"
    else -> null
}

/** The turn that can be asked for again; nothing when there is none. */
fun TimelineItemKind.Message.again(): String? {
    val broken = message.status == MessageStatus.INTERRUPTED || message.status == MessageStatus.CANCELLED
    val rests = delivery == Delivery.FAILED && error?.saved == true
    return message.turnId.takeIf { broken || rests }
}

/** Whether the message was refused and is kept nowhere: it can only be taken off the screen. */
fun TimelineItemKind.Message.isRefused(): Boolean = delivery == Delivery.FAILED && error?.saved == false
