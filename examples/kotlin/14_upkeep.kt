// Keep a store in order: look it over, copy it while it works, see what takes the space, let it rest.

import dev.tertulia.*
import kotlinx.coroutines.runBlocking

fun main() = runBlocking {
    val tertulia = Tertulia.open("upkeep.db") { model = System.getenv("TERTULIA_MODEL") ?: "echo/any" }
    val chat = tertulia.user("ana").newConversation()
    chat.send("Three things to see in Cádiz?")

    // A backup while others go on. It gets its name when it is whole, and opens like any store.
    val store = tertulia.store()
    println("backed up: ${store.backup("backup.db") > 0}")

    // Once a night: is everything as it should be? What the rows can tell is mended from them.
    val found = store.verify()
    println("${found.messages} messages in ${found.conversations} conversation, sound: ${found.problems.isEmpty()}")
    if (found.problems.isNotEmpty()) {
        for (problem in store.repair().left) println("restore the backup: ${problem.place} ${problem.detail}")
    }

    // What takes the space, and giving back what was deleted.
    val report = store.storageReport()
    println("the largest: ${report.kinds.first().name}, free pages: ${report.freePages}")
    store.vacuum()

    // Before the system suspends the app: no file, no lock. Every verb says so, and nothing is lost.
    tertulia.suspend()
    try {
        chat.send("And on a rainy day?")
    } catch (closed: TertuliaException.Closed) {
        println("closed: ${closed.info.reason}")
    }
    tertulia.resume()
    println(chat.send("And on a rainy day?").text)
    tertulia.shutdown()
}
