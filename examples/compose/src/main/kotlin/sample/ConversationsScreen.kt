package sample

import androidx.compose.foundation.clickable
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.items
import androidx.compose.material3.Button
import androidx.compose.material3.ListItem
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.LaunchedEffect
import androidx.compose.runtime.collectAsState
import androidx.compose.runtime.getValue
import androidx.compose.runtime.remember
import androidx.compose.ui.Modifier
import androidx.compose.ui.unit.dp
import dev.tertulia.ConversationsState
import dev.tertulia.UserScope

/** The conversations of a user, the latest first. Opening one tells its id; a new one has none yet. */
@Composable
fun ConversationsScreen(user: UserScope, open: (id: String?) -> Unit) {
    val list = remember(user) { ConversationsState(user) }
    LaunchedEffect(list) { list.use { it.run() } }
    val conversations by list.conversations.collectAsState()
    Column(Modifier.fillMaxSize().padding(8.dp)) {
        Button(onClick = { open(null) }) { Text("New") }
        LazyColumn {
            items(conversations, key = { it.id }) { one ->
                ListItem({ Text(one.label()) }, Modifier.clickable { open(one.id) })
            }
        }
    }
}
