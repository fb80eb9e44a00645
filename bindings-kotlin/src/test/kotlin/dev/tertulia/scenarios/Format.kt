package dev.tertulia.scenarios

import java.io.File
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive

/** The words that any step may have. */
private val ANY = setOf("as", "expect", "fails")

/** What scenarios may say: `format/verbs.json`, which all runners read. */
internal class Format(folder: File) {
    private val format = Json.parseToJsonElement(File(folder, "format/verbs.json").readText()).jsonObject
    private val verbs = format["verbs"]!!.jsonObject
    private val missing = format["missing"]!!.jsonObject["kotlin"]!!.jsonObject

    /** The kind of handle that a verb gives, if it does. */
    fun gives(verb: String, kind: String?): String? =
        verbs[key(verb, kind)]?.jsonObject?.get("gives")?.jsonPrimitive?.content

    /**
     * Refuses a step whose verb does not exist, at all or for what it is done with, and words that its verb does not
     * know.
     */
    fun check(step: JsonObject, kind: String?, subject: String?) {
        val name = (step["do"] as? JsonPrimitive)?.content ?: ""
        val verb = verbs[key(name, kind)]?.jsonObject?.takeUnless { "word" in it }
        if (verb == null) {
            val elsewhere = verbs.keys.any { "." in it && it.substringAfter(".") == name }
            throw Wrong(
                when {
                    subject != null && elsewhere -> "`$name` is no verb of `$subject`"
                    elsewhere -> "`$name` lacks the word `in`"
                    else -> "the verb `$name` is unknown"
                },
            )
        }
        val needed = listed(verb, "needs") + "do" + listOfNotNull(kind?.let { "in" })
        known(step, needed, listed(verb, "may") + ANY)
        for (word in listOf("options", "change")) {
            val given = step[word] ?: continue
            val set = verb[word]?.jsonPrimitive?.content ?: continue
            known(given as? JsonObject ?: throw Wrong("`$word` must be an object"), setOf(), words(word, set))
        }
    }

    /** Refuses words that an engine is not made with. */
    fun checkEngine(words: JsonObject) = known(words, setOf(), words("options", "open"))

    /** Whether Kotlin lacks a verb of a scenario, by what its steps have made, or a word of it. The list can only shrink. */
    fun lacks(file: File): Boolean {
        val kinds = mutableMapOf<String, String>()
        val steps = Json.parseToJsonElement(file.readText()).jsonObject["steps"]!!.jsonArray.map { it.jsonObject }
        return file.nameWithoutExtension in listed(missing, "scenarios") || steps.any { step ->
            val verb = step["do"]!!.jsonPrimitive.content
            val kind = step["in"]?.let { kinds[it.jsonPrimitive.content] ?: "?" }
            gives(verb, kind)?.let { made -> step["as"]?.let { kinds[it.jsonPrimitive.content] = made } }
            key(verb, kind) in listed(missing, "verbs")
        }
    }

    private fun key(verb: String, kind: String?) = if (kind == null) verb else "$kind.$verb"

    private fun words(record: String, set: String) = listed(format[record]!!.jsonObject, set)

    private fun listed(record: JsonObject, word: String): Set<String> =
        (record[word] ?: JsonArray(emptyList<JsonElement>())).jsonArray.map { it.jsonPrimitive.content }.toSet()
}

/** Refuses words that are not known, and the lack of those that are needed. */
internal fun known(words: JsonObject, needed: Set<String>, more: Set<String>) {
    (words.keys - needed - more).firstOrNull()?.let { throw Wrong("the word `$it` is unknown") }
    (needed - words.keys).firstOrNull()?.let { throw Wrong("the word `$it` is missing") }
}
