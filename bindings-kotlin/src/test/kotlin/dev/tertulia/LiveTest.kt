package dev.tertulia

import java.time.Instant
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.mapNotNull
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlinx.coroutines.yield
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import org.junit.jupiter.api.assertThrows

/** What changes by itself, as an app sees it: against a real server, but for the changes alone. */
@Timeout(60)
class LiveTest {
    private val simulator = lazy { Simulator() }
    private val engines = mutableListOf<Tertulia>()

    @AfterEach
    fun end() {
        runBlocking { engines.forEach { it.use { engine -> engine.shutdown() } } }
        if (simulator.isInitialized()) simulator.value.close()
    }

    private suspend fun engine(settings: String = """{"retry": {"max_attempts": 1}}"""): Tertulia =
        Tertulia.open("memory:") {
            model = "lab/sim:text=ok"
            provider(simulator.value.provider())
            this.settings = Settings(settings)
        }.also { engines += it }

    private fun play(test: suspend () -> Unit) = runBlocking(Dispatchers.Default) { withTimeout(30.seconds) { test() } }

    private fun day(id: String) = TimelineItem(id, TimelineItemKind.DayDivider("2026-11-22"))

    private fun said(id: String, vararg parts: Part) = TimelineItem(
        id,
        TimelineItemKind.Message(
            Message(
                id, "chat", null, null, Role.ASSISTANT, parts.asList(), MessageStatus.STREAMING, Instant.EPOCH, null, null,
                null, null, 1, 0, 1, emptyMap(), 1,
            ),
            null,
            null,
        ),
    )

    private fun TimelineItem.parts() = (kind as TimelineItemKind.Message).message.parts

    @Test
    fun `every kind of change is made in its place`() {
        val rows = TimelineRows()
        fun after(vararg batch: TimelineDiff): String {
            rows.apply(batch.asList())
            for (id in rows.ids.value) assertEquals(id, rows.row(id).value?.id)
            return rows.ids.value.joinToString("")
        }
        assertEquals("bc", after(TimelineDiff.Reset(listOf(day("b"), day("c")))))
        assertEquals("bcde", after(TimelineDiff.Append(listOf(day("d"), day("e")))))
        assertEquals("abcde", after(TimelineDiff.PushFront(day("a"))))
        assertEquals("abcdef", after(TimelineDiff.PushBack(day("f"))))
        assertEquals("bcdef", after(TimelineDiff.PopFront))
        assertEquals("bcde", after(TimelineDiff.PopBack))
        assertEquals("bxcde", after(TimelineDiff.Insert(1, day("x"))))
        assertEquals("bxyde", after(TimelineDiff.Set(2, day("y"))))
        assertEquals("xyde", after(TimelineDiff.Remove(0)))
        assertEquals("xy", after(TimelineDiff.Truncate(2)))
        // One after the other, each in the list as the one before it has left it: this one moves a row.
        assertEquals("yx", after(TimelineDiff.Remove(0), TimelineDiff.PushBack(day("x"))))
        assertEquals("", after(TimelineDiff.Clear))
        assertThrows<IndexOutOfBoundsException> { rows.apply(listOf(TimelineDiff.Remove(0))) }
    }

    @Test
    fun `words grow in the part they belong to and nothing else is told of it`() {
        val rows = TimelineRows()
        val before = said("m", Part.Reasoning("Hm"), Part.Text("Hello", emptyList()), Part.Refusal("No"))
        rows.apply(listOf(TimelineDiff.Reset(listOf(day("d"), before))))
        val (ids, row, other) = Triple(rows.ids.value, rows.row("m"), rows.row("d").value)
        fun grow(part: Int, words: String) = TimelineDiff.AppendText(1, part, 0, words, 0)
        rows.apply(listOf(grow(1, ","), grow(1, " you"), grow(0, "m"), grow(2, "pe")))
        val grown = row.value!!.parts()
        assertEquals(listOf(Part.Reasoning("Hmm"), Part.Text("Hello, you", emptyList()), Part.Refusal("Nope")), grown)
        assertSame(ids, rows.ids.value)
        assertSame(other, rows.row("d").value)
        rows.apply(listOf(TimelineDiff.PopBack))
        assertNull(row.value)
        assertNull(rows.row("m").value)
        assertEquals(listOf("d"), rows.ids.value)
    }

