package dev.tertulia.scenarios

import dev.tertulia.Library
import dev.tertulia.LibraryCache
import dev.tertulia.LibraryValue
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/** How many rows a list has unless told otherwise. */
private const val ROWS = 50

/** The verbs of a library. */
internal suspend fun ofLibrary(library: Library, verb: String, step: JsonObject): Made = Made(
    told(
        when (verb) {
            "get" -> library.get(step.need("name"))
            "version" -> library.version(step.need("name"), step.long("version")!!)
            "put" -> library.put(step.need("name"), step.libraryValue(), step.long("expected_version"))
            "delete" -> library.delete(step.need("name"), step.long("expected_version"))
            "list" -> library.list(step.text("prefix").orEmpty(), step.text("after"), step.int("limit") ?: ROWS)
            "versions" -> library.versions(step.need("name"), step.long("before"), step.int("limit") ?: ROWS)
            else -> throw Wrong("this runner cannot play `library.$verb`")
        },
    ),
)

private fun JsonObject.libraryValue(): LibraryValue {
    val value = this["value"]!!
    return if (value is JsonPrimitive && value.isString) LibraryValue.Text(value.content) else LibraryValue.Json("$value")
}

/** The verbs of what is remembered of libraries. */
internal fun ofLibraryCache(cache: LibraryCache, verb: String, step: JsonObject): Made = Made(
    told(
        when (verb) {
            "health" -> cache.health()
            "invalidate" -> cache.invalidate(step.need("kind"), step.text("name").orEmpty(), step.text("user").orEmpty())
            "clear" -> cache.clear()
            else -> throw Wrong("this runner cannot play `library_cache.$verb`")
        },
    ),
)
