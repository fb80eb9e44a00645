// Tools: the model asks, your code answers. `send` never runs your code.

import dev.tertulia.*
import kotlinx.coroutines.runBlocking

private val weather = ToolSpec(
    name = "weather",
    description = "The weather in a city",
    parameters = """{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}""",
)

// Without TERTULIA_MODEL the bundled simulator plays a model that asks for the weather.
private const val PLAYED = """echo/sim:tool=weather:{"city":"Cadiz"};text=Warm:%20take%20a%20hat."""

fun main() = runBlocking {
    val tertulia = Tertulia.open("memory:") { model = System.getenv("TERTULIA_MODEL") ?: PLAYED }
    val chat = tertulia.user().newConversation()
    val options = CallOptions(tools = listOf(weather))
    var reply = chat.send("What shall I wear in Cádiz?", options)
    while (reply.toolCalls.isNotEmpty()) {
        val results = reply.toolCalls.map { call ->
            println("${call.name}(${call.arguments})")
            Part.ToolResult(ToolResult(call.id, """{"celsius": 24, "sky": "clear"}"""))
        }
        reply = chat.send(results, options)
    }
    println(reply.text)
    tertulia.shutdown()
}
