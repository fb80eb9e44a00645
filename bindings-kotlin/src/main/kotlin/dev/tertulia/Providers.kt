package dev.tertulia

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.flow.Flow

/**
 * A provider that is code of yours: a model on this device, a vendor's library, a script for tests. Its models are
 * `name/anything`.
 *
 * ```kotlin
 * val house = provider("house") { request ->
 *     flow { emit(StreamEventKind.Text("You said: " + request.messages.last().text)) }
 * }
 * val tertulia = Tertulia.open("chat.db") { provider(house); model = "house/any" }
 * ```
 *
 * The normal end of the flow says that the answer is whole. It is cancelled when nobody waits for the answer any more, and it
 * is collected only as fast as the answer is read. What it may emit, and what becomes of exceptions: [ProviderCode.answer].
 *
 * @param models what its models can do and cost, as a JSON object by their bare names; `*` stands for all not listed
 */
public fun provider(
    name: String,
    models: String? = null,
    answer: suspend (request: ChatRequest) -> Flow<StreamEventKind>,
): Provider = Provider(name, FlowCode(name, answer), models)

private class FlowCode(
    private val name: String,
    private val answer: suspend (ChatRequest) -> Flow<StreamEventKind>,
) : ProviderCode {
    override suspend fun answer(request: ChatRequest, reply: OwnReply): Unit = reply.use {
        try {
            answer(request).collect { event ->
                if (!reply.give(event)) throw CancellationException("nobody waits for the answer any more")
            }
        } catch (known: TertuliaException) {
            throw known
        } catch (cancelled: CancellationException) {
            throw cancelled
        } catch (thrown: Throwable) {
            // Its words, which may hold anything, stay here.
            val detail = "the code of provider `$name` threw ${thrown.javaClass.name}"
            throw failure(ErrorKind.UNAVAILABLE, "provider_failed", detail)
        }
    }
}
