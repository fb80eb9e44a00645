package dev.tertulia

import java.nio.file.Path
import java.time.Instant
import java.util.Base64
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeoutOrNull
import kotlinx.coroutines.yield
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir

private const val STALLS = "text=one%20two%20three;chunks=3;stall=2"

/** What an app does, against a real server. */
@Timeout(60)
class BorderTest {
    private val simulator = Simulator()
    private val engines = mutableListOf<Tertulia>()

    @AfterEach
    fun end() {
        runBlocking { engines.forEach { if (!it.uniffiIsDestroyed) it.use { engine -> engine.shutdown() } } }
        simulator.close()
    }

    /** An engine in memory whose models are the simulator's; closed at the end of the test. */
    private suspend fun engine(script: String, configure: Opening.() -> Unit = {}): Tertulia =
        Tertulia.open("memory:") {
            model = "lab/sim:$script"
            provider(simulator.provider())
            settings = Settings("""{"profile": "mobile", "retry": {"max_attempts": 1}, "outbox": {"degrade": false}}""")
            configure()
        }.also { engines += it }

    private fun play(test: suspend () -> Unit) = runBlocking(Dispatchers.Default) { test() }

    @Test
    fun `the opening of the README runs as it is written`(@TempDir folder: Path) = play {
        val print = StringBuilder()
        val picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
        val tower = temporaryFile("tower.png", Base64.getDecoder().decode(picture)).path

        val tertulia = Tertulia.open("$folder/chat.db") {
            model = "anthropic/claude-sonnet-4-5"
            provider(simulator.provider("anthropic", "anthropic"))
        }
        val chat = tertulia.user().newConversation(system = "Answer briefly.")
        chat.stream("Three things to see in Cádiz?").text().collect { print.append(it) }
        val reply = chat.send(text("And what is this?"), image(path = tower))

        assertTrue("Cádiz" in print, print.toString())
        assertTrue("And what is this?" in reply.text, reply.text)
        assertEquals("unknown", "${reply.cost}")
        val sent = simulator.requests().last().jsonObject["body"]!!.jsonObject
        assertTrue("Answer briefly." in "${sent["system"]}", "$sent")
        val last = sent["messages"]!!.jsonArray.last().jsonObject["content"]!!.jsonArray
        assertEquals(listOf("text", "image"), last.map { it.jsonObject["type"]!!.jsonPrimitive.content })
        val page = chat.history(limit = 50)
        assertEquals(listOf("USER", "ASSISTANT", "USER", "ASSISTANT"), page.items.map { "${it.role}" })
        assertEquals(reply.text, page.items.last().text)
        assertTrue(page.items.first().createdAt > Instant.EPOCH)
        tertulia.shutdown()
    }

    @Test
    fun `the lines of the API compile and run as they are written`() = play {
        val (key, out) = "sk-unused" to StringBuilder()
        fun println(line: Any?) = out.appendLine(line)
        fun print(words: Any?) = out.append(words)
        fun wait(time: Duration?) = println("wait $time")
        fun show(sentence: String) = println(sentence)

        val t = Tertulia.open("memory:") { model = "lab/any"; key("openai", key)
            provider(ProviderSpec("lab", "${simulator.url}/v1")); settings = Settings.mobile() }
        engines += t
        val me = t.user()
        val chat = me.newConversation()
        val reply = t.ask("Capital of Peru?");     val sent = chat.send("Plan a day in Cádiz")
        assertTrue("Peru" in reply.text && "Cádiz" in sent.text)
        val stream = chat.stream("Tell me more")
        stream.events().collect { event -> when (val k = event.kind) { is StreamEventKind.Text -> print(k.delta); is StreamEventKind.Done -> println(k.reply.cost); else -> {} } }
        val page = chat.history(limit = 50);       page.items.forEach { println("${it.role}: ${it.text}") }
        for (script in listOf("error=rate_limit;retry_after=60", "error=billing")) {
            val options = CallOptions(model = "lab/sim:$script", temperature = 0.2, timeoutMs = 30_000, degrade = false)
            try { chat.send("hi", options) } catch (e: TertuliaException.RateLimited) { wait(e.info.retryAfter) } catch (e: TertuliaException) { show(e.info.userMessage) }
        }
        val lines = "$out".lines()
        assertTrue(lines[0].contains("Tell me more") && lines[0].endsWith("unknown"), "$lines")
        assertEquals("USER: Plan a day in Cádiz", lines[1])
        assertEquals("wait 1m", lines[5])
        assertTrue(lines[6].endsWith("Your message was saved."), lines[6])
    }

