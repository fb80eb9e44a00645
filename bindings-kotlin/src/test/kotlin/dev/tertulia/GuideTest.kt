package dev.tertulia

import java.io.File
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import org.junit.jupiter.api.io.TempDir

/** The app's keys, as a keystore would have them. */
private object vault {
    fun key(user: String?, provider: String): String? = "sk-of-$user".takeIf { provider == "anthropic" }
}

/** The page of Kotlin in `docs/guide`: what stands there stands here, but for lines of the test's own. */
@Timeout(60)
class GuideTest {
    @TempDir
    lateinit var folder: File

    private val out = StringBuilder()

    private fun print(words: Any?) {
        out.append(words)
    }

    private fun println(line: Any?) {
        out.appendLine(line)
    }

    @Test
    fun `the page runs as it is written`() = runBlocking(Dispatchers.Default) {
        Simulator().use { simulator ->
            val path = "$folder/chat.db"
            val lab = simulator.provider("anthropic", "anthropic")

            val tertulia = Tertulia.open(path) {
                model = "anthropic/claude-sonnet-4-5"
                settings = Settings.mobile()
                provider(lab) // only here
                keySource { user, provider -> vault.key(user, provider) }
            }
            val chat = tertulia.user("ana").newConversation(system = "Answer briefly.")
            chat.stream("Three things to see in Cádiz?").text().collect { print(it) }
            val reply = chat.send("Which of them on a rainy day?")
            println("${reply.text} ${reply.usage.outputTokens} ${reply.cost}")
            assertTrue("Cádiz" in "$out" && "rainy day" in "$out", "$out") // only here
            assertTrue("sk-of-ana" in "${simulator.requests().last()}") // only here

            val again = tertulia.user("ana").conversation(chat.id())
            val page = again.history(limit = 50)
            page.items.forEach { println("${it.role}: ${it.text}") }
            assertEquals(4, page.items.size) // only here

            val stream = chat.stream("A long story, please.")
            val first = stream.text().first() // leaving the flow stops the reply
            println("$first… ${stream.reply().status}")

            try {
                chat.send("Plan a day in Cádiz", CallOptions(model = "nobody/nothing"))
            } catch (error: TertuliaException.RateLimited) {
                println("again in ${error.info.retryAfter}")
            } catch (error: TertuliaException.Invalid) {
                println("${error.info.reason}: ${error.info.detail}")
            } catch (error: TertuliaException) {
                println("${error.info.userMessage} saved: ${error.info.saved}")
            }
            assertTrue("unknown_provider: " in "$out", "$out") // only here

            coroutineScope {
                val scope = this

                val timeline = TimelineState(chat)
                val drawing = scope.launch { timeline.run() }
                timeline.ids.first { it.isNotEmpty() }.forEach { id -> println(timeline.row(id).value?.kind) }

                drawing.cancelAndJoin()
                timeline.close()
            }
            assertTrue("Message" in "$out".lines().takeLast(4).joinToString(), "$out") // only here

            val house = provider("house") { request ->
                flow { emit(StreamEventKind.Text("You said: " + request.messages.last().text)) }
            }

            tertulia.shutdown()
            val own = Tertulia.open("memory:") { provider(house); model = "house/any" }
            assertEquals("You said: Hi", own.ask("Hi").text)
            own.shutdown()
        }
    }
}
