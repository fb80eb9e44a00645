package dev.tertulia

import java.io.File
import java.net.http.HttpTimeoutException
import java.nio.file.Files
import java.util.concurrent.TimeUnit
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.flow.transformWhile
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.booleanOrNull
import kotlinx.serialization.json.doubleOrNull
import kotlinx.serialization.json.intOrNull
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.longOrNull
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assumptions.assumeFalse
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.Timeout

/** The scenarios of `tests/scenarios`, which all languages play: its README says what is in them. */
class ScenariosTest {
    private val folder = File(System.getProperty("tertulia.scenarios"))
    private val scenarios = files(folder)
    private val wrong = files(File(folder, "wrong"))
    private val lacking = Lacking(folder)

    private companion object {
        var passed = 0
        var failed = 0
        var leftOut = 0

        @JvmStatic
        @AfterAll
        fun say() = println("kotlin: $leftOut scenarios left out\nkotlin: $passed passed, $failed failed")
    }

    private fun files(folder: File): List<File> =
        folder.listFiles { file -> file.extension == "json" }.orEmpty().sortedBy { it.name }

    @TestFactory
    @Timeout(value = 10, unit = TimeUnit.MINUTES)
    fun `a scenario holds`(): List<DynamicTest> = scenarios.also { leftOut = it.size }.map { file ->
        dynamicTest(file.nameWithoutExtension) {
            assumeFalse(lacking.concerns(file), "Kotlin lacks a verb of it, or a word: format/verbs.json")
            leftOut--
            failed++
            try {
                play(file, setOf("about", "engine", "steps"))
                failed--
                passed++
            } catch (wrong: Wrong) {
                throw AssertionError("${file.name}, step ${wrong.step}: ${wrong.message}", wrong)
            }
        }
    }

    @TestFactory
    fun `a wrong scenario fails where it is wrong and says so`(): List<DynamicTest> = wrong.map { file ->
        dynamicTest(file.nameWithoutExtension) {
            assumeFalse(lacking.concerns(file), "Kotlin lacks a verb of it: format/verbs.json")
            val expected = Json.parseToJsonElement(file.readText()).jsonObject["wrong"]!!.jsonObject
            val caught = assertThrows(Wrong::class.java) { play(file, setOf("about", "engine", "steps", "wrong")) }
            assertEquals(expected["step"]!!.jsonPrimitive.intOrNull, caught.step, caught.message)
            val says = expected["says"]!!.jsonPrimitive.content
            assertTrue(says in caught.message!!, "${caught.message} does not say $says")
        }
    }

    @Test
    fun `the scenarios were found`() {
        assertTrue(scenarios.size >= 5, "only ${scenarios.size} scenarios in $folder")
        assertTrue(wrong.size >= 30, "only ${wrong.size} wrong ones")
    }
}

/** What Kotlin cannot play yet, by the one list there is of it: it can only shrink. */
private class Lacking(folder: File) {
    private val format = Json.parseToJsonElement(File(folder, "format/verbs.json").readText()).jsonObject
    private val lists = format["missing"]!!.jsonObject["kotlin"]!!.jsonObject
    private val scenarios = words("scenarios")
    private val verbs = words("verbs")

    private fun words(list: String) = lists[list]!!.jsonArray.map { it.jsonPrimitive.content }.toSet()

    /** Whether a scenario has a verb that the border lacks, by what its steps have made, or is named itself. */
    fun concerns(file: File): Boolean {
        val kinds = mutableMapOf<String, String>()
        val steps = Json.parseToJsonElement(file.readText()).jsonObject["steps"]!!.jsonArray.map { it.jsonObject }
        return file.nameWithoutExtension in scenarios || steps.any { step ->
            val verb = step["do"]!!.jsonPrimitive.content
            val key = step["in"]?.let { "${kinds[it.jsonPrimitive.content]}.$verb" } ?: verb
            val made = format["verbs"]!!.jsonObject[key]?.jsonObject?.get("gives")
            if (made != null) step["as"]?.let { kinds[it.jsonPrimitive.content] = made.jsonPrimitive.content }
            key in verbs
        }
    }
}

/** The scenario does not hold, or is not understood. */
private class Wrong(why: String, cause: Throwable? = null) : Exception(why, cause) {
    /** The number of its step, 0 before the first. */
    var step = 0
}

