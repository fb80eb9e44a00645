// A provider of your own, as code: a function from a request to a flow. Everything else stays as it is: the message is
// on disk first, the reply streams, and what failed before its first word is asked again.

import dev.tertulia.*
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.asFlow
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.runBlocking

private var awake = false

/** Stands where a model in your own process, or a vendor's library, would stand. */
private suspend fun house(request: ChatRequest): Flow<StreamEventKind> {
    if (!awake) {
        awake = true
        throw failure(ErrorKind.UNAVAILABLE, "asleep", "the clerk is waking up", Retry.After(10))
    }
    val answer = "${request.model} asked ${(request.messages.size + 1) / 2} times; last: ${request.messages.last().text}"
    return answer.split(" ").asFlow().map { StreamEventKind.Text("$it ") }
}

fun main() = runBlocking {
    val tertulia = Tertulia.open("memory:") {
        model = "house/clerk"
        provider("house", answer = ::house)
        provider("shop", models = """{"clerk": {"context_window": 8192}}""", answer = ::house) // what is known of its models
    }
    val chat = tertulia.user("ana").newConversation()
    val reply = chat.send("Are you open?")
    println("${reply.text} (${reply.attempts.size} tries)")
    chat.stream("And on Sunday?", CallOptions(model = "shop/clerk")).text().collect { print(it) }
    println()
    for (model in tertulia.models("shop/*")) println("${model.id} reads ${model.contextWindow} tokens")
    tertulia.shutdown()
}
