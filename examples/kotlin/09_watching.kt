// Watching an engine: what happens, how long it takes, how it is; and other settings while it works.

import dev.tertulia.*
import kotlin.time.Duration.Companion.minutes
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.jsonObject

// The bundled simulator plays a provider that fails twice before it answers.
private const val PLAYED = "echo/sim:text=First%20walk%20the%20old%20town.;status=503;fail=2"

fun main() = runBlocking {
    val tertulia = Tertulia.open("memory:") {
        model = PLAYED
        settings = Settings("""{"retry": {"base_delay_ms": 10}}""")
    }
    val watching = launch(start = CoroutineStart.UNDISPATCHED) { // it hears what happens from here on
        tertulia.events().onEach { event ->
            val kind = event.kind
            if (kind is EngineEventKind.RetryScheduled) println("try ${kind.attempt} for ${event.owner} after ${kind.reason}")
        }.first { (it.kind as? EngineEventKind.TurnChanged)?.state == TurnState.DONE }
    }
    println(tertulia.user("ana").newConversation().send("Plan a day in Cádiz").text)
    watching.join()

    // The figures are JSON, for any parser.
    val total = Json.parseToJsonElement(tertulia.stats(1.minutes)).jsonObject.getValue("total").jsonObject
    println("${total["calls"]} call, ${total["retries"]} retries, success rate ${total["success_rate"]}")
    fun median(figure: String) = total.getValue(figure).jsonObject["p50"]
    println("first words after ${median("first_delta_ms")} ms, ${median("added_ms")} ms of them ours")

    // Calls that begin from now on see it; those under way end as they began.
    tertulia.reconfigure("""{"retry": {"max_attempts": 3}, "network": {"total_timeout_ms": 30000}}""")
    val health = tertulia.health()
    println("store ${health.store.state} - ${health.providers.joinToString { "${it.name} ${it.state}" }}")
    tertulia.shutdown()
}
