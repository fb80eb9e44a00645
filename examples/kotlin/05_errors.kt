// Errors: what to do about them stands in their class; what was saved stays saved.

import dev.tertulia.*
import kotlinx.coroutines.runBlocking

// The bundled simulator plays a provider that hangs up in the middle of its first answer.
private const val PLAYED = "echo/sim:text=First%20walk%20the%20old%20town.;cut=2;fail=1"

fun main() = runBlocking {
    val tertulia = Tertulia.open("memory:") { model = System.getenv("TERTULIA_MODEL") ?: PLAYED }
    val chat = tertulia.user().newConversation()
    try {
        println(chat.send("Plan a day in Cádiz").text)
    } catch (error: TertuliaException.Truncated) {
        println("so far: ${error.info.text}")
        error.info.turnId?.let { println("again: ${chat.retry(it).reply().text}") }
    } catch (error: TertuliaException.RateLimited) {
        println("come back in ${error.info.retryAfter}")
    } catch (error: TertuliaException) {
        println(error.info.userMessage)
    }

    try {
        chat.send("hi", CallOptions(model = "nobody/nothing"))
    } catch (error: TertuliaException.Invalid) {
        println("${error.info.reason} - ${error.info.detail}")
    }
    tertulia.shutdown()
}
