package dev.tertulia

import java.time.Instant
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import org.junit.jupiter.api.assertThrows

/** Prompts, batches, money and a provider's own answers, as an app asks for them. */
@Timeout(60)
class ServiceTest {
    private val simulator = Simulator()
    private val engines = mutableListOf<Tertulia>()

    @AfterEach
    fun end() {
        runBlocking { engines.forEach { it.use { engine -> engine.shutdown() } } }
        simulator.close()
    }

    private suspend fun engine(): Tertulia = Tertulia.open("memory:") {
        model = "lab/sim:text=ok"
        provider(simulator.provider().copy(models = """{"*": {"price": {"input_nano_usd": 1, "output_nano_usd": 1}}}"""))
        settings = Settings("""{"retry": {"max_attempts": 1}, "outbox": {"degrade": false}}""")
    }.also { engines += it }

    private fun play(test: suspend () -> Unit) = runBlocking(Dispatchers.Default) { withTimeout(30.seconds) { test() } }

    @Test
    fun `a prompt is put as text and filled in`() = play {
        val prompts = engine().prompts()
        assertEquals(1, prompts.put("guide", "You show {{who}} around {{place}}."))
        val guide = prompts.get("guide")!!
        assertEquals("You show {{who}} around {{place}}.", guide.text)
        assertEquals("You show Ana around Cádiz.", guide.render("who" to "Ana", "place" to "Cádiz"))
        val missing = assertThrows<TertuliaException.Invalid> { guide.render("who" to "Ana") }
        assertEquals("missing_value", missing.info.reason)
        assertThrows<TertuliaException.Conflict> { prompts.put("guide", "Another", expectedVersion = 0) }
        prompts.put("shape", LibraryValue.Json("""{"a": 1}"""))
        val shape = prompts.get("shape")!!
        assertEquals(LibraryValue.Json("""{"a":1}"""), shape.value)
        assertNull(shape.text)
    }

    @Test
    fun `a batch that is under way tells how far it is until it is over`() = play {
        val me = engine().user()
        val chats = List(3) { me.newConversation() }
        val batch = me.batch().apply {
            for (chat in chats) append(chat, listOf(NewMessage(Role.USER, listOf(text("Hi")))))
            pin(chats.map { it.id })
        }
        val run = batch.start()
        val told = run.updates().toList()
        assertEquals(BatchProgress(BatchPhase.OVER, 6, 6), told.last())
        assertEquals(told.distinct(), told)
        val report = run.report()
        assertEquals(List(6) { BatchState.DONE }, report.items.map { it.state })
        assertEquals(listOf(told.last()), run.updates().toList())
        assertEquals(listOf("Hi"), chats[2].history().items.map { it.text })
    }

    @Test
    fun `a budget refuses a call and says where it stands`() = play {
        val tertulia = engine()
        val budget = Budget.requests(1, per = Window.DAY, each = BudgetScope.USER, warnAt = listOf(0.5))
        tertulia.setBudget(budget)
        tertulia.setBudget(Budget.usd(5.0, per = Window.MONTH))
        tertulia.setBudget(Budget.tokens(1_000_000))
        val limits = tertulia.listBudgets().map { it.limit }.toSet()
        assertEquals(setOf(budget.limit, BudgetLimit.NanoUsd(5_000_000_000), BudgetLimit.Tokens(1_000_000)), limits)
        assertThrows<TertuliaException.Invalid> { tertulia.setBudget(Budget.usd(Double.NaN)) }
        val me = tertulia.user("ana")
        me.ask("Hi")
        val refused = assertThrows<TertuliaException.BudgetExceeded> { me.ask("Hi") }
        val status = refused.info.budget!!
        assertEquals(budget, status.budget)
        assertEquals(listOf(1L, 0L, 0L), listOf(status.spent, status.reserved, status.remaining))
        assertTrue(status.resetsAt!! > Instant.now().minusSeconds(5), "${status.resetsAt}")
        tertulia.removeBudget(budget.id)
        me.ask("Hi")
        assertEquals(2, me.usage().total.requests)
        assertEquals(0, me.usage(since = Instant.now().plusSeconds(7_200)).total.requests)
    }

    @Test
    fun `a provider answers requests of one's own and the engine tells its figures`() = play {
        val tertulia = engine()
        val answer = tertulia.provider("lab").request("GET", "/v1/models")
        assertEquals(200, answer.status)
        assertTrue("data" in Json.parseToJsonElement(answer.text).jsonObject, answer.text)
        tertulia.ask("Hi")
        val figures = Json.parseToJsonElement(tertulia.stats(5.minutes)).jsonObject
        assertEquals("300000", figures["window_ms"]!!.jsonPrimitive.content)
        assertEquals("1", figures["total"]!!.jsonObject["calls"]!!.jsonPrimitive.content)
    }
}
