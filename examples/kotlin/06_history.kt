// History: conversations outlive the engine that wrote them, pages lead to each other.

import dev.tertulia.*
import kotlinx.coroutines.runBlocking

private suspend fun open() = Tertulia.open("history.db") { model = System.getenv("TERTULIA_MODEL") ?: "echo/any" }

/** The messages of the branch that is shown, read from its end. */
private suspend fun all(chat: Conversation): List<Message> {
    val messages = mutableListOf<Message>()
    var anchor: HistoryAnchor? = null
    do {
        val page = chat.history(anchor, limit = 2)
        messages.addAll(0, page.items)
        anchor = page.before?.let { HistoryAnchor.Before(it) }
    } while (anchor != null)
    return messages
}

fun main() = runBlocking {
    val first = open()
    val trip = first.user("ana").conversationFor("trip to Cádiz") // same key, same conversation
    repeat(3) { trip.send("Question $it") }
    trip.update(ConversationChange(title = TextChange.Set("Cádiz")))
    first.shutdown()

    val second = open()
    val me = second.user("ana")
    for (info in me.listConversations().items) {
        println("${info.title}: ${info.messageCount} messages")
        println(all(me.conversation(info.id)).map { "${it.role}: ${it.text.take(10)}" })
    }
    println("somebody else's: ${second.user("bob").listConversations().items.size}")
    second.shutdown()
}
