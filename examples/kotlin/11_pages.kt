// Pages: open a conversation at its end, jump into it, go through all of it, ask whether it has changed.

import dev.tertulia.*
import kotlinx.coroutines.flow.fold
import kotlinx.coroutines.runBlocking

fun main() = runBlocking {
    val tertulia = Tertulia.open("memory:") { model = System.getenv("TERTULIA_MODEL") ?: "echo/any" }
    val chat = tertulia.user("ana").newConversation(title = "A long talk")
    chat.append(
        (0..<5_000).flatMap { n ->
            listOf(
                NewMessage(Role.USER, listOf(text("Question $n"))),
                NewMessage(Role.ASSISTANT, listOf(text("Answer $n"))),
            )
        },
    )

    val (info, page) = chat.open(limit = 20) // what a screen shows first, in one read
    println("${info.title}: ${info.messageCount} messages, the last of them ${page.items.last().text}")

    val middle = chat.history(HistoryAnchor.Position(5_001), limit = 4).items // as fast as the last page
    println(middle.map { it.text })
    val around = chat.history(HistoryAnchor.Around(middle[2].id), turns = 3) // whole turns
    println(around.items.map { it.text })

    val longest = chat.messages().use { all -> // page by page behind the scenes
        all.asFlow().fold(0) { longest, message -> maxOf(longest, message.text.length) }
    }
    println("longest: $longest")
    println("changed: ${chat.historyIfChanged(page.version) != null}")
    tertulia.shutdown()
}
