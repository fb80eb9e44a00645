// Take conversations along: out into a file, with all branches, and in from a file, also from ChatGPT or Claude.

import dev.tertulia.*
import java.io.File
import kotlinx.coroutines.runBlocking

private suspend fun open() = Tertulia.open("memory:") { model = System.getenv("TERTULIA_MODEL") ?: "echo/any" }

fun main() = runBlocking {
    val old = open()
    val talk = old.user("ana").newConversation(title = "Trip")
    talk.send("Plan a day in Cádiz.")
    talk.edit(talk.history().items.first().id, "Plan a rainy day in Cádiz.").reply()
    val written = old.user("ana").exportConversations("chats.jsonl")
    println("written: ${written.conversations} conversation, ${written.messages} messages, on all branches")
    old.shutdown()

    val new = open()
    val me = new.user("ana")
    println("would add: ${me.importConversations("chats.jsonl", dryRun = true).messages}")
    me.importConversations("chats.jsonl")
    val again = me.importConversations("chats.jsonl")
    println("twice is once: ${again.messages} added, ${again.skipped} here already")
    val trip = me.conversation(me.listConversations().items.single().id)
    println("branches: ${trip.branches().items.size} - shown: ${trip.history().items.first().text}")

    // As other programs write them: what it is, is recognised.
    File("messages.json").writeText(
        """[{"role": "user", "content": "And on Sunday?"}, {"role": "pirate", "content": "Arr"}]""",
    )
    val report = me.importConversations("messages.json")
    val problem = report.problems.single()
    println("${report.format}: ${report.messages} message, and item ${problem.item}: ${problem.detail}")
    new.shutdown()
}
