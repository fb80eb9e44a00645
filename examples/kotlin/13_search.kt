// Search: find what was said, in any conversation, on any branch.

import dev.tertulia.*
import kotlinx.coroutines.runBlocking

private fun line(hit: SearchHit): String {
    val place = hit.snippet.joinToString("") { if (it.hit) "[${it.text}]" else it.text }
    return if (hit.onCurrentBranch) place else "$place  (on another branch)"
}

fun main() = runBlocking {
    val tertulia = Tertulia.open("memory:") { model = System.getenv("TERTULIA_MODEL") ?: "echo/any" }
    val me = tertulia.user("ana")
    val trip = me.newConversation(title = "Trip")
    trip.send("Where does one eat gazpacho in Cádiz?")
    val question = trip.history().items.first().id
    trip.edit(question, "Where does one eat salmorejo in Córdoba?").reply()
    me.newConversation(title = "Code").send("Explain parseHttpRequest, and 東京タワー")

    for (words in listOf("cadiz", "\"salmorejo in cordoba\"", "salmo* -gazpacho", "http", "タワー")) {
        val hits = me.search(words).items // the newest first
        println("$words: ${line(hits.last())}")
    }

    val best = trip.search("where eat", SearchSort.RELEVANCE, limit = 1) // the best first, in this conversation alone
    println("best of several: ${best.items.single().score > 0}, there are more: ${best.before != null}")
    println("somebody else's: ${tertulia.user("bo").search("gazpacho").items.size}")
    tertulia.shutdown()
}