private val CALL =
    setOf("model", "system", "temperature", "max_tokens", "timeout_ms", "client_id", "key", "max_cost_nano_usd")

/** What a verb needs, what it may have, and what its options may be. */
private class Words(val needed: Set<String>, val more: Set<String>, val options: Set<String> = emptySet())

private val VERBS = mapOf(
    "open" to Words(setOf(), setOf("options"), setOf("model", "providers", "keys", "settings")),
    "close" to Words(setOf("in"), setOf()),
    "user" to Words(setOf("in", "id"), setOf()),
    "new_conversation" to Words(setOf("in"), setOf("options"), setOf("title", "system", "model")),
    "conversation" to Words(setOf("in", "id"), setOf()),
    "conversation_for" to Words(setOf("in", "key"), setOf()),
    "ask" to Words(setOf("in", "say"), setOf("options"), CALL),
    "send" to Words(setOf("in", "say"), setOf("options"), CALL),
    "stream" to Words(setOf("in", "say"), setOf("options", "cancel_after"), CALL),
    "retry" to Words(setOf("in", "turn"), setOf("options", "cancel_after"), CALL),
    "history" to Words(setOf("in"), setOf("limit", "before", "after")),
    "simulator" to Words(setOf(), setOf("wait")),
)

/** Plays a scenario. */
private fun play(file: File, words: Set<String>) {
    val scenario = Json.parseToJsonElement(file.readText()).jsonObject
    known(scenario, words, emptySet())
    val steps = scenario["steps"] as? JsonArray
    if (steps.isNullOrEmpty()) throw Wrong("steps must be a list of at least one")
    val folder = Files.createTempDirectory("tertulia-scenario").toFile()
    try {
        Simulator().use { simulator ->
            val play = Play(simulator, scenario["engine"]!!, File(folder, "scenario.db").path)
            runBlocking(Dispatchers.Default) {
                try {
                    steps.forEachIndexed { index, step -> numbered(index + 1) { play.step(step) } }
                } finally {
                    play.end()
                }
            }
        }
    } finally {
        folder.deleteRecursively()
    }
}

private suspend fun numbered(number: Int, step: suspend () -> Unit) {
    try {
        withTimeout(60_000) { step() }
    } catch (wrong: Wrong) {
        throw wrong.apply { this.step = number }
    } catch (late: TimeoutCancellationException) {
        throw Wrong("nothing came within 60 s", late).apply { this.step = number }
    }
}

/** One scenario on its way. */
private class Play(private val simulator: Simulator, private val engine: JsonElement, private val store: String) {
    private val results = mutableMapOf<String, JsonElement>("simulator" to JsonPrimitive(simulator.url))
    private val handles = mutableMapOf<String, Any>()
    private val opened = mutableListOf<Tertulia>()

    suspend fun end() = opened.forEach { it.shutdown() }

    suspend fun step(given: JsonElement) {
        val words = given as? JsonObject ?: throw Wrong("a step is an object")
        val verb = (words["do"] as? JsonPrimitive)?.content
        val allowed = VERBS[verb] ?: throw Wrong("the verb `$verb` is unknown")
        known(words, allowed.needed + "do", allowed.more + setOf("as", "expect", "fails"))
        if ("expect" in words && "fails" in words) throw Wrong("a step has `expect` or `fails`, not both")
        val step = filled(words).jsonObject
        val options = (step["options"] ?: JsonObject(emptyMap())) as? JsonObject ?: throw Wrong("options is an object")
        known(options, emptySet(), allowed.options)
        val result = try {
            verb(verb!!, step, options)
        } catch (failure: TertuliaException) {
            val wanted = step["fails"] ?: throw Wrong("it failed: $failure", failure)
            val told = json(failure.info)
            check(wanted, told, "")
            step.text("as")?.let { results[it] = told }
            return
        }
        if ("fails" in step) throw Wrong("`$verb` succeeded, which it must not")
        step["expect"]?.let { check(it, result, "") }
        step.text("as")?.let { results[it] = result }
    }

