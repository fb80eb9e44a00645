package dev.tertulia

import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.flowOf
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlinx.coroutines.yield
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import org.junit.jupiter.api.assertThrows

/** What an app gives in code: keys, providers, and who hears the log. */
@Timeout(60)
class HostTest {
    private val simulator = Simulator()
    private val engines = mutableListOf<Tertulia>()

    @AfterEach
    fun end() {
        runBlocking { engines.forEach { it.use { engine -> engine.shutdown() } } }
        simulator.close()
    }

    private suspend fun engine(configure: Opening.() -> Unit): Tertulia {
        val engine = Tertulia.open("memory:") {
            model = "lab/any"
            provider(simulator.provider())
            settings = Settings(
                """{"profile": "mobile", "retry": {"max_attempts": 2, "base_delay_ms": 1, "max_delay_ms": 1},
                    "outbox": {"degrade": false}}""",
            )
            configure()
        }
        engines += engine
        return engine
    }

    private suspend fun house(answer: suspend (ChatRequest) -> Flow<StreamEventKind>): Tertulia =
        engine { model = "house/any"; provider("house", answer = answer) }

    private fun play(test: suspend () -> Unit) = runBlocking(Dispatchers.Default) { test() }

    private fun keysSent(): List<String?> =
        simulator.requests().map { it.jsonObject["headers"]?.jsonObject?.get("authorization")?.jsonPrimitive?.content }

    private fun words(text: String) = StreamEventKind.Text(text)

    @Test
    fun `an app's key source is asked by user and provider, and again after a rejection`() = play {
        val asked = ConcurrentLinkedQueue<Pair<String?, String>>()
        val tertulia = engine {
            keySource { user, provider ->
                asked += user to provider
                if (asked.size == 1) "sk-old" else "sk-new"
            }
        }
        val ana = tertulia.user("ana")
        assertEquals("ok", ana.ask("Hi", CallOptions(model = "lab/sim:status=401;fail=1;text=ok")).text)
        assertEquals("again", ana.ask("Hi", CallOptions(model = "lab/sim:text=again")).text)
        tertulia.ask("Hi")
        assertEquals(listOf("Bearer sk-old", "Bearer sk-new", "Bearer sk-new", "Bearer sk-new"), keysSent())
        assertEquals(listOf("ana" to "lab", "ana" to "lab", null to "lab"), asked.toList())
    }

    @Test
    fun `a key source that throws says nothing of keys, and the engine goes on`() = play {
        val asked = AtomicInteger()
        class Vault : KeySource {
            override suspend fun key(user: String?, provider: String): String? = when (asked.incrementAndGet()) {
                1 -> error("sk-secret")
                2 -> throw NotImplementedError("sk-secret")
                3 -> throw failure(ErrorKind.INTERNAL, "sk-secret", "sk-secret")
                4 -> throw failure(ErrorKind.UNAVAILABLE, "sk-secret", "sk-secret")
                else -> "sk-new"
            }
        }
        val chat = engine { keySource = Vault() }.user().newConversation()
        repeat(3) {
            val refused = assertThrows<TertuliaException.Unauthorized> { runBlocking { chat.send("Hi") } }
            assertEquals("key_source", refused.info.reason)
            assertFalse("sk-secret" in "$refused ${refused.info} ${refused.message}")
        }
        val locked = assertThrows<TertuliaException.Unavailable> { runBlocking { chat.send("Hi") } }
        assertEquals("key_source", locked.info.reason)
        assertFalse("sk-secret" in "$locked ${locked.message}")
        chat.send("Hi")
        assertEquals(listOf("Bearer sk-new"), keysSent())
    }

    @Test
    fun `a key source that never answers is cancelled with its call`() = play {
        val (began, ended) = List(2) { CompletableDeferred<Unit>() }
        val tertulia = engine {
            keySource { _, _ ->
                began.complete(Unit)
                try { awaitCancellation() } finally { ended.complete(Unit) }
            }
        }
        runBlocking {
            val call = launch { tertulia.ask("Hi") }
            began.await()
            call.cancelAndJoin()
            ended.await()
        }
        assertThrows<TertuliaException.TimedOut> { runBlocking { tertulia.ask("Hi", CallOptions(timeoutMs = 30)) } }
        assertTrue(simulator.requests().isEmpty())
    }

    @Test
    fun `an app's provider is streamed word by word, and its call is like any other`() = play {
        val goOn = CompletableDeferred<Unit>()
        val requests = ConcurrentLinkedQueue<ChatRequest>()
        val chat = house { request ->
            requests += request
            flow {
                emit(words("You said: "))
                goOn.await()
                emit(words(request.messages.last().text))
                emit(StreamEventKind.Usage(Usage(3, 5, source = UsageSource.REPORTED), Cost(source = CostSource.UNKNOWN)))
            }
        }.user().newConversation(system = "Be brief.")
        val heard = mutableListOf<String>()
        val stream = chat.stream("Hi")
        // The rest is given only when the first words were heard.
        stream.text().collect { heard += it; goOn.complete(Unit) }
        assertEquals(listOf("You said: ", "Hi"), heard)
        assertEquals("house" to "any", stream.reply().let { it.provider to it.model })
        val whole = chat.send("Hi again")
        assertEquals("You said: Hi again", whole.text)
        assertEquals(3L to 5L, whole.usage.inputTokens to whole.usage.outputTokens)
        assertEquals("any" to "Be brief.", requests.first().model to requests.first().system)
        assertFalse("brief" in "${requests.first()}")
    }

