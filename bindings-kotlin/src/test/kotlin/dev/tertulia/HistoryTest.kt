package dev.tertulia

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout

/** What an app reads of its conversations, where that reads otherwise than it is generated. */
@Timeout(60)
class HistoryTest {
    private val simulator = Simulator()
    private lateinit var engine: Tertulia
    private lateinit var chat: Conversation

    @BeforeEach
    fun begin() = runBlocking {
        engine = Tertulia.open("memory:") {
            model = "lab/sim:text=Yes"
            provider(simulator.provider())
        }
        chat = engine.user().newConversation()
    }

    @AfterEach
    fun end() {
        runBlocking { engine.use { it.shutdown() } }
        simulator.close()
    }

    private fun play(test: suspend () -> Unit) = runBlocking(Dispatchers.Default) { test() }

    private suspend fun said(count: Int) =
        chat.append((1..count).map { NewMessage(Role.USER, listOf(text("$it"))) })

    @Test
    fun `all messages come as a flow, from either end`() = play {
        val ids = said(120)
        assertEquals(ids, chat.messages().use { all -> all.asFlow().map { it.id }.toList() })
        assertEquals(ids.last(), chat.messages(newestFirst = true).use { it.asFlow().first().id })
    }

    @Test
    fun `a message is said anew in plain words and found by them`() = play {
        val (id) = said(1)
        assertEquals("Yes", chat.edit(id, "Two days in Cádiz").use { it.reply().text })
        val hit = engine.user().search("cadiz").items.single()
        assertEquals("Two days in Cádiz", hit.text)
        assertEquals(listOf("Cádiz"), hit.snippet.filter { it.hit }.map { it.text })
    }

    @Test
    fun `a page is told a reply in pieces of bytes`() = play {
        val told = chat.stream("Hi").use { stream -> stream.sse().use { sse -> sse.asFlow().toList() } }
        val words = told.joinToString("") { it.decodeToString() }
        assertTrue(words.startsWith("retry:") && "\"type\":\"done\"" in words, words)
    }

    @Test
    fun `a list of messages is asked at once`() = play {
        val messages = listOf(NewMessage(Role.USER, listOf(text("Who?"))), NewMessage(Role.USER, listOf(text("Where?"))))
        assertEquals(listOf("Yes", "Yes"), listOf(engine.ask(messages), engine.user().ask(messages)).map { it.text })
        assertEquals(2, simulator.requests().size)
    }
}
