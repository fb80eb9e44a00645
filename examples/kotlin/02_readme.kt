// What the README shows: a reply as it comes, and one about a picture. It needs ANTHROPIC_API_KEY and a picture `tower.jpg`.

import dev.tertulia.*
import kotlinx.coroutines.runBlocking

fun main() = runBlocking {
    val tertulia = Tertulia.open("chat.db") { model = "anthropic/claude-sonnet-4-5" }
    val chat = tertulia.user().newConversation(system = "Answer briefly.")
    chat.stream("Three things to see in Cádiz?").text().collect { print(it) }
    val reply = chat.send(text("And what is this?"), image(path = "tower.jpg"))
    println("${reply.text} ${reply.cost}")
    tertulia.shutdown()
}
