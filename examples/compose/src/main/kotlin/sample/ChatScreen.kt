package sample

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.widthIn
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.items
import androidx.compose.foundation.lazy.rememberLazyListState
import androidx.compose.material3.Button
import androidx.compose.material3.HorizontalDivider
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedTextField
import androidx.compose.material3.Surface
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.runtime.Composable
import androidx.compose.runtime.LaunchedEffect
import androidx.compose.runtime.collectAsState
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.setValue
import androidx.compose.runtime.snapshotFlow
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.unit.dp
import dev.tertulia.Role
import dev.tertulia.TimelineItem
import dev.tertulia.TimelineItemKind
import dev.tertulia.text
import kotlinx.coroutines.flow.StateFlow

/** One conversation: its rows, and below them the words that are to be said. */
@Composable
fun ChatScreen(model: ChatModel, back: () -> Unit) {
    // As long as the screen is there: cancelled with it, and run again it goes on where it was.
    LaunchedEffect(model) { model.show() }
    val failure by model.failure.collectAsState()
    Column(Modifier.fillMaxSize().padding(8.dp)) {
        TextButton(onClick = back) { Text("Back") }
        failure?.let { Text(it, Modifier.testTag("failure"), MaterialTheme.colorScheme.error) }
        Rows(model, Modifier.weight(1f))
        Composer(model)
    }
}

@Composable
private fun Rows(model: ChatModel, modifier: Modifier) {
    val ids by model.timeline.ids.collectAsState()
    val list = rememberLazyListState()
    LaunchedEffect(ids.lastOrNull()) { if (ids.isNotEmpty()) list.scrollToItem(ids.lastIndex) }
    // What is seen is kept; at its beginning more is loaded.
    LaunchedEffect(list) {
        snapshotFlow { list.layoutInfo.visibleItemsInfo.map { it.index } }.collect { seen ->
            if (seen.isEmpty()) return@collect
            model.timeline.setVisible(seen.first(), seen.last())
            if (seen.first() == 0) model.loadOlder()
        }
    }
    LazyColumn(modifier.fillMaxWidth().testTag("rows"), list, verticalArrangement = Arrangement.spacedBy(8.dp)) {
        items(ids, key = { it }) { id -> TimelineRow(model.timeline.row(id), model) }
    }
}

/** A row that observes itself alone: a word that arrives draws no other. */
@Composable
private fun TimelineRow(row: StateFlow<TimelineItem?>, model: ChatModel) {
    val item by row.collectAsState()
    when (val kind = item?.kind) {
        is TimelineItemKind.Message -> Bubble(kind, model)
        is TimelineItemKind.DayDivider -> Text(kind.day, style = MaterialTheme.typography.labelSmall)
        is TimelineItemKind.UnreadMarker -> HorizontalDivider()
        is TimelineItemKind.Typing -> Text("…")
        is TimelineItemKind.Gap, null -> Unit
    }
}

@Composable
private fun Bubble(row: TimelineItemKind.Message, model: ChatModel) {
    val isMine = row.message.role == Role.USER
    val colours = MaterialTheme.colorScheme
    Column(Modifier.fillMaxWidth(), horizontalAlignment = if (isMine) Alignment.End else Alignment.Start) {
        Surface(
            color = if (isMine) colours.primaryContainer else colours.surfaceVariant,
            shape = MaterialTheme.shapes.medium,
        ) {
            Text(row.message.text, Modifier.widthIn(max = 480.dp).padding(12.dp))
        }
        row.note()?.let { Text(it, style = MaterialTheme.typography.labelSmall) }
        row.again()?.let { turn -> TextButton(onClick = { model.retry(turn) }) { Text("Try again") } }
        if (row.isRefused()) {
            TextButton(onClick = { model.timeline.dismiss(row.message.id) }) { Text("Dismiss") }
        }
    }
}

@Composable
private fun Composer(model: ChatModel) {
    var words by remember { mutableStateOf("") }
    val call by model.call.collectAsState()
    Row(Modifier.fillMaxWidth().padding(top = 8.dp), verticalAlignment = Alignment.CenterVertically) {
        OutlinedTextField(words, { words = it }, Modifier.weight(1f).testTag("words"))
        if (call != null) {
            Button(onClick = { model.stop() }, Modifier.padding(start = 8.dp)) { Text("Stop") }
        } else {
            val send = {
                model.send(words)
                words = ""
            }
            Button(onClick = send, Modifier.padding(start = 8.dp), enabled = words.isNotBlank()) { Text("Send") }
        }
    }
}
