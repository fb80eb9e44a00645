package sample

import androidx.lifecycle.ViewModel
import androidx.lifecycle.viewModelScope
import dev.tertulia.CallOptions
import dev.tertulia.Conversation
import dev.tertulia.ReplyStream
import dev.tertulia.TertuliaException
import dev.tertulia.TimelineState
import dev.tertulia.info
import dev.tertulia.stream
import kotlinx.coroutines.Job
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.launch

/**
 * One conversation, for as long as its screen may come back. What is said and answered is shown by the rows of the timeline;
 * here is only what a person does.
 */
class ChatModel(private val chat: Conversation) : ViewModel() {
    /** The rows. */
    val timeline = TimelineState(chat)

    private val failed = MutableStateFlow<String?>(null)
    private val asking = MutableStateFlow<Job?>(null)

    /** What went wrong and stands in no row, for a person to read. */
    val failure: StateFlow<String?> = failed.asStateFlow()

    /** The call that is under way; nothing when there is none. */
    val call: StateFlow<Job?> = asking.asStateFlow()

    /** Keeps the rows up to date, as long as the screen is there. */
    suspend fun show() = reading { timeline.run() }

    /** Loads older rows, when there are any. */
    suspend fun loadOlder() = reading { timeline.loadOlder() }

    /** Says it. A message that cannot be sent now is kept, and sent when its provider is back. */
    fun send(text: String) = ask { chat.stream(text, CallOptions(degrade = true)) }

    /** Asks again for an answer that broke off, was stopped, or never came. */
    fun retry(turnId: String) = ask { chat.retry(turnId, CallOptions(degrade = true)) }

    /** Stops the answer; what had arrived is kept. */
    fun stop() {
        asking.value?.cancel()
    }

    private fun ask(stream: suspend () -> ReplyStream) {
        if (asking.value?.isActive == true) return
        val job = viewModelScope.launch {
            try {
                failed.value = null
                stream().use { it.reply() }
            } catch (failure: TertuliaException) {
                // Why a message that is kept was not answered stands in its row.
                if (!failure.info.saved) failed.value = failure.info.userMessage
            }
        }
        asking.value = job
        job.invokeOnCompletion { asking.compareAndSet(job, null) }
    }

    private suspend fun reading(read: suspend () -> Unit) {
        try {
            failed.value = null
            read()
        } catch (failure: TertuliaException) {
            failed.value = failure.info.userMessage
        }
    }

    /** The screen does not come back. */
    override fun onCleared() {
        timeline.close()
    }
}
