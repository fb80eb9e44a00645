package dev.tertulia.scenarios

import dev.tertulia.ReplyStream
import dev.tertulia.StreamEvent
import dev.tertulia.StreamEventKind
import dev.tertulia.asFlow
import dev.tertulia.events
import dev.tertulia.text
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.flow.transformWhile
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive

/** What was heard of a reply: kinds of events in their order, a run of one kind once, and the words. */
private class Heard(private val limit: Int?) {
    val kinds = mutableListOf<String>()
    val words = StringBuilder()
    var seq = 0L

    val enough: Boolean
        get() = limit != null && words.codePointCount(0, words.length) >= limit

    fun add(event: StreamEvent) {
        seq = event.seq
        val json = told(event).jsonObject
        val progress = (json["progress"] as? JsonObject)?.get("step")
        if (progress != JsonPrimitive("heartbeat")) add(json["type"]!!.jsonPrimitive.content)
        (event.kind as? StreamEventKind.Text)?.let { words.append(it.delta) }
    }

    fun add(kind: String) {
        if (kinds.lastOrNull() != kind) kinds += kind
    }

    fun told() = mapOf("events" to told(kinds), "streamed" to told("$words"))
}

/** A stream, read in the way the step says: to its end, or as far as it says. */
internal suspend fun streamed(stream: ReplyStream, step: JsonObject): JsonElement = stream.use {
    val (cancelAfter, detachAfter) = step.int("cancel_after") to step.int("detach_after")
    val heard = Heard(cancelAfter ?: detachAfter)
    if (step.text("read") == "sse") return sse(stream, heard)
    // Whoever stops collecting has cancelled, which a stream that is left to itself must not be.
    when (val read = step.text("read") ?: if (detachAfter == null) "events" else "batches") {
        "events" -> stream.events().heard(heard) { heard.add(it) }
        "text" -> stream.text().heard(heard) { heard.words.append(it) }
        "batches" -> {
            while (!heard.enough) stream.nextBatch(64).onEach(heard::add).ifEmpty { break }
            if (cancelAfter != null && heard.enough) stream.cancel()
        }
        else -> throw Wrong("the way to read `$read` is unknown")
    }
    val end = if (detachAfter == null) told(stream.reply()).jsonObject else mapOf("turn_id" to told(stream.turnId()))
    if (detachAfter != null) stream.detach()
    JsonObject(end + heard.told() + mapOf("seq" to told(heard.seq)))
}

private suspend fun <T> Flow<T>.heard(heard: Heard, add: (T) -> Unit) = transformWhile { item ->
    emit(item)
    !heard.enough
}.collect { add(it) }

/** What a page would be told of a reply: the types of its events and the words of the answer. */
private suspend fun sse(stream: ReplyStream, heard: Heard): JsonElement = stream.sse().use { sse ->
    val told = sse.asFlow().toList().fold(ByteArray(0)) { all, piece -> all + piece }.decodeToString()
    for (line in told.lines().filter { it.startsWith("data: ") }) {
        val event = Json.parseToJsonElement(line.removePrefix("data: ")).jsonObject
        heard.add(event.need("type"))
        if (event.need("type") == "text") heard.words.append(event.need("delta"))
    }
    JsonObject(heard.told())
}
