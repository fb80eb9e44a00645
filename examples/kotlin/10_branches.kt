// Branches: say something anew, ask for another answer, go back to what was there before.

import dev.tertulia.*
import kotlinx.coroutines.runBlocking

private suspend fun show(chat: Conversation) {
    for (message in chat.history().items) {
        val version = if (message.siblingCount > 1) " ${message.siblingIndex + 1}/${message.siblingCount}" else ""
        println("${message.role}$version: ${message.text.take(30)}")
    }
}

fun main() = runBlocking {
    val tertulia = Tertulia.open("memory:") { model = System.getenv("TERTULIA_MODEL") ?: "echo/any" }
    val chat = tertulia.user("ana").newConversation()
    chat.send("Plan a day in Cádiz")
    val (question, answer) = chat.history().items.map { it.id }

    chat.regenerate(answer).reply() // beside the first answer
    chat.edit(question, "Plan two days in Cádiz").reply() // beside the first question
    show(chat)

    chat.switchTo(answer) // nothing was overwritten
    show(chat)
    println("branches: ${chat.branches().items.map { it.depth }}")

    try {
        chat.send("And on Sunday?", CallOptions(expectedHead = question))
    } catch (error: TertuliaException.Conflict) {
        println("the conversation ends with another message by now")
    }

    val copy = chat.duplicate(answer) // a conversation of its own
    chat.deleteMessage(question, subtree = true)
    val (shown, copied) = listOf(chat, copy).map { it.history().items.size }
    println("$shown shown here, $copied in the copy, ${chat.branches().items.size} branch left")
    tertulia.shutdown()
}
