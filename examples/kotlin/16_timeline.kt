// A live screen: the rows as state. Their list changes rarely, and of an answer only its own row as its words come.

import dev.tertulia.*
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.emptyFlow
import kotlinx.coroutines.flow.filterNotNull
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.flatMapLatest
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking

private const val PLAYED = "echo/sim:text=First%20walk%20the%20old%20town.;chunks=6;delay_ms=60"

private fun line(row: TimelineItem): String = when (val kind = row.kind) {
    is TimelineItemKind.Message -> "${kind.message.role} (${kind.delivery ?: kind.message.status}): ${kind.message.text}"
    is TimelineItemKind.DayDivider -> "-- ${kind.day} --"
    else -> "-- ${kind::class.simpleName} --"
}

private fun isWholeAnswer(row: TimelineItem): Boolean {
    val message = (row.kind as? TimelineItemKind.Message)?.message
    return message?.role == Role.ASSISTANT && message.status == MessageStatus.COMPLETE
}

@OptIn(ExperimentalCoroutinesApi::class)
fun main() = runBlocking {
    val tertulia = Tertulia.open("memory:") { model = System.getenv("TERTULIA_MODEL") ?: PLAYED }
    val me = tertulia.user("ana")
    val chat = me.newConversation()
    val timeline = TimelineState(chat)
    val keeping = launch { timeline.run() }
    val lastRow = timeline.ids.flatMapLatest { ids -> ids.lastOrNull()?.let(timeline::row) ?: emptyFlow() }.filterNotNull()
    val reading = launch { lastRow.onEach { println("last row: ${line(it)}") }.first(::isWholeAnswer) }
    chat.send("What to see in Cádiz?")
    reading.join()
    for (id in timeline.ids.value) timeline.row(id).value?.let { println(line(it)) }

    val list = ConversationsState(me) // the same for the list of conversations
    val listing = launch { list.run() }
    println(list.conversations.first { it.isNotEmpty() }.map { it.lastPreview })
    for (job in listOf(keeping, listing)) job.cancelAndJoin()
    for (state in listOf(timeline, list)) state.close()
    tertulia.shutdown()
}
