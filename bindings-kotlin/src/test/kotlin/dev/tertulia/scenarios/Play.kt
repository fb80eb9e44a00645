package dev.tertulia.scenarios

import dev.tertulia.Batch
import dev.tertulia.BatchRun
import dev.tertulia.Conversation
import dev.tertulia.Events
import dev.tertulia.Library
import dev.tertulia.LibraryCache
import dev.tertulia.Outbox
import dev.tertulia.OutboxWatch
import dev.tertulia.ProviderHandle
import dev.tertulia.ProviderSpec
import dev.tertulia.Settings
import dev.tertulia.Simulator
import dev.tertulia.StoreUpkeep
import dev.tertulia.Tertulia
import dev.tertulia.TertuliaException
import dev.tertulia.UserScope
import dev.tertulia.open
import java.io.File
import java.net.http.HttpTimeoutException
import java.nio.file.Files
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonObject

/** How long a step may take. */
private val STEP_LIMIT = 60.seconds

/** How long a step waits for something that happens by itself. */
internal val WAIT = 10.seconds

/** Between two looks at something that is asked for again and again. */
private val PAUSE = 5.milliseconds

/** What is told of a request. */
private val REQUEST = setOf("method", "path", "headers", "body")

/** The scenario does not hold, or is not understood. */
internal class Wrong(why: String, cause: Throwable? = null) : Exception(why, cause) {
    /** The number of its step, 0 before the first. */
    var step = 0
}

/** What a verb gave: its result, and the handle that it made. */
internal class Made(val result: JsonElement, val handle: Any? = null)

/** What a verb that makes a handle without words of its own gave. */
internal fun made(handle: Any) = Made(JsonObject(emptyMap()), handle)

/** A handle, and what its verbs begin with in the list of verbs. */
private class Held(val kind: String, val handle: Any)

/** Plays a scenario, and gives what its steps gave, as JSON. */
internal fun play(file: File, format: Format, words: Set<String>): String {
    val scenario = Json.parseToJsonElement(file.readText()).jsonObject
    known(scenario, words, emptySet())
    val steps = scenario["steps"] as? JsonArray
    if (steps.isNullOrEmpty()) throw Wrong("steps must be a list of at least one")
    val folder = Files.createTempDirectory("tertulia-scenario").toFile()
    try {
        return Simulator().use { simulator ->
            val play = Play(format, simulator, scenario["engine"]!!, folder)
            runBlocking(Dispatchers.Default) {
                try {
                    steps.forEachIndexed { index, step -> numbered(index + 1) { play.step(step) } }
                } finally {
                    play.end()
                }
            }
            play.told()
        }
    } finally {
        folder.deleteRecursively()
    }
}

private suspend fun numbered(number: Int, step: suspend () -> Unit) {
    try {
        withTimeout(STEP_LIMIT) { step() }
    } catch (wrong: Wrong) {
        throw wrong.apply { this.step = number }
    } catch (late: TimeoutCancellationException) {
        throw Wrong("nothing came within 60 s", late).apply { this.step = number }
    }
}