    @Test
    fun `a stream is a flow of events and its reply is the sum of them`() = play {
        val chat = engine("reasoning=Hm;text=one%20two%20three;chunks=3").user("ana").newConversation()
        chat.stream("Count").use { stream ->
            val events = stream.events().toList()
            val kinds = events.map { it.kind }
            assertEquals(stream.turnId(), assertInstanceOf(StreamEventKind.Started::class.java, kinds.first()).turnId)
            val done = assertInstanceOf(StreamEventKind.Done::class.java, kinds.last()).reply
            assertEquals("one two three", kinds.filterIsInstance<StreamEventKind.Text>().joinToString("") { it.delta })
            assertEquals("Hm", kinds.filterIsInstance<StreamEventKind.Reasoning>().joinToString("") { it.delta })
            assertEquals(done, stream.reply())
            assertEquals("one two three" to "Hm", done.text to done.reasoning)
            assertEquals(emptyList<StreamEvent>(), stream.events().toList())
        }
    }

    @Test
    fun `a long stream arrives whole and in order`() = play {
        val chat = engine("words=5000").user().newConversation()
        val stream = chat.stream("Talk")
        val seqs = mutableListOf<Long>()
        val text = stream.events().onEach { seqs += it.seq }.toList()
            .mapNotNull { (it.kind as? StreamEventKind.Text)?.delta }.joinToString("")
        assertEquals(stream.reply().text, text)
        assertEquals(5000, text.split(" ").count { it.isNotBlank() })
        assertEquals(seqs.sorted().distinct(), seqs)
    }

    @Test
    fun `whoever stops collecting closes the connection and keeps what had come`() = play {
        val chat = engine(STALLS).user().newConversation()
        val stream = chat.stream("Count")
        assertTrue(stream.text().first().startsWith("one"))
        simulator.waitForHangUp()
        val reply = stream.reply()
        assertEquals(ReplyStatus.CANCELLED, reply.status)
        assertTrue("one two ".startsWith(reply.text) && reply.text.isNotEmpty(), reply.text)
        assertEquals(MessageStatus.CANCELLED, chat.history().items.last().status)
        stream.close()
    }

    @Test
    fun `whoever stops collecting what he detached, or only watches, stops nothing`() = play {
        val chat = engine("text=a%20b%20c;chunks=3;delay_ms=200").user().newConversation()
        val stream = chat.stream("Count")
        val turn = stream.turnId()!!
        chat.attach(turn).use { it.text().first() }
        stream.detach()
        stream.use { it.events().first() }
        assertEquals("a b c", chat.attach(turn).use { it.reply().text })
    }

    @Test
    fun `what a collector throws comes out though it has closed the stream`() = play {
        val chat = engine(STALLS).user().newConversation()
        val stream = chat.stream("Count")
        val thrown = runCatching { stream.events().collect { stream.close(); error("the collector's own") } }
        assertEquals("the collector's own", thrown.exceptionOrNull()?.message)
        simulator.waitForHangUp()
    }

    @Test
    fun `a cancelled job closes the connection of the stream it collects`() = play {
        val chat = engine(STALLS).user().newConversation()
        val stream = chat.stream("Count")
        runBlocking {
            val begun = CompletableDeferred<Unit>()
            val job = launch { stream.text().collect { begun.complete(Unit) } }
            begun.await()
            job.cancelAndJoin()
            assertTrue(job.isCancelled)
        }
        simulator.waitForHangUp()
        assertEquals(ReplyStatus.CANCELLED, stream.reply().status)
        stream.close()
    }

    @Test
    fun `a stream that is there in the moment its job is cancelled is freed`() = play {
        val chat = engine(STALLS).user().newConversation()
        // What `chat.stream` does, with the job cancelled between the engine's answer and its arrival.
        val job = Job()
        val callbacks = mutableListOf<UniffiRustFutureContinuationCallback>()
        val outcome = runCatching {
            withContext(job) {
                uniffiRustCallAsync(
                    chat.callWithHandle { handle ->
                        UniffiLib.uniffi_tertulia_fn_method_conversation_stream(
                            handle,
                            FfiConverterSequenceTypePart.lower(listOf(text("Count"))),
                            FfiConverterTypeCallOptions.lower(CallOptions()),
                            FfiConverterOptionalTypeCancelToken.lower(null),
                        )
                    },
                    { future, callback, data ->
                        val first = object : UniffiRustFutureContinuationCallback {
                            override fun callback(data: Long, pollResult: Byte) {
                                if (pollResult == UNIFFI_RUST_FUTURE_POLL_READY) job.cancel()
                                callback.callback(data, pollResult)
                            }
                        }
                        callbacks += first
                        UniffiLib.ffi_tertulia_rust_future_poll_u64(future, first, data)
                    },
                    { future, status -> UniffiLib.ffi_tertulia_rust_future_complete_u64(future, status) },
                    { future -> UniffiLib.ffi_tertulia_rust_future_free_u64(future) },
                    { FfiConverterTypeReplyStream.lift(it) },
                    TertuliaException.ErrorHandler,
                )
            }
        }
        assertInstanceOf(CancellationException::class.java, outcome.exceptionOrNull())
        // Its turn has come to rest, so that the next one is not kept waiting by a server that says nothing.
        assertEquals("ok", chat.send("Again", CallOptions(model = "lab/sim:text=ok", timeoutMs = 20_000)).text)
    }