    @Test
    fun `an app's provider that says so is asked again, and what it throws is an error of ours`() = play {
        val asked = AtomicInteger()
        class Rude(message: String) : Exception(message)
        val tertulia = house { request ->
            val said = request.messages.last().text
            flow {
                when {
                    said == "loading" && asked.incrementAndGet() == 1 ->
                        throw failure(ErrorKind.UNAVAILABLE, "loading", "the model is loaded", Retry.Safe)
                    said == "rude" -> throw Rude("secret")
                    said == "todo" -> TODO("secret")
                    said == "done" -> emit(StreamEventKind.Other("x", ""))
                    said == "broken" -> { emit(words("Half a ")); throw Rude("secret") }
                }
                emit(words("ok"))
            }
        }
        val chat = tertulia.user().newConversation()
        assertEquals("ok", chat.send("loading").text)
        assertEquals(2, asked.get())
        val rude = assertThrows<TertuliaException.Unavailable> { runBlocking { chat.send("rude") } }
        assertEquals("provider_failed", rude.info.reason)
        assertTrue("Rude" in rude.info.detail && "secret" !in "$rude", "$rude")
        val todo = assertThrows<TertuliaException.Unavailable> { runBlocking { chat.send("todo") } }
        assertEquals("provider_failed", todo.info.reason)
        val done = assertThrows<TertuliaException.Unavailable> { runBlocking { chat.send("done") } }
        assertEquals("bad_response", done.info.reason)
        val broken = assertThrows<TertuliaException.Truncated> { runBlocking { chat.send("broken") } }
        assertEquals("Half a ", broken.info.text)
        assertEquals("ok", chat.send("Hi").text)
        assertEquals(listOf("Hi", "ok"), chat.history().items.takeLast(2).map { it.text })
    }

    @Test
    fun `an app's provider is cancelled with its call, and with a stream that is left`() = play {
        val begun = Channel<Unit>(8)
        val ended = Channel<Unit>(8)
        val chat = house {
            flow {
                emit(words("one "))
                begun.send(Unit)
                try { awaitCancellation() } finally { ended.trySend(Unit) }
            }
        }.user().newConversation()
        runBlocking {
            val call = async(Dispatchers.Default) { chat.send("Hi") }
            begun.receive()
            call.cancelAndJoin()
            ended.receive()
        }
        val stream = chat.stream("Hi")
        assertEquals("one ", stream.text().first())
        begun.receive()
        ended.receive()
        assertEquals(ReplyStatus.CANCELLED, stream.reply().status)
    }

    @Test
    fun `no job of an app's code is kept when its call is over`() = play {
        val tertulia = house { request ->
            flow {
                emit(words("ok"))
                if (request.messages.last().text == "wait") awaitCancellation()
            }
        }
        repeat(50) {
            tertulia.ask("Hi")
            val stream = tertulia.user().newConversation().stream("wait")
            assertEquals("ok", stream.text().first())
            stream.reply()
        }
        tertulia.shutdown()
        withTimeout(10.seconds) { while (uniffiForeignFutureHandleCount() > 0) yield() }
    }

    @Test
    fun `an app's provider may answer at once, has models of its own, and is refused by a bad name`() = play {
        val house = provider("house", """{"small": {"context_window": 4096}}""") { flowOf(words("ok")) }
        val tertulia = engine { provider(house) }
        assertEquals("ok", tertulia.ask("Hi", CallOptions(model = "house/small")).text)
        assertEquals(listOf("house/small"), tertulia.models("house/*").map { it.id })
        val unnamed = assertThrows<TertuliaException.Invalid> {
            runBlocking { Tertulia.open("memory:") { provider("No Name") { flowOf(words("ok")) } } }
        }
        assertEquals("bad_provider", unnamed.info.reason)
    }

    @Test
    fun `many words cross in their order, in several calls at once`() = play {
        val many = (1..1_000).map { "$it " }
        val tertulia = house { flow { for (word in many) emit(words(word)) } }
        val chats = List(8) { tertulia.user("user$it").newConversation() }
        val replies = runBlocking(Dispatchers.Default) {
            chats.map { chat -> async { chat.send("Count") } }.map { it.await() }
        }
        assertEquals(List(8) { many.joinToString("") }, replies.map { it.text })
    }

    @Test
    fun `an app hears what is logged, and neither keys nor prompts`() = play {
        val heard = LinkedBlockingQueue<LogRecord>()
        Tertulia.forwardLogs(LogLevel.INFO) { record -> heard += record; TODO("a listener that throws") }
        try {
            val tertulia = engine { key("lab", "sk-canary") }
            assertThrows<TertuliaException.Unauthorized> {
                runBlocking { tertulia.ask("canary-prompt", CallOptions(model = "lab/sim:status=401")) }
            }
            tertulia.shutdown()
            while (true) {
                val record = checkNotNull(heard.poll(10, TimeUnit.SECONDS)) { "the end was not logged" }
                assertFalse("canary" in "$record ${record.fields}", "$record")
                assertTrue(record.target.startsWith("tertulia"), record.target)
                if (record.message == "closed") break
            }
        } finally {
            Tertulia.stopLogs()
        }
    }
}
