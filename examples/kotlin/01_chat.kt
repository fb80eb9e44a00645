// Talk to a model in the terminal. An empty line ends it; MESSAGE="hello" is a single turn.
//
// TERTULIA_MODEL names the model; without it the bundled simulator answers.

import dev.tertulia.*
import kotlinx.coroutines.runBlocking

fun main() = runBlocking {
    val tertulia = Tertulia.open("chat.db") { model = System.getenv("TERTULIA_MODEL") ?: "echo/any" }
    val me = tertulia.user()
    val last = me.listConversations(limit = 1).items.firstOrNull()
    val chat = last?.let { me.conversation(it.id) } ?: me.newConversation(system = "Answer briefly.")
    if (last != null) {
        for (message in chat.history(limit = 6).items) println("${message.role.name.lowercase()}> ${message.text}")
    }

    val once = System.getenv("MESSAGE")
    val lines = once?.let { sequenceOf(it) } ?: generateSequence {
        print("you> ")
        readlnOrNull()?.ifBlank { null }
    }
    for (said in lines) {
        try {
            chat.stream(said).text().collect { print(it) }
            println()
        } catch (error: TertuliaException) {
            println(error.info.userMessage)
        }
    }
    tertulia.shutdown()
}
