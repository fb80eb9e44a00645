package dev.tertulia

import java.io.File
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.util.concurrent.CompletableFuture
import kotlin.random.Random
import kotlin.time.Duration.Companion.microseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.future.await
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import org.junit.jupiter.api.Test

/**
 * Leaves in the middle of replies, over and over: the part of Kotlin. `tests/soak/README.md` says what is played. Its name is
 * that of no test, so that it runs only when it is named, as `make soak` does.
 */
class Soak {
    @Test
    fun `nothing stays behind`() = runBlocking(Dispatchers.Default) {
        val asked = checkNotNull(System.getProperty("tertulia.soak")) { "`make soak` says what is to be played" }
        val (url, cancels, calls, streams, path) = asked.split(" ", limit = 5)
        val out = File(path)
        val engine = Tertulia.open(out.resolveSibling("kotlin.db").path) {
            model = "lab/sim"
            provider(ProviderSpec("lab", "$url/v1"))
        }
        engine.setBudget(Budget.tokens(Long.MAX_VALUE / 2))
        val leaving = Leaving(engine, Witness(url))
        val told = mutableListOf<JsonObject>()
        for (way in Way.entries) told += leaving.play(way, cancels.toInt())
        told += cancelledCalls(engine, calls.toInt())
        told += shortStreams(engine, streams.toInt())
        engine.shutdown()
        out.writeText(told.joinToString("") { "$it\n" })
    }
}

/** A reply that stops in the middle, with its connection open. */
private const val STALLS = "lab/sim:text=one%20two%20three;chunks=3;stall=2"
private const val AT_ONCE = 64
private const val WARM = 0.25
private const val SHOWN = 5

/** The simulator, as somebody who asks what it saw. */
private class Witness(private val url: String) {
    private val http = HttpClient.newHttpClient()
    private var seen = 0L

    /** Watches for the next client that closes its connection in the middle of a reply; gives the moment. */
    fun watch(): CompletableFuture<Long> =
        http.sendAsync(
            HttpRequest.newBuilder(URI("$url/_simulator/hung_up?after=$seen")).build(),
            HttpResponse.BodyHandlers.ofString(),
        ).thenApply { answer ->
            val at = System.nanoTime()
            seen = Json.parseToJsonElement(answer.body()).jsonObject.getValue("seq").jsonPrimitive.long
            at
        }
}

/** How a reader leaves. */
private enum class Way(val label: String) {
    JOB("job cancelled"),
    CANCEL("cancel"),
    CLOSED("closed"),
}

private class Leaving(private val engine: Tertulia, private val witness: Witness) {
    private val me = engine.user("ana")

    suspend fun play(way: Way, runs: Int): JsonObject {
        val delays = mutableListOf<Double>()
        val wrong = mutableListOf<String>()
        var hangs = 0
        repeat(runs) {
            try {
                delays += withTimeout(5.seconds) { leave(way) }
            } catch (_: TimeoutCancellationException) {
                hangs++
            } catch (error: IllegalStateException) {
                wrong += "${error.message}"
            } catch (error: TertuliaException) {
                wrong += "$error"
            }
        }
        delays.sort()
        val at = { share: Double -> JsonPrimitive(delays.getOrNull((delays.size * share).toInt())) }
        return line(
            "left" to JsonPrimitive(way.label), "runs" to JsonPrimitive(runs), "hangs" to JsonPrimitive(hangs),
            "wrong" to JsonPrimitive(wrong.size), "shown" to JsonArray(wrong.take(SHOWN).map { JsonPrimitive(it) }),
            "p50_ms" to at(0.5), "p99_ms" to at(0.99),
        )
    }

    /** Leaves one reply; gives after how many milliseconds the provider saw it. */
    private suspend fun leave(way: Way): Double = coroutineScope {
        val chat = me.newConversation()
        val stream = chat.stream("Count", CallOptions(model = STALLS))
        val turn = checkNotNull(stream.turnId())
        while (stream.nextBatch(1).none { it.kind is StreamEventKind.Text }) continue
        val watching = witness.watch()
        val at: Long
        when (way) {
            Way.JOB -> {
                val begun = CompletableDeferred<Unit>()
                val reading = launch { begun.complete(Unit); stream.events().collect {} }
                begun.await()
                at = System.nanoTime()
                reading.cancelAndJoin()
                stream.close()
            }
            Way.CANCEL -> {
                at = System.nanoTime()
                stream.cancel()
            }
            Way.CLOSED -> {
                at = System.nanoTime()
                stream.close()
            }
        }
        val delay = (watching.await() - at) / 1e6
        val reply = chat.attach(turn).use { it.reply() }
        check(reply.status == ReplyStatus.CANCELLED) { "the turn ended as ${reply.status}" }
        val page = chat.history().items
        val answer = page.last()
        check(page.first().text == "Count" && answer.status == MessageStatus.CANCELLED && answer.text.startsWith("one")) {
            "kept: ${answer.text} as ${answer.status}"
        }
        val held = me.budgets().sumOf { it.reserved }
        check(held == 0L) { "$held tokens are still held back" }
        if (way == Way.CANCEL) stream.close()
        chat.close()
        delay
    }
}

private suspend fun cancelledCalls(engine: Tertulia, runs: Int): JsonObject {
    val dice = Random(0x50a4)
    return flat("cancelled calls", runs) {
        coroutineScope {
            val calls = List(AT_ONCE) { async { engine.ask("Hi", CallOptions(model = "lab/sim:stall")) } }
            // Some have not begun by then, some wait for their answer.
            delay(dice.nextInt(6_000).microseconds)
            calls.forEach { it.cancel() }
            calls.joinAll()
            check(calls.all { it.isCancelled }) { "a call that must wait for ever ended" }
        }
    }
}

private suspend fun shortStreams(engine: Tertulia, runs: Int): JsonObject {
    val me = engine.user("bob")
    val chats = List(AT_ONCE) { me.newConversation() }
    val options = CallOptions(model = "lab/sim:text=a%20b%20c;chunks=3", context = ContextOptions(turns = 1))
    return flat("streams", runs) {
        coroutineScope {
            val said = chats.map { chat ->
                async { chat.stream("Hi", options).use { it.text().toList().joinToString("") } }
            }.awaitAll().toSet()
            check(said == setOf("a b c")) { "streams said $said" }
        }
    }
}

/** Does it so often, 64 at once, and looks at the memory. */
private suspend fun flat(what: String, runs: Int, together: suspend () -> Unit): JsonObject {
    var done = 0
    var warm: Double? = null
    while (done < runs) {
        together()
        done += AT_ONCE
        if (warm == null && done >= runs * WARM) warm = residentMb()
    }
    return line(
        "flat" to JsonPrimitive(what), "runs" to JsonPrimitive(done),
        "warm_mb" to JsonPrimitive(warm), "end_mb" to JsonPrimitive(residentMb()),
    )
}

private fun residentMb(): Double {
    System.gc()
    val line = File("/proc/self/status").readLines().first { it.startsWith("VmRSS:") }
    return line.filter { it.isDigit() }.toDouble() / 1024
}

private fun line(vararg fields: Pair<String, JsonElement>) = JsonObject(mapOf(*fields))
