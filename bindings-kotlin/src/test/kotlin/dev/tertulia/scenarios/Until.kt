package dev.tertulia.scenarios

import kotlinx.coroutines.withTimeoutOrNull
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject

/** Reads changes until the rows are as the step says. */
internal suspend fun untilRows(step: JsonObject, rows: () -> JsonElement, next: suspend () -> Boolean): Made {
    val wanted = step["until"]!!
    withTimeoutOrNull(WAIT) {
        while (!holds(wanted, rows())) if (!next()) throw Wrong("it ended before")
    }
    return Made(rows().also { check(wanted, it, "") })
}

/** Reads one thing after the other until one is as the step says. */
internal suspend fun untilOne(step: JsonObject, next: suspend () -> Any?): Made {
    val wanted = step["until"]!!
    var last: JsonElement = JsonNull
    return withTimeoutOrNull(WAIT) {
        do last = told(next() ?: throw Wrong("it ended with $last, which is not $wanted")) while (!holds(wanted, last))
        Made(last)
    } ?: throw Wrong("the last was $last, which is not $wanted")
}