    @Test
    fun `a list of conversations is changed alike`() {
        fun chat(id: String) = ConversationSummary(
            id, null, null, null, emptyMap(), 0, null, null, null, 0, 0, 0, 0, Instant.EPOCH, Instant.EPOCH, 1, false, false,
            null, emptyList(),
        )
        val rows = mutableListOf<ConversationSummary>()
        fun after(diff: ConversationDiff): String = rows.also(diff::applyTo).joinToString("") { it.id }
        assertEquals("bc", after(ConversationDiff.Reset(listOf(chat("b"), chat("c")))))
        assertEquals("bcd", after(ConversationDiff.Append(listOf(chat("d")))))
        assertEquals("abcd", after(ConversationDiff.PushFront(chat("a"))))
        assertEquals("abcde", after(ConversationDiff.PushBack(chat("e"))))
        assertEquals("bcde", after(ConversationDiff.PopFront))
        assertEquals("bcd", after(ConversationDiff.PopBack))
        assertEquals("bxcd", after(ConversationDiff.Insert(1, chat("x"))))
        assertEquals("bxyd", after(ConversationDiff.Set(2, chat("y"))))
        assertEquals("xyd", after(ConversationDiff.Remove(0)))
        assertEquals("xy", after(ConversationDiff.Truncate(2)))
        assertEquals("", after(ConversationDiff.Clear))
    }

    @Test
    fun `a screen shows what is said as it comes and goes on where it was`() = play {
        coroutineScope {
            val chat = engine().user().newConversation()
            val first = chat.send("one")
            TimelineState(chat).use { timeline ->
                suspend fun shown(id: String?, text: String) = timeline.ids.first { id in it }.let {
                    val row = timeline.row(id!!).mapNotNull { it?.kind as? TimelineItemKind.Message }
                    row.first { it.message.text == text && it.message.status == MessageStatus.COMPLETE }
                }
                val running = launch { timeline.run() }
                shown(first.messageId, "ok")
                val slow = CallOptions(model = "lab/sim:text=a%20b%20c;chunks=3")
                val second = chat.send("two", slow)
                shown(second.messageId, "a b c")
                running.cancelAndJoin()

                val third = chat.send("three")
                val again = launch { timeline.run() }
                shown(third.messageId, "ok")
                assertTrue(timeline.ids.value.containsAll(listOf(first.messageId, second.messageId)))
                assertEquals(7, timeline.ids.value.size)
                assertTrue(timeline.loadOlder())
                timeline.setVisible(0, 3)
                timeline.setRead(first.messageId)
                timeline.ids.first { it.size == 8 }
                assertEquals(false, timeline.dismiss(third.messageId!!))
                timeline.focus(TimelineFocus.Branch(second.messageId!!))
                timeline.ids.first { it.last() == second.messageId }
                again.cancelAndJoin()
            }
        }
    }

    @Test
    fun `a screen that comes and goes while an answer is written misses nothing of it`() = play {
        coroutineScope {
            val chat = engine("""{"retry": {"max_attempts": 1}, "timeline": {"min_interval_ms": 0}}""").user().newConversation()
            val words = (10..69).joinToString("")
            TimelineState(chat).use { timeline ->
                val asking = async { chat.send("Count", CallOptions(model = "lab/sim:text=$words;chunks=120;delay_ms=5")) }
                var times = 0
                while (!asking.isCompleted) {
                    val running = launch { timeline.run() }
                    repeat(times++ % 11) { yield() }
                    running.cancelAndJoin()
                }
                val reply = asking.await()
                val running = launch { timeline.run() }
                timeline.ids.first { reply.messageId in it }
                timeline.row(reply.messageId!!).first {
                    val row = it?.kind as? TimelineItemKind.Message ?: return@first false
                    assertTrue(reply.text.startsWith(row.message.text), "after $times times: ${row.message.text}")
                    row.message.status == MessageStatus.COMPLETE && row.message.text == reply.text
                }
                running.cancelAndJoin()
                assertEquals(chat.history().items.map { it.id }, timeline.ids.value.drop(1), "after $times times")
            }
        }
    }

