package sample

import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Surface
import androidx.compose.runtime.Composable
import androidx.compose.runtime.DisposableEffect
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.rememberCoroutineScope
import androidx.compose.runtime.setValue
import androidx.compose.ui.window.Window
import androidx.compose.ui.window.application
import androidx.lifecycle.ViewModelStore
import androidx.lifecycle.compose.LifecycleStartEffect
import dev.tertulia.Settings
import dev.tertulia.Tertulia
import dev.tertulia.bindTo
import dev.tertulia.open
import kotlinx.coroutines.runBlocking

/** The list of conversations, and the one that is open. */
@Composable
fun App(tertulia: Tertulia) {
    val user = remember(tertulia) { tertulia.user() }
    var open by remember { mutableStateOf<ChatModel?>(null) }
    val models = remember { ViewModelStore() }
    DisposableEffect(models) { onDispose { models.clear() } }
    MaterialTheme {
        Surface {
            val shown = open
            if (shown != null) {
                ChatScreen(shown) { models.clear().also { open = null } }
            } else {
                ConversationsScreen(user) { id ->
                    open = ChatModel(id?.let(user::conversation) ?: user.newConversation()).also { models.put("chat", it) }
                }
            }
        }
    }
}

/** The app, whose engine rests while nobody sees it: it holds no file and no lock then, as phones ask for. */
@Composable
fun AppThatRests(tertulia: Tertulia) {
    val scope = rememberCoroutineScope()
    val life = remember(tertulia) { tertulia.bindTo(scope) }
    LifecycleStartEffect(life) {
        life.onStart()
        onStopOrDispose { life.onStop() }
    }
    App(tertulia)
}

/** The app in a window. On Android an activity sets the same content, and opens with `Tertulia.open(context) { … }`. */
fun main() {
    val model = System.getenv("TERTULIA_MODEL") ?: "anthropic/claude-sonnet-4-5"
    val tertulia = runBlocking {
        Tertulia.open("chats.db") {
            this.model = model
            settings = Settings.mobile()
        }
    }
    application {
        Window(onCloseRequest = ::exitApplication, title = "Tertulia") { AppThatRests(tertulia) }
    }
    runBlocking { tertulia.shutdown() }
}