/** One scenario on its way. */
private class Play(
    private val format: Format,
    private val simulator: Simulator,
    private val engine: JsonElement,
    private val folder: File,
) {
    private val results = mutableMapOf<String, JsonElement>(
        "simulator" to JsonPrimitive(simulator.url),
        "folder" to JsonPrimitive(folder.path),
    )
    private val handles = mutableMapOf<String, Held>()
    private val opened = mutableListOf<Tertulia>()

    /** The result of every step, in order. */
    private val all = mutableListOf<JsonElement>()

    /** What the steps gave. Where the simulator and the folder are is said by their names. */
    fun told(): String = JsonArray(all).toString().replace(simulator.url, "\${simulator}").replace(folder.path, "\${folder}")

    suspend fun end() = opened.forEach { it.shutdown() }

    suspend fun step(given: JsonElement) {
        val words = given as? JsonObject ?: throw Wrong("a step is an object")
        if ("expect" in words && "fails" in words) throw Wrong("a step has `expect` or `fails`, not both")
        val subject = words.text("in")
        val held = subject?.let { handles[it] ?: throw Wrong("`$it` is no handle") }
        format.check(words, held?.kind, subject)
        val step = filled(words).jsonObject
        val verb = step.need("do")
        val result = try {
            waited(verb, held?.handle, step).also { made ->
                if ("fails" in step) throw Wrong("`$verb` succeeded, which it must not")
                val kind = format.gives(verb, held?.kind)
                made.handle?.let { handle -> step.text("as")?.let { handles[it] = Held(kind!!, handle) } }
            }.result
        } catch (failure: TertuliaException) {
            if ("fails" !in step) throw Wrong("it failed: $failure", failure)
            told(failure)
        }
        (step["expect"] ?: step["fails"])?.let { check(it, result, "") }
        step.text("as")?.let { results[it] = result }
        all += result
    }

    /** Plays a verb; one that says until when, again and again until then. */
    private suspend fun waited(verb: String, subject: Any?, step: JsonObject): Made {
        val wanted = step["until"].takeUnless { verb == "next" } ?: return verb(verb, subject, step)
        val end = TimeSource.Monotonic.markNow() + WAIT
        while (true) {
            val made = verb(verb, subject, step)
            try {
                return made.also { check(wanted, it.result, "") }
            } catch (not: Wrong) {
                if (end.hasPassedNow()) throw not
            }
            delay(PAUSE)
        }
    }

    private suspend fun verb(verb: String, subject: Any?, step: JsonObject): Made = when (subject) {
        null -> alone(verb, step)
        is Tertulia -> ofEngine(subject, verb, step)
        is UserScope -> ofUser(subject, verb, step)
        is Conversation -> ofConversation(subject, verb, step)
        is ShownTimeline -> ofTimeline(subject, verb, step)
        is ShownConversations -> ofConversationsWatch(subject, verb, step)
        is Outbox -> ofOutbox(subject, verb, step)
        is OutboxWatch -> ofOutboxWatch(subject, verb, step)
        is Events -> ofEvents(subject, verb, step)
        is Library -> ofLibrary(subject, verb, step)
        is LibraryCache -> ofLibraryCache(subject, verb, step)
        is Batch -> ofBatch(subject, verb, step, ::chat)
        is BatchRun -> ofBatchRun(subject, verb, step)
        is StoreUpkeep -> ofStore(subject, verb, step)
        is ProviderHandle -> ofProvider(subject, verb, step)
        else -> throw Wrong("this runner cannot play `$verb` of a ${subject.javaClass.simpleName}")
    }

    /** The conversation of a name. */
    private fun chat(name: String): Conversation =
        handles[name]?.handle as? Conversation ?: throw Wrong("`$name` is no conversation")

    private suspend fun alone(verb: String, step: JsonObject): Made = when (verb) {
        "open" -> made(open(step.options).also { opened += it })
        "simulator" -> Made(sent(step.text("wait")))
        "write" -> {
            val value = step["value"]!!
            File(step.need("path")).writeText(if (value is JsonPrimitive && value.isString) value.content else "$value")
            Made(JsonNull)
        }
        else -> throw Wrong("this runner cannot play `$verb`")
    }

    private suspend fun open(changes: JsonObject): Tertulia {
        val engine = filled(engine) as? JsonObject ?: throw Wrong("engine is an object")
        val words = JsonObject(engine + changes)
        format.checkEngine(words)
        return Tertulia.open(File(folder, "scenario.db").path) {
            model = words.text("model")
            fallback = words.texts("fallback")
            words.list("providers")?.forEach { provider(spec(it.jsonObject)) }
            words.textMap("keys")?.forEach { (provider, key) -> key(provider, key) }
            words["settings"]?.let { settings = Settings("$it") }
        }
    }

    private fun spec(words: JsonObject): ProviderSpec {
        known(words, setOf("name", "base_url"), setOf("dialect", "auth", "key_variable", "models"))
        return ProviderSpec(
            words.need("name"),
            words.need("base_url"),
            words.text("dialect") ?: "openai_chat",
            words.text("auth"),
            words.text("key_variable"),
            models = words.json("models"),
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
        val last = requests.lastOrNull()?.jsonObject?.filterKeys { it in REQUEST }?.let(::JsonObject)
        return JsonObject(mapOf("requests" to JsonPrimitive(requests.size), "last" to (last ?: JsonNull)))
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
