package dev.tertulia.scenarios

import dev.tertulia.CallOptions
import dev.tertulia.ContextOptions
import dev.tertulia.ConversationChange
import dev.tertulia.Expiry
import dev.tertulia.Media
import dev.tertulia.MediaSource
import dev.tertulia.NewMessage
import dev.tertulia.OutputSchema
import dev.tertulia.Part
import dev.tertulia.PromptCache
import dev.tertulia.TextChange
import dev.tertulia.ToolCall
import dev.tertulia.ToolChoice
import dev.tertulia.ToolResult
import dev.tertulia.ToolSpec
import dev.tertulia.text
import java.util.Base64
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.booleanOrNull
import kotlinx.serialization.json.doubleOrNull
import kotlinx.serialization.json.intOrNull
import kotlinx.serialization.json.longOrNull

/** A text of the words, when it is there. */
internal fun JsonObject.text(word: String): String? = this[word]?.let { value ->
    (value as? JsonPrimitive)?.takeIf { it.isString }?.content ?: throw Wrong("`$word` must be a text")
}

/** A text of the words. */
internal fun JsonObject.need(word: String): String = text(word) ?: throw Wrong("the word `$word` is missing")

/** An id of the words, unless it is left out or `null`. */
internal fun JsonObject.id(word: String): String? = if (this[word] == JsonNull) null else text(word)

/** A number of the words, when it is there. */
internal fun JsonObject.int(word: String): Int? = plain(word, "a number that fits") { it.intOrNull }

/** A number of the words, when it is there. */
internal fun JsonObject.long(word: String): Long? = plain(word, "a number that fits") { it.longOrNull }

/** A number of the words, when it is there. */
internal fun JsonObject.double(word: String): Double? = plain(word, "a number that fits") { it.doubleOrNull }

/** A yes or no of the words, when it is there. */
internal fun JsonObject.flag(word: String): Boolean? = plain(word, "true or false") { it.booleanOrNull }

private fun <T : Any> JsonObject.plain(word: String, what: String, read: (JsonPrimitive) -> T?): T? =
    this[word]?.let { value ->
        (value as? JsonPrimitive)?.takeUnless { it.isString }?.let(read) ?: throw Wrong("`$word` must be $what")
    }

/** A list of the words, when it is there. */
internal fun JsonObject.list(word: String): List<JsonElement>? =
    this[word]?.let { it as? JsonArray ?: throw Wrong("`$word` must be a list") }

/** Texts of the words, when they are there. */
internal fun JsonObject.texts(word: String): List<String>? = list(word)?.map { item ->
    (item as? JsonPrimitive)?.takeIf { it.isString }?.content ?: throw Wrong("`$word` must be a list of texts")
}

/** A record of the words, when it is there. */
internal fun JsonObject.record(word: String): JsonObject? =
    this[word]?.let { it as? JsonObject ?: throw Wrong("`$word` must be an object") }

/** Texts by name, when they are there. */
internal fun JsonObject.textMap(word: String): Map<String, String>? =
    record(word)?.let { fields -> fields.mapValues { (name, _) -> fields.need(name) } }

/** JSON as text, unless it is left out or `null`. */
internal fun JsonObject.json(word: String): String? = this[word]?.takeUnless { it == JsonNull }?.toString()

/** A word of an enum, when it is there. */
internal inline fun <reified E : Enum<E>> JsonObject.word(word: String): E? = text(word)?.let { named ->
    enumValues<E>().find { it.name == named.uppercase() } ?: throw Wrong("`$word` cannot be `$named`")
}

/** What is said: a text, a part, or a list of both. */
internal fun JsonObject.said(word: String = "say"): List<Part> = when (val said = this[word]) {
    is JsonArray -> said.map(::part)
    else -> listOf(part(said ?: JsonNull))
}

/** Messages that are not stored yet. */
internal fun JsonObject.messages(): List<NewMessage> = list("messages").orEmpty().map { item ->
    val message = item as? JsonObject ?: throw Wrong("a message is an object")
    known(message, setOf("role", "content"), setOf("metadata"))
    NewMessage(message.word("role")!!, message.said("content"), message.textMap("metadata").orEmpty())
}

private fun part(value: JsonElement): Part {
    if (value is JsonPrimitive && value.isString) return text(value.content)
    val part = value as? JsonObject ?: throw Wrong("a part is a text or an object")
    return when (val type = part.need("type")) {
        "text" -> text(part.need("text"))
        "reasoning" -> Part.Reasoning(part.need("text"))
        "refusal" -> Part.Refusal(part.need("text"))
        "image" -> Part.Image(media(part.record("media")!!))
        "audio" -> Part.Audio(media(part.record("media")!!))
        "file" -> Part.File(media(part.record("media")!!))
        "tool_call" -> Part.ToolCall(toolCall(part.record("call")!!))
        "tool_result" -> Part.ToolResult(toolResult(part.record("result")!!))
        else -> throw Wrong("a part cannot be `$type`")
    }
}