    private suspend fun verb(verb: String, step: JsonObject, options: JsonObject): JsonElement {
        if (verb == "open") return keep(step, open(options).also { opened += it }, JsonObject(emptyMap()))
        if (verb == "simulator") return sent(step.text("wait"))
        val name = step.text("in")!!
        val subject = handles[name] ?: throw Wrong("`$name` is no handle")
        val say = step.text("say")
        return when {
            subject is Tertulia && verb == "close" -> subject.shutdown().let { JsonObject(emptyMap()) }
            subject is Tertulia && verb == "ask" -> json(subject.ask(say!!, call(options)))
            subject is Tertulia && verb == "user" -> subject.user(step.text("id")).let { keep(step, it, id(it.id)) }
            subject is UserScope && verb == "ask" -> json(subject.ask(say!!, call(options)))
            subject is UserScope -> made(verb, subject, step, options).let { keep(step, it, id(it.id)) }
            subject is Conversation && verb == "send" -> json(subject.send(say!!, call(options)))
            subject is Conversation && verb == "stream" -> streamed(subject.stream(say!!, call(options)), step)
            subject is Conversation && verb == "retry" ->
                streamed(subject.retry(step.text("turn")!!, call(options)), step)
            subject is Conversation && verb == "history" -> history(subject, step)
            else -> throw Wrong("`$verb` is no verb of `$name`")
        }
    }

    private fun made(verb: String, user: UserScope, step: JsonObject, options: JsonObject): Conversation = when (verb) {
        "new_conversation" -> user.newConversation(options.text("model"), options.text("system"), options.text("title"))
        "conversation" -> user.conversation(step.text("id")!!)
        "conversation_for" -> user.conversationFor(step.text("key")!!)
        else -> throw Wrong("`$verb` is no verb of `${step.text("in")}`")
    }

    private fun keep(step: JsonObject, handle: Any, result: JsonElement): JsonElement {
        step.text("as")?.let { handles[it] = handle }
        return result
    }

    private suspend fun open(changes: JsonObject): Tertulia {
        val engine = filled(engine) as? JsonObject ?: throw Wrong("engine is an object")
        val words = JsonObject(engine + changes)
        known(words, emptySet(), VERBS["open"]!!.options)
        return Tertulia.open(store) {
            model = words.text("model")
            words["providers"]?.jsonArray?.forEach { provider(spec(it.jsonObject)) }
            words["keys"]?.jsonObject?.forEach { (provider, key) -> key(provider, key.jsonPrimitive.content) }
            words["settings"]?.let { settings = Settings("$it") }
        }
    }

    private fun spec(words: JsonObject): ProviderSpec {
        known(words, setOf("name", "base_url"), setOf("dialect", "auth", "key_variable", "models"))
        return ProviderSpec(
            words.text("name")!!,
            words.text("base_url")!!,
            words.text("dialect") ?: "openai_chat",
            words.text("auth"),
            words.text("key_variable"),
            models = words["models"]?.toString(),
        )
    }

    /** What the simulator was sent. */
    private fun sent(wait: String?): JsonElement {
        when (wait) {
            null -> Unit
            "hung_up" -> try {
                simulator.waitForHangUp()
            } catch (late: HttpTimeoutException) {
                throw Wrong("nobody hung up within 10 s", late)
            }
            else -> throw Wrong("the way to wait `$wait` is unknown")
        }
        val requests = simulator.requests()
        return JsonObject(mapOf("requests" to JsonPrimitive(requests.size), "last" to (requests.lastOrNull() ?: JsonNull)))
    }

    /** The value with every `${…}` in its texts filled in. */
    private fun filled(value: JsonElement): JsonElement = when {
        value is JsonObject -> JsonObject(value.mapValues { filled(it.value) })
        value is JsonArray -> JsonArray(value.map { filled(it) })
        value is JsonPrimitive && value.isString -> filledText(value.content)
        else -> value
    }

    private fun filledText(text: String): JsonElement {
        val done = StringBuilder()
        var rest = text
        while ("\${" in rest) {
            val before = rest.substringBefore("\${")
            val after = rest.substringAfter("\${")
            if ("}" !in after) throw Wrong("`$text` lacks a }")
            val found = lookUp(after.substringBefore("}"))
            val behind = after.substringAfter("}")
            if (done.isEmpty() && before.isEmpty() && behind.isEmpty()) return found
            done.append(before).append(if (found is JsonPrimitive && found.isString) found.content else "$found")
            rest = behind
        }
        return JsonPrimitive("$done$rest")
    }

