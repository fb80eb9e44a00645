package dev.tertulia.scenarios

import dev.tertulia.LibraryValue
import dev.tertulia.Message
import dev.tertulia.Reply
import dev.tertulia.TertuliaException
import dev.tertulia.info
import dev.tertulia.notice
import dev.tertulia.text
import java.lang.reflect.Modifier
import java.time.Instant
import java.util.Base64
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/** Fields that hold JSON as text; told as what that text says. */
private val JSON = setOf(
    "Health.report",
    "Part.Opaque.data",
    "Price.whole",
    "Reply.raw",
    "StreamEventKind.Other.data",
    "ToolCall.arguments",
    "ToolResult.output",
    "Usage.raw",
)

/** Fields whose own fields stand in the record around them. */
private val FLAT = setOf("Price.whole", "StreamEvent.kind", "TimelineItem.kind")

/** Variants that are told by another word than `type`. */
private val TAGS = mapOf("Progress" to "step")

/** Variants that are told by their fields alone. */
private val BARE = setOf("BudgetLimit")

/** Variants that are told from outside: `"never"`, `{"after": {"after_ms": 1}}`. */
private val OUTSIDE = setOf("Retry")

/** What a verb gave, as JSON in the words of the API: any record of the border, by its fields. */
internal fun told(value: Any?): JsonElement = when (value) {
    null, Unit -> JsonNull
    is JsonElement -> value
    is String -> JsonPrimitive(value)
    is Boolean -> JsonPrimitive(value)
    is Number -> JsonPrimitive(value)
    is Enum<*> -> JsonPrimitive(value.name.lowercase())
    is Instant -> JsonPrimitive(value.toEpochMilli())
    is ByteArray -> JsonPrimitive(Base64.getEncoder().encodeToString(value))
    is LibraryValue.Text -> JsonPrimitive(value.text)
    is LibraryValue.Json -> Json.parseToJsonElement(value.json)
    is List<*> -> JsonArray(value.map(::told))
    is Map<*, *> -> JsonObject(value.entries.associate { (name, inner) -> "$name" to told(inner) })
    else -> record(value)
}

/** A failure, with what had arrived. */
internal fun told(failure: TertuliaException): JsonElement =
    JsonObject((told(failure.info) as JsonObject) + ("text" to told(failure.info.text)))

private fun record(value: Any): JsonElement {
    val fields = fields(value) + words(value).mapValues { told(it.value) }
    val family = value.javaClass.superclass
    if (family == Any::class.java || family.simpleName in BARE) return JsonObject(fields)
    val variant = snake(value.javaClass.simpleName)
    return when {
        family.simpleName !in OUTSIDE -> JsonObject(mapOf((TAGS[family.simpleName] ?: "type") to told(variant)) + fields)
        fields.isEmpty() -> told(variant)
        else -> JsonObject(mapOf(variant to JsonObject(fields)))
    }
}

private fun fields(value: Any): Map<String, JsonElement> = buildMap {
    val record = value.javaClass.name.substringAfterLast('.').replace('$', '.')
    for (field in value.javaClass.declaredFields.filterNot { Modifier.isStatic(it.modifiers) }) {
        field.isAccessible = true
        val inner = field.get(value)
        val name = snake(field.name)
        val json = if ("$record.$name" in JSON && inner is String) Json.parseToJsonElement(inner) else told(inner)
        if ("$record.$name" in FLAT) putAll(json as JsonObject) else put(name, json)
    }
}

/** What is told besides the fields. */
private fun words(value: Any): Map<String, String?> = when (value) {
    is Reply -> mapOf("text" to value.text, "notice" to value.notice)
    is Message -> mapOf("text" to value.text)
    else -> emptyMap()
}

private fun snake(name: String) = name.replace(Regex("(?<=[a-z0-9])[A-Z]"), "_$0").lowercase()
