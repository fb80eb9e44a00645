package dev.tertulia

/** The words, of a value that is text; nothing of any other. */
public val LibraryEntry.text: String?
    get() = (value as? LibraryValue.Text)?.text

/**
 * Puts a text under the name, as its next version, and gives the version's number.
 *
 * @param expectedVersion only if this version stands there; 0: only if nothing does
 * @throws TertuliaException.Conflict (entry_moved) when another version stands there
 */
public suspend fun Library.put(name: String, text: String, expectedVersion: Long? = null): Long =
    put(name, LibraryValue.Text(text), expectedVersion)

/**
 * The text with `{{name}}` replaced by the value of that name, wherever it stands.
 *
 * ```kotlin
 * tertulia.prompts().get("guide")?.render("who" to "Ana", "place" to "Cádiz")
 * ```
 *
 * @throws TertuliaException.Invalid (missing_value, not_text)
 */
public fun LibraryEntry.render(vararg values: Pair<String, String>): String = render(values.toMap())