    private fun lookUp(path: String): JsonElement {
        val steps = path.split(".")
        val found = steps.drop(1).fold(results[steps.first()]) { value, step ->
            when (value) {
                is JsonObject -> value[step]
                is JsonArray -> step.toIntOrNull()?.let { value.getOrNull(it) }
                else -> null
            }
        }
        return found ?: throw Wrong("nothing is called `$path`")
    }
}

/** Refuses words that are not known, and the lack of those that are needed. */
private fun known(words: JsonObject, needed: Set<String>, more: Set<String>) {
    (words.keys - needed - more).firstOrNull()?.let { throw Wrong("the word `$it` is unknown") }
    (needed - words.keys).firstOrNull()?.let { throw Wrong("the word `$it` is missing") }
}

private fun JsonObject.text(word: String): String? = when (val value = this[word]) {
    null -> null
    is JsonPrimitive -> if (value.isString) value.content else throw Wrong("`$word` must be a text")
    else -> throw Wrong("`$word` must be a text")
}

/** A number of the words, when it is there. */
private fun <N : Any> JsonObject.number(word: String, read: (JsonPrimitive) -> N?): N? = this[word]?.let { value ->
    (value as? JsonPrimitive)?.takeUnless { it.isString }?.let(read) ?: throw Wrong("`$word` must be a number that fits")
}

private fun call(words: JsonObject) = CallOptions(
    model = words.text("model"),
    system = words.text("system"),
    temperature = words.number("temperature") { it.doubleOrNull },
    maxTokens = words.number("max_tokens") { it.longOrNull },
    timeoutMs = words.number("timeout_ms") { it.longOrNull },
    clientId = words.text("client_id"),
    key = words.text("key"),
    maxCostNanoUsd = words.number("max_cost_nano_usd") { it.longOrNull },
)

private suspend fun streamed(stream: ReplyStream, step: JsonObject): JsonElement = stream.use {
    val limit = step.number("cancel_after") { it.intOrNull }
    val kinds = mutableListOf<String>()
    val words = StringBuilder()
    // Whoever stops collecting has cancelled.
    val events = stream.events().transformWhile { event ->
        emit(event)
        limit == null || words.codePointCount(0, words.length) < limit
    }
    events.collect { event ->
        val kind = event.kind
        val beat = kind is StreamEventKind.Progress && kind.progress is Progress.Heartbeat
        val name = kind::class.simpleName!!.replace(Regex("(?<=[a-z])[A-Z]"), "_$0").lowercase()
        if (!beat && kinds.lastOrNull() != name) kinds += name
        if (kind is StreamEventKind.Text) words.append(kind.delta)
    }
    val told = mapOf("events" to JsonArray(kinds.map { JsonPrimitive(it) }), "streamed" to JsonPrimitive("$words"))
    JsonObject(json(stream.reply()) + told)
}

private suspend fun history(chat: Conversation, step: JsonObject): JsonElement {
    val (before, after) = step.text("before") to step.text("after")
    if (before != null && after != null) throw Wrong("a page goes `before` one place or `after` one, not both")
    val anchor = before?.let { HistoryAnchor.Before(it) } ?: after?.let { HistoryAnchor.After(it) }
    val limit = step.number("limit") { it.intOrNull }
    val page = if (limit == null) chat.history(anchor) else chat.history(anchor, limit)
    return JsonObject(
        mapOf(
            "items" to JsonArray(page.items.map { json(it) }),
            "before" to JsonPrimitive(page.before),
            "after" to JsonPrimitive(page.after),
            "reached_start" to JsonPrimitive(page.reachedStart),
            "reached_end" to JsonPrimitive(page.reachedEnd),
        ),
    )
}

private fun id(id: String) = JsonObject(mapOf("id" to JsonPrimitive(id)))

/** A word of an enum as JSON has it. */
private fun word(of: Enum<*>?) = JsonPrimitive(of?.name?.lowercase())

private fun json(reply: Reply) = JsonObject(
    mapOf(
        "text" to JsonPrimitive(reply.text),
        "status" to word(reply.status),
        "finish_reason" to word(reply.finishReason),
        "provider" to JsonPrimitive(reply.provider),
        "model" to JsonPrimitive(reply.model),
        "usage" to json(reply.usage),
        "cost" to json(reply.cost),
        "conversation_id" to JsonPrimitive(reply.conversationId),
        "message_id" to JsonPrimitive(reply.messageId),
        "turn_id" to JsonPrimitive(reply.turnId),
    ),
)

