package dev.tertulia.scenarios

import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.booleanOrNull
import kotlinx.serialization.json.doubleOrNull

/** Whether the value is what was wanted. */
internal fun holds(wanted: JsonElement, value: JsonElement): Boolean = try {
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
internal fun check(wanted: JsonElement, value: JsonElement, place: String) {
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
