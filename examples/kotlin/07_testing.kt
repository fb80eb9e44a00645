// Testing a program that uses Tertulia: the bundled simulator plays a provider, as badly as the model's name says.

import dev.tertulia.*
import kotlinx.coroutines.flow.flowOf
import kotlinx.coroutines.runBlocking

/** The program under test. */
private suspend fun greeting(tertulia: Tertulia, name: String): Reply =
    tertulia.ask("Greet $name in one word.", CallOptions(temperature = 0.0))

private suspend fun aGreetingSurvivesABusyProvider() {
    val tertulia = Tertulia.open("memory:") { model = "echo/sim:status=503;fail=1;text=Hola" }
    val reply = greeting(tertulia, "Ana")
    check(reply.text == "Hola" && reply.attempts.size == 2)
    tertulia.shutdown()
}

private suspend fun aGreetingIsAskedForWithoutChance() {
    val seen = mutableListOf<ChatRequest>() // what a provider of the test's own is asked
    val tertulia = Tertulia.open("memory:") {
        model = "seen/any"
        provider("seen") { request ->
            seen += request
            flowOf(StreamEventKind.Text("Hola"))
        }
    }
    greeting(tertulia, "Ana")
    check(seen.single().sampling.temperature == 0.0)
    check(seen.single().messages.single().text == "Greet Ana in one word.")
    tertulia.shutdown()
}

fun main() = runBlocking {
    aGreetingSurvivesABusyProvider()
    aGreetingIsAskedForWithoutChance()
    println("passed")
}