private fun json(message: Message) = JsonObject(
    mapOf(
        "id" to JsonPrimitive(message.id),
        "turn_id" to JsonPrimitive(message.turnId),
        "parent_id" to JsonPrimitive(message.parentId),
        "role" to word(message.role),
        "text" to JsonPrimitive(message.text),
        "status" to word(message.status),
        "sibling_count" to JsonPrimitive(message.siblingCount),
        "model" to JsonPrimitive(message.model),
        "finish_reason" to word(message.finishReason),
        "usage" to json(message.usage),
        "cost" to json(message.cost),
        "depth" to JsonPrimitive(message.depth),
    ),
)

private fun json(usage: Usage?): JsonElement = if (usage == null) JsonNull else JsonObject(
    mapOf(
        "input_tokens" to JsonPrimitive(usage.inputTokens),
        "output_tokens" to JsonPrimitive(usage.outputTokens),
        "cache_read_input_tokens" to JsonPrimitive(usage.cacheReadInputTokens),
        "reasoning_output_tokens" to JsonPrimitive(usage.reasoningOutputTokens),
        "requests" to JsonPrimitive(usage.requests),
        "source" to word(usage.source),
    ),
)

private fun json(cost: Cost?): JsonElement =
    if (cost == null) JsonNull else JsonObject(mapOf("nano_usd" to JsonPrimitive(cost.nanoUsd), "source" to word(cost.source)))

private fun json(error: ErrorInfo) = JsonObject(
    mapOf(
        "kind" to word(error.kind),
        "reason" to JsonPrimitive(error.reason),
        "text" to JsonPrimitive(error.text),
        "saved" to JsonPrimitive(error.saved),
        "turn_id" to JsonPrimitive(error.turnId),
        "retry_after_ms" to JsonPrimitive(error.retryAfterMs),
        "status" to JsonPrimitive(error.status),
        "provider" to JsonPrimitive(error.provider),
        "model" to JsonPrimitive(error.model),
    ),
)

private fun holds(wanted: JsonElement, value: JsonElement): Boolean = try {
    check(wanted, value, "")
    true
} catch (_: Wrong) {
    false
}

private fun number(value: JsonElement): Double? =
    (value as? JsonPrimitive)?.takeUnless { it.isString || it is JsonNull }?.doubleOrNull

private val TESTS = mapOf<String, (JsonElement, JsonElement) -> Boolean>(
    "any" to { wanted, value -> (wanted as? JsonPrimitive)?.booleanOrNull == true && value != JsonNull },
    "contains" to { wanted, value ->
        when {
            value is JsonArray -> value.any { holds(wanted, it) }
            value is JsonPrimitive && value.isString && wanted is JsonPrimitive && wanted.isString ->
                wanted.content in value.content
            else -> false
        }
    },
    "count" to { wanted, value -> value is JsonArray && number(wanted) == value.size.toDouble() },
    "more_than" to { wanted, value -> number(value).let { n -> n != null && number(wanted).let { it != null && n > it } } },
    "not" to { wanted, value -> !holds(wanted, value) },
)

/** Whether the value is what was wanted; else where it is not, and how. */
private fun check(wanted: JsonElement, value: JsonElement, place: String) {
    fun at(step: Any) = if (place.isEmpty()) "$step" else "$place.$step"
    val test = (wanted as? JsonObject)?.takeIf { it.size == 1 }?.let { TESTS[it.keys.single()] }
    val good = when {
        test != null -> test(wanted.values.single(), value)
        wanted is JsonObject && value is JsonObject -> return wanted.forEach { (name, inner) ->
            check(inner, value[name] ?: throw Wrong("${at(name)}: there is no such field"), at(name))
        }
        wanted is JsonArray && value is JsonArray && wanted.size == value.size -> return wanted.indices.forEach {
            check(wanted[it], value[it], at(it))
        }
        number(wanted) != null -> number(wanted) == number(value)
        else -> wanted == value
    }
    if (!good) throw Wrong("$place: $value is not $wanted")
}