    @Test
    fun `a screen that is closed ends without a word and one of nothing says so`() = play {
        coroutineScope {
            val user = engine().user()
            val chat = user.newConversation().also { it.send("one") }
            val timeline = TimelineState(chat)
            val running = async { timeline.run() }
            timeline.ids.first { it.isNotEmpty() }
            timeline.close()
            chat.send("two")
            running.await()
            timeline.run()
            assertThrows<IllegalStateException> { timeline.loadOlder() }

            val nothing = user.conversation("01890a5d-ac96-774b-bcce-b302099a8057")
            TimelineState(nothing).use { assertThrows<TertuliaException.NotFound> { it.run() } }
        }
    }

    @Test
    fun `the state of an engine that is shut down ends`() = play {
        coroutineScope {
            val tertulia = engine()
            val user = tertulia.user()
            val chat = user.newConversation(title = "Trip").also { it.send("one") }
            val (timeline, list) = TimelineState(chat) to ConversationsState(user)
            val running = listOf(launch { timeline.run() }, launch { list.run() })
            timeline.ids.first { it.size == 3 }
            assertEquals("Trip", list.conversations.first { it.isNotEmpty() }.single().title)
            assertTrue(list.loadOlder())
            tertulia.shutdown()
            running.forEach { it.join() }
            timeline.close()
            list.close()
        }
    }

    @Test
    fun `events and the outbox are flows`() = play {
        coroutineScope {
            val outbox = """{"first_delay_ms": 3600000, "max_delay_ms": 3600000}"""
            val t = engine("""{"retry": {"max_attempts": 1}, "breaker": {"enabled": false}, "outbox": $outbox}""")
            val user = t.user()
            val chat = user.newConversation()
            val done = async(start = CoroutineStart.UNDISPATCHED) {
                t.events().first { (it.kind as? EngineEventKind.TurnChanged)?.state == TurnState.DONE }
            }
            val emptied = async(start = CoroutineStart.UNDISPATCHED) {
                var filled = false
                user.outbox().items().first { items ->
                    filled = filled || items.isNotEmpty()
                    filled && items.isEmpty()
                }
            }
            val options = CallOptions(model = "lab/sim:text=back;status=503;fail=1", degrade = true)
            val waiting = chat.send("Hello?", options)
            assertEquals(ReplyStatus.WAITING, waiting.status)
            user.outbox().use { outbox ->
                assertEquals("Hello?", outbox.list().single().preview)
                outbox.retry(waiting.turnId!!)
            }
            assertEquals(waiting.turnId, done.await().turnId)
            emptied.await()
            assertEquals(HealthState.OK, t.health().store.state)
        }
    }

    @Test
    fun `an app that is seen no more rests and one that is seen again goes on`() = play {
        coroutineScope {
            val tertulia = engine()
            val chat = tertulia.user().newConversation()
            val failures = mutableListOf<TertuliaException>()
            val job = Job()
            val life = tertulia.bindTo(CoroutineScope(Dispatchers.Default + job)) { failures += it }
            suspend fun refused() = try {
                chat.history()
                null
            } catch (refused: TertuliaException) {
                refused.info.reason
            }
            life.onStart()
            chat.send("Hi")
            life.onStop()
            // A call that was under way in that moment waits where it stands.
            val resting = CompletableDeferred<String>()
            while (!resting.isCompleted) {
                launch { refused()?.let(resting::complete) }
                delay(5.milliseconds)
            }
            assertEquals("suspended", resting.await())
            life.onStart()
            while (refused() != null) yield()
            chat.send("Again")
            job.cancelAndJoin()
            assertEquals(emptyList<TertuliaException>(), failures)
        }
    }

    @Test
    fun `what a user prefers is set and cleared field by field`() = play {
        val me = engine().user()
        me.updatePreferences(PreferencesChange(TextChange.Set("Ana"), TextChange.Set("pt-BR"), values = mapOf("theme" to "dark")))
        me.updatePreferences(PreferencesChange(name = TextChange.Clear))
        assertEquals(Preferences(null, "pt-BR", null, mapOf("theme" to "dark")), me.preferences())
        val nowhere = PreferencesChange(timeZone = TextChange.Set("§"))
        assertEquals("bad_time_zone", assertThrows<TertuliaException.Invalid> { me.updatePreferences(nowhere) }.info.reason)
    }
}