    @Test
    fun `a call that takes too long for its caller is dropped and its connection closed`() = play {
        val chat = engine("stall").user().newConversation()
        assertNull(withTimeoutOrNull(300.milliseconds) { chat.send("Hi") })
        simulator.waitForHangUp()
        val ended = chat.send("Again", CallOptions(model = "lab/sim:text=ok"))
        assertEquals("ok", ended.text)
    }

    @Test
    fun `a token stops a call from outside`() = play {
        val chat = engine("text=a%20b;chunks=2;stall=1").user().newConversation()
        val token = CancelToken()
        runBlocking {
            val sending = async { runCatching { chat.send(listOf(text("Hi")), cancel = token) } }
            while (simulator.requests().isEmpty()) yield()
            token.cancel()
            assertInstanceOf(TertuliaException.Cancelled::class.java, sending.await().exceptionOrNull())
        }
        simulator.waitForHangUp()
        assertTrue(token.isCancelled())
    }

    @Test
    fun `a freed stream stops its call and a detached one goes on`() = play {
        val chat = engine("text=a%20b%20c;chunks=3;delay_ms=20").user().newConversation()
        val stalled = chat.stream("Hi", CallOptions(model = "lab/sim:$STALLS"))
        while (stalled.nextBatch().none { it.kind is StreamEventKind.Text }) Unit
        stalled.close()
        simulator.waitForHangUp()
        assertThrows<IllegalStateException> { stalled.turnId() }

        val stream = chat.stream("Again")
        val turn = stream.turnId()!!
        stream.detach()
        stream.close()
        chat.attach(turn).use { assertEquals("a b c", it.reply().text) }
    }

    @Test
    fun `words come gathered but for the first and as they come where that is asked for`() = play {
        val chat = engine("words=40;delay_ms=10").user().newConversation()
        val gathered = chat.stream("Count").use { it.text(gatherMs = 60_000).toList() }
        assertTrue(gathered.size <= 2, "the first words, and all others with the end: ${gathered.size}")
        val single = chat.stream("Count").use { it.text(gatherMs = 0).toList() }
        assertTrue(single.size > 2, "${single.size}")
        assertEquals(single.joinToString(""), gathered.joinToString(""))
    }

    @Test
    fun `the virtual machine knows the engine's thread once and until the engine is gone`() = play {
        fun known() = Thread.getAllStackTraces().keys.filter { it.name == "tertulia" }.toSet()
        val others = known()
        val tertulia = engine("text=ok")
        tertulia.ask("Hi")
        val own = known() - others
        assertTrue(own.isNotEmpty())
        repeat(10) { tertulia.ask("Hi") }
        assertTrue(own.all(Thread::isAlive))
        tertulia.use { it.shutdown() }
        while (own.any(Thread::isAlive)) yield()
    }

    @Test
    fun `failures are classes by kind with one record in all of them`() = play {
        val tertulia = engine("error=rate_limit;retry_after=7;message=secret%20prompt")
        val chat = tertulia.user().newConversation()
        val failure = runCatching { chat.send("hi") }.exceptionOrNull()
        val limited = assertInstanceOf(TertuliaException.RateLimited::class.java, failure)
        assertEquals(7.seconds, limited.info.retryAfter)
        assertTrue(limited.info.saved && limited.info.turnId != null)
        val all: TertuliaException = limited
        assertEquals(limited.info, all.info)
        assertEquals(ErrorKind.RATE_LIMITED, all.info.kind)
        assertTrue(all.info.userMessage.contains("7 s"), all.info.userMessage)
        for (shown in listOf("$limited", limited.message, "${limited.info}")) {
            assertTrue("rate_limited" in shown && "conversation.send" in shown, shown)
            assertFalse("secret" in shown || "hi\"" in shown, shown)
        }
        val cut = runCatching { chat.send("hi", CallOptions(model = "lab/sim:text=Half%20a%20word;chunks=3;cut=2")) }
        val truncated = assertInstanceOf(TertuliaException.Truncated::class.java, cut.exceptionOrNull())
        assertEquals("Half a ", truncated.info.text)
        assertFalse("Half" in "$truncated ${truncated.message}")
    }

