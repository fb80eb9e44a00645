@file:OptIn(ExperimentalTestApi::class)

package sample

import androidx.compose.runtime.CompositionLocalProvider
import androidx.compose.ui.graphics.toAwtImage
import androidx.compose.ui.test.ComposeUiTest
import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.test.captureToImage
import androidx.compose.ui.test.hasTestTag
import androidx.compose.ui.test.hasText
import androidx.compose.ui.test.onNodeWithTag
import androidx.compose.ui.test.onNodeWithText
import androidx.compose.ui.test.onRoot
import androidx.compose.ui.test.performClick
import androidx.compose.ui.test.performTextInput
import androidx.compose.ui.test.runComposeUiTest
import androidx.compose.ui.test.waitUntilAtLeastOneExists
import androidx.compose.ui.test.waitUntilDoesNotExist
import androidx.lifecycle.Lifecycle
import androidx.lifecycle.LifecycleOwner
import androidx.lifecycle.LifecycleRegistry
import androidx.lifecycle.compose.LocalLifecycleOwner
import dev.tertulia.CallOptions
import dev.tertulia.Delivery
import dev.tertulia.ErrorKind
import dev.tertulia.Settings
import dev.tertulia.StreamEventKind
import dev.tertulia.Tertulia
import dev.tertulia.TertuliaException
import dev.tertulia.TimelineItemKind
import dev.tertulia.failure
import dev.tertulia.info
import dev.tertulia.open
import dev.tertulia.send
import java.io.File
import javax.imageio.ImageIO
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows

/** How long a real engine and a slow machine may take for what is waited for. */
private const val PATIENCE_MS = 20_000L

/** The app as a person uses it, drawn without a window, on a real engine. The model that answers is code of the test. */
class AppTest {
    private val stopped = CompletableDeferred<Unit>()
    private var fails = 1

    private suspend fun engine() = Tertulia.open("memory:") {
        model = "house/any"
        settings = Settings("""{"profile": "mobile", "retry": {"max_attempts": 1}, "breaker": {"enabled": false}}""")
        provider("house") { request ->
            val said = request.messages.last().parts.toString()
            flow {
                when {
                    "fail" in said && fails-- > 0 -> throw failure(ErrorKind.CONTENT_FILTERED, "not_today", "as it was told")
                    "story" in said -> {
                        emit(StreamEventKind.Text("Once upon a time"))
                        try {
                            awaitCancellation()
                        } finally {
                            stopped.complete(Unit)
                        }
                    }
                    else -> emit(StreamEventKind.Text("An answer"))
                }
            }
        }
    }

    private fun played(play: suspend ComposeUiTest.(Tertulia) -> Unit) {
        val tertulia = runBlocking { engine() }
        try {
            runComposeUiTest { runBlocking { play(tertulia) } }
        } finally {
            runBlocking { tertulia.shutdown() }
        }
    }

    private fun ComposeUiTest.seen(words: String) = waitUntilAtLeastOneExists(hasText(words), PATIENCE_MS)

    private fun ComposeUiTest.say(words: String) {
        onNodeWithTag("words").performTextInput(words)
        onNodeWithText("Send").performClick()
    }

    private fun ComposeUiTest.picture(name: String) {
        val file = File(System.getProperty("sample.pictures"), "$name.png")
        ImageIO.write(onRoot().captureToImage().toAwtImage(), "png", file)
        assertTrue(file.length() > 1_000, "nothing was drawn")
    }

    @Test
    fun `what is said and answered is on the screen and in the list`() = played { tertulia ->
        setContent { App(tertulia) }
        onNodeWithText("New").performClick()
        say("Hello")
        seen("An answer")
        onNodeWithText("Hello").assertExists()
        seen("Send")
        picture("chat")
        onNodeWithText("Back").performClick()
        seen("An answer")
        onNodeWithText("An answer").performClick()
        seen("Hello")
    }

    @Test
    fun `an answer that is stopped keeps what had come and can be asked for again`() = played { tertulia ->
        setContent { App(tertulia) }
        onNodeWithText("New").performClick()
        say("A story")
        seen("Once upon a time")
        onNodeWithText("Stop").performClick()
        seen("Stopped")
        stopped.await()
        onNodeWithText("Once upon a time").assertExists()
        onNodeWithText("Try again").performClick()
        seen("Stop")
        waitUntilDoesNotExist(hasText("Stopped"), PATIENCE_MS)
        onNodeWithText("Stop").performClick()
        seen("Stopped")
    }

    @Test
    fun `an answer that failed says why and comes when it is asked for again`() = played { tertulia ->
        setContent { App(tertulia) }
        onNodeWithText("New").performClick()
        say("fail once")
        seen("Try again")
        picture("failed")
        onNodeWithText("Try again").performClick()
        seen("An answer")
        waitUntilDoesNotExist(hasText("Try again"), PATIENCE_MS)
    }

    @Test
    fun `a message that was refused says so and is nowhere`() = played { tertulia ->
        val chat = tertulia.user().newConversation(model = "nobody/nothing")
        setContent { ChatScreen(ChatModel(chat)) {} }
        say("Hello")
        waitUntilAtLeastOneExists(hasTestTag("failure"), PATIENCE_MS)
        onNodeWithText("Hello").assertDoesNotExist()
    }

    @Test
    fun `a row that is kept nowhere can only be taken off the screen`() = played { tertulia ->
        val chat = tertulia.user().newConversation().also { it.send("Hello") }
        val said = chat.history().items.first()
        val refused = assertThrows<TertuliaException> { chat.send("Hello", CallOptions(model = "nobody/nothing")) }
        val row = TimelineItemKind.Message(said, Delivery.FAILED, refused.info)
        assertEquals(refused.info.userMessage, row.note())
        assertTrue(row.isRefused() && row.again() == null)
        assertTrue(row.copy(error = refused.info.copy(saved = true)).let { !it.isRefused() && it.again() == said.turnId })
    }

    @Test
    fun `the engine rests while nobody sees the app and the screen goes on afterwards`() = played { tertulia ->
        val phone = object : LifecycleOwner {
            override val lifecycle = LifecycleRegistry.createUnsafe(this)
        }
        phone.lifecycle.currentState = Lifecycle.State.RESUMED
        setContent { CompositionLocalProvider(LocalLifecycleOwner provides phone) { AppThatRests(tertulia) } }
        onNodeWithText("New").performClick()
        say("Hello")
        seen("An answer")
        seen("Send")
        phone.lifecycle.currentState = Lifecycle.State.CREATED
        waitUntil("it rests", PATIENCE_MS) { rests(tertulia) }
        phone.lifecycle.currentState = Lifecycle.State.RESUMED
        waitUntil("it is awake", PATIENCE_MS) { !rests(tertulia) }
        say("And again")
        seen("And again")
        onNodeWithText("Hello").assertExists()
    }

    private fun rests(tertulia: Tertulia) = runBlocking {
        try {
            tertulia.user().listConversations()
            false
        } catch (resting: TertuliaException.Closed) {
            true
        }
    }
}
