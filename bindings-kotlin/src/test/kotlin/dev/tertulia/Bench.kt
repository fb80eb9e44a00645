package dev.tertulia

import java.io.File
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/**
 * What a streamed event and a page of 50 messages cost a program in Kotlin: `make bench` runs it with a release of the library
 * and keeps what it writes. Its name is that of no test.
 *
 * CPU time is that of the whole process, the engine's threads and the virtual machine's own included, divided by the words
 * that the provider sent; the median of the rounds counts, of which the first ones only warm up: as many as the virtual
 * machine takes to translate what runs, which costs more than what is measured.
 */
class Bench {
    @TempDir
    lateinit var folder: File

    @Test
    fun `an event and a page`() = runBlocking(Dispatchers.Default) {
        val out = File(checkNotNull(System.getProperty("tertulia.bench")) { "`make bench` says where to write" })
        Simulator(record = false).use { simulator ->
            val engine = Tertulia.open("$folder/chat.db") { provider(simulator.provider()) }
            val event = median { eventMicroseconds(engine) }
            val page = median { pageMicroseconds(engine) }
            engine.shutdown()
            out.writeText("${JsonObject(mapOf("stream_event.cpu_us" to JsonPrimitive(event), "page_us" to JsonPrimitive(page)))}\n")
        }
    }

    private suspend fun eventMicroseconds(engine: Tertulia): Double {
        val me = engine.user("ana")
        val before = cpuNanoseconds()
        coroutineScope {
            List(STREAMS) {
                async {
                    me.newConversation().stream("Talk", CallOptions(model = "lab/sim:words=$WORDS")).use { stream ->
                        while (stream.nextBatch(64).isNotEmpty()) continue
                    }
                }
            }.awaitAll()
        }
        return (cpuNanoseconds() - before) / 1e3 / (STREAMS * WORDS)
    }

    private suspend fun pageMicroseconds(engine: Tertulia): Double {
        val chat = engine.user("bob").newConversation()
        chat.append(List(500) { NewMessage(Role.USER, listOf(text("Plan a day in Cádiz, please. ".repeat(10)))) })
        val began = System.nanoTime()
        repeat(PAGES) { check(chat.history(limit = 50).items.size == 50) }
        return (System.nanoTime() - began) / 1e3 / PAGES
    }

    private suspend fun median(work: suspend () -> Double): Double {
        repeat(WARM_UP) { work() }
        return List(ROUNDS) { work() }.sorted()[ROUNDS / 2]
    }

    private fun cpuNanoseconds(): Long = ProcessHandle.current().info().totalCpuDuration().orElseThrow().toNanos()

    private companion object {
        const val STREAMS = 64
        const val WORDS = 400
        const val PAGES = 200
        const val WARM_UP = 60
        const val ROUNDS = 7
    }
}