    @Test
    fun `what cannot be is refused before anything is sent`() = play {
        val tertulia = engine("text=ok")
        val me = tertulia.user("ana")
        val chat = me.newConversation()
        assertThrows(TertuliaException.Invalid::class.java) { me.conversation("no-id") }
        val refused = listOf(
            runCatching { chat.send(" ") } to "empty_message",
            runCatching { chat.send() } to "empty_message",
            runCatching { chat.send("hi", CallOptions(model = "nobody/any")) } to "unknown_provider",
            runCatching { chat.send("hi", CallOptions(extraBody = "{")) } to "bad_json",
            runCatching { chat.history(HistoryAnchor.Before("no cursor")) } to "bad_cursor",
            runCatching { chat.history(limit = 0) } to "bad_limit",
            runCatching { Tertulia.open("memory:") { settings = Settings("""{"retyr": {}}""") } } to "bad_settings",
        )
        for ((outcome, reason) in refused) {
            val invalid = assertInstanceOf(TertuliaException.Invalid::class.java, outcome.exceptionOrNull())
            assertEquals(reason, invalid.info.reason)
        }
        assertThrows<IllegalArgumentException> { image(path = "a.png", url = "https://x.example/a.png") }
        assertThrows<IllegalArgumentException> { image(data = ByteArray(1)) }
        assertThrows<IllegalArgumentException> { file() }
        assertEquals(0, simulator.requests().size)
    }

    @Test
    fun `keys are sent and never printed`() = play {
        val tertulia = engine("text=ok") { key("lab", "sk-engine") }
        val options = CallOptions(key = "sk-call", model = "lab/any")
        tertulia.user("bob", mapOf("lab" to "sk-bob")).newConversation().send("hi")
        tertulia.ask("hi")
        tertulia.ask("hi", options)
        val sent = simulator.requests().map {
            it.jsonObject["headers"]!!.jsonObject["authorization"]!!.jsonPrimitive.content
        }
        assertEquals(listOf("Bearer sk-bob", "Bearer sk-engine", "Bearer sk-call"), sent)
        assertFalse("sk-call" in "$options", "$options")
        val opening = OpenOptions(keys = mapOf("lab" to "sk-engine"))
        assertFalse("sk-engine" in "$opening", "$opening")
    }

    @Test
    fun `pages lead backwards and forwards`() = play {
        val chat = engine("text=ok").user().conversationFor("diary")
        repeat(3) { chat.send("$it") }
        val page = chat.history(limit = 2)
        assertEquals(listOf("2", "ok"), page.items.map { it.text })
        val older = chat.history(HistoryAnchor.Before(page.before!!), limit = 2)
        assertEquals(listOf("1", "ok"), older.items.map { it.text })
        val newer = chat.history(HistoryAnchor.After(older.after!!))
        assertEquals(page.items, newer.items)
        assertTrue(newer.reachedEnd && !newer.reachedStart)
        chat.append(listOf(NewMessage(Role.USER, listOf(text("noted")))))
        assertEquals(listOf("noted"), chat.history(HistoryAnchor.After(page.after!!)).items.map { it.text })
    }

    @Test
    fun `a stopped turn is asked for again`() = play {
        val chat = engine(STALLS).user().newConversation()
        val stream = chat.stream("Count")
        stream.text().take(1).toList()
        val turn = stream.turnId()!!
        stream.reply()
        chat.stop(turn)
        val again = chat.retry(turn, CallOptions(model = "lab/sim:text=whole")).use { it.reply() }
        assertEquals("whole" to turn, again.text to again.turnId)
        val refused = runCatching { chat.retry(turn) }.exceptionOrNull()
        assertEquals("already_answered", assertInstanceOf(TertuliaException.Conflict::class.java, refused).info.reason)
    }

    @Test
    fun `after the shutdown every handle says so`() = play {
        val tertulia = engine("text=ok")
        val chat = tertulia.user().newConversation()
        chat.send("hi")
        tertulia.shutdown()
        tertulia.shutdown()
        assertInstanceOf(TertuliaException.Closed::class.java, runCatching { chat.send("hi") }.exceptionOrNull())
        tertulia.close()
        assertThrows<IllegalStateException> { tertulia.user() }
    }

    @Test
    fun `many conversations speak at once`() = play {
        val me = engine("text=a%20b%20c;chunks=3;delay_ms=1").user()
        val replies = runBlocking {
            (1..100).map { async { me.newConversation().stream("$it").use { s -> s.text().toList() to s.reply() } } }.awaitAll()
        }
        assertEquals(setOf("a b c"), replies.map { (words, _) -> words.joinToString("") }.toSet())
        assertEquals(100, replies.map { (_, reply) -> reply.conversationId }.toSet().size)
    }
}
