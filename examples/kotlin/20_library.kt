// The library: prompts of the application and of its users, in versions, and what else is looked up by its name.

import dev.tertulia.*
import kotlinx.coroutines.runBlocking

fun main() = runBlocking {
    val tertulia = Tertulia.open("memory:") { model = System.getenv("TERTULIA_MODEL") ?: "echo/any" }
    val me = tertulia.user("ana")
    tertulia.prompts().put("guide", "You show {{who}} around {{place}}.") // all users see it
    tertulia.library("setting").put("theme", LibraryValue.Json("""{"dark": true}"""))

    val prompt = me.prompts().get("guide")!!
    val chat = me.newConversation(system = prompt.render("who" to "Ana", "place" to "Cádiz"))
    println("${prompt.text} → ${chat.send("Where do we begin?").status}")

    me.prompts().put("guide", "Two tips for {{place}}, no more.") // her own stands before it
    val mine = me.prompts().get("guide")!!
    println("${if (mine.shared) "shared" else "her own"}: ${mine.render("place" to "Cádiz")}")

    val version = tertulia.prompts().put("guide", "You show {{who}} around {{place}}, on foot.")
    println("versions: ${tertulia.prompts().versions("guide").map { it.version }}")
    try {
        tertulia.prompts().put("guide", "…", expectedVersion = version - 1)
    } catch (conflict: TertuliaException.Conflict) {
        println("somebody was faster: ${conflict.info.reason}")
    }

    println("names: ${me.prompts().list().map { it.name }}")
    val theme = me.library("setting").get("theme")?.value as? LibraryValue.Json
    println("theme: ${theme?.json}")

    repeat(8) { me.prompts().get("guide") } // from memory, until somebody changes it in any process
    val health = tertulia.libraryCache().health()
    println("remembered: ${health.entries} values, ${(health.hitRate * 100).toInt()} % of all questions")
    tertulia.shutdown()
}