private fun media(words: JsonObject): Media {
    val source = words.record("source")!!
    val from = when (val type = source.need("type")) {
        "path" -> MediaSource.Path(source.need("path"))
        "data" -> MediaSource.Data(Base64.getDecoder().decode(source.need("data")))
        "url" -> MediaSource.Url(source.need("url"))
        "attachment" -> MediaSource.Attachment(source.need("id"))
        "provider_file" -> MediaSource.ProviderFile(source.need("provider"), source.need("id"))
        else -> throw Wrong("bytes cannot be at a `$type`")
    }
    return Media(from, words.id("mime_type"), words.id("name"))
}

private fun toolCall(words: JsonObject) = ToolCall(words.need("id"), words.need("name"), words.json("arguments")!!)

private fun toolResult(words: JsonObject) =
    ToolResult(words.need("call_id"), words.json("output") ?: "null", words.flag("is_error") ?: false)

/** The options of a step. */
internal val JsonObject.options: JsonObject
    get() = record("options") ?: JsonObject(emptyMap())

/** The knobs of a call. */
internal fun JsonObject.call(): CallOptions = options.run {
    CallOptions(
        model = text("model"),
        fallback = texts("fallback"),
        system = text("system"),
        temperature = double("temperature"),
        topP = double("top_p"),
        seed = long("seed"),
        stopSequences = texts("stop_sequences").orEmpty(),
        maxTokens = long("max_tokens"),
        frequencyPenalty = double("frequency_penalty"),
        presencePenalty = double("presence_penalty"),
        reasoningEffort = word("reasoning_effort"),
        reasoningTokens = long("reasoning_tokens"),
        tools = list("tools").orEmpty().map { tool(it as? JsonObject ?: throw Wrong("a tool is an object")) },
        toolChoice = this["tool_choice"]?.let(::choice),
        parallelTools = flag("parallel_tools"),
        outputSchema = record("output_schema")?.let {
            OutputSchema(it.need("name"), it.json("schema")!!, it.flag("strict") ?: true)
        },
        promptCache = record("prompt_cache")?.let(::promptCache),
        timeoutMs = long("timeout_ms"),
        midStream = word("mid_stream"),
        priority = word("priority"),
        degrade = flag("degrade"),
        clientId = text("client_id"),
        expectedHead = id("expected_head"),
        metadata = textMap("metadata").orEmpty(),
        key = text("key"),
        extraBody = json("extra_body"),
        extraHeaders = textMap("extra_headers").orEmpty(),
        cache = word("cache"),
        context = record("context")?.run {
            known(this, setOf(), setOf("turns", "tokens", "summary"))
            ContextOptions(long("turns"), long("tokens"), flag("summary"))
        },
        detached = flag("detached") ?: false,
        maxCostNanoUsd = long("max_cost_nano_usd"),
    )
}

/** What becomes of a conversation's fields. */
internal fun JsonObject.change(): ConversationChange = record("change")!!.run {
    ConversationChange(
        title = textChange("title"),
        system = textChange("system"),
        model = textChange("model"),
        metadata = textMap("metadata"),
        pinned = flag("pinned"),
        archived = flag("archived"),
        expiry = when (this["expires_in_ms"]) {
            null -> null
            JsonNull -> Expiry.Never
            else -> Expiry.In(long("expires_in_ms")!!)
        },
        tags = texts("tags"),
    )
}

/** A text that a change leaves, sets or clears. */
internal fun JsonObject.textChange(word: String): TextChange? = when (this[word]) {
    null -> null
    JsonNull -> TextChange.Clear
    else -> TextChange.Set(need(word))
}

private fun tool(words: JsonObject) = ToolSpec(
    words.need("name"),
    words.need("description"),
    words.json("parameters") ?: "null",
    words.flag("strict") ?: false,
    words.json("text_format"),
    words.id("provider"),
)

private fun choice(value: JsonElement): ToolChoice = when {
    value is JsonObject -> ToolChoice.Tool(value.record("tool")?.text("name") ?: throw Wrong("`tool_choice` names no tool"))
    value == JsonPrimitive("auto") -> ToolChoice.Auto
    value == JsonPrimitive("never") -> ToolChoice.Never
    value == JsonPrimitive("required") -> ToolChoice.Required
    else -> throw Wrong("`tool_choice` cannot be $value")
}

private fun promptCache(words: JsonObject) = PromptCache(
    words.flag("system") ?: false,
    words.list("messages").orEmpty().map { (it as? JsonPrimitive)?.intOrNull ?: throw Wrong("`messages` are numbers") },
    words.flag("one_hour") ?: false,
    words.id("key"),
)
