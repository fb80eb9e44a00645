// The list: pin, archive and tag conversations, let one end by itself, remember what a user prefers.

import dev.tertulia.*
import kotlin.time.Duration.Companion.hours
import kotlinx.coroutines.runBlocking

fun main() = runBlocking {
    val tertulia = Tertulia.open("memory:") { model = System.getenv("TERTULIA_MODEL") ?: "echo/any" }
    val me = tertulia.user("ana")
    me.updatePreferences(
        PreferencesChange(
            name = TextChange.Set("Ana"),
            language = TextChange.Set("es"),
            timeZone = TextChange.Set("Europe/Madrid"),
            values = mapOf("theme" to "dark"),
        ),
    )
    println(me.preferences().let { "${it.name} prefers ${it.values}" })

    for ((title, tag) in listOf("Taxes" to "work", "Cádiz" to "trip", "Lisbon" to "trip", "Last year" to "work")) {
        me.newConversation(title = title, tags = listOf(tag)).send("Let us talk about $title")
    }
    val (lastYear, taxes) = me.listConversations(tag = "work").items.map { me.conversation(it.id) } // the latest first
    taxes.update(ConversationChange(pinned = true))
    lastYear.update(ConversationChange(archived = true))

    val page = me.listConversations()
    val archive = me.listConversations(archived = true)
    println("${page.items.map { it.title }} and in the archive ${archive.items.map { it.title }}")
    println("trips: ${me.listConversations(tag = "trip").items.map { it.title }}")
    println("changed: ${me.listConversationsIfChanged(page.version) != null}")

    // Gone in an hour, for every verb at once.
    val secret = me.newConversation(title = "Secret", expiresInMs = 1.hours.inWholeMilliseconds)
    secret.send("Forget this")
    println("ends by itself: ${secret.summary().expiresAt != null}")
    tertulia.shutdown()
}
