// Many changes at once: all of them or none, or as many as can be.

import dev.tertulia.*
import kotlinx.coroutines.runBlocking

fun main() = runBlocking {
    val tertulia = Tertulia.open("memory:") { model = System.getenv("TERTULIA_MODEL") ?: "echo/any" }
    val me = tertulia.user("ana")
    val chats = (1..6).map { me.newConversation(title = "Trip $it", tags = listOf("inbox")) }
    for (chat in chats) chat.send("Plan a day in Cádiz.")
    val all = chats.map { it.id }
    val (old, current) = all.take(2) to all.drop(2)

    // Into a file and out of the store: either both, or neither.
    val moved = me.batch().apply {
        export("old_trips.jsonl", old)
        delete(old)
        retag(current, "inbox", "done")
    }.run()
    println("${moved.done} items done; in the file: ${moved.items.first().export?.conversations} conversations")

    // One item that cannot be, and nothing of the batch is done.
    try {
        me.batch().apply { pin(all) }.run()
    } catch (error: TertuliaException.NotFound) {
        println("nothing is pinned: ${error.info.detail}")
    }

    // As many as can be, watched from outside.
    val run = me.batch().apply {
        pin(all)
        append(me.newConversation(), listOf(NewMessage(Role.USER, listOf(text("A note")))))
    }.start(bestEffort = true)
    run.updates().collect { println("${it.phase}: ${it.done} of ${it.total}") }
    val report = run.report()
    val first = report.items.first { it.state == BatchState.REFUSED }
    println("${report.done} done, ${report.refused} refused; the first of them: item ${first.index}")
    tertulia.shutdown()
}
