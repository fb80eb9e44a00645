package dev.tertulia

import java.io.File
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.util.concurrent.TimeUnit
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.jsonArray

/**
 * The provider simulator as a process of its own: a real HTTP server that answers by script.
 *
 * @param record whether it keeps what happens, so that it can be asked
 */
class Simulator(record: Boolean = true) : AutoCloseable {
    private val process: Process =
        ProcessBuilder(listOfNotNull(System.getProperty("tertulia.simulator"), "--record".takeIf { record }))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start()
    private val http = HttpClient.newHttpClient()

    /** Where it listens. */
    val url: String = checkNotNull(process.inputStream.bufferedReader().readLine()) { "the simulator did not start" }

    /** It, as a provider of this name. */
    fun provider(name: String = "lab", dialect: String = "openai_chat") =
        ProviderSpec(name, "$url/v1", dialect = dialect)

    /** The requests so far, oldest first. */
    fun requests(): JsonArray = ask("requests").jsonArray

    /** Waits, up to 10 s, until a client has closed a connection in the middle of a reply. */
    fun waitForHangUp() {
        ask("hung_up")
    }

    private fun ask(question: String): JsonElement {
        val request = HttpRequest.newBuilder(URI("$url/_simulator/$question"))
            .timeout(java.time.Duration.ofSeconds(10))
            .build()
        return Json.parseToJsonElement(http.send(request, HttpResponse.BodyHandlers.ofString()).body())
    }

    /** Ends it: it runs as long as its input is open. */
    override fun close() {
        process.outputStream.close()
        if (!process.waitFor(10, TimeUnit.SECONDS)) process.destroyForcibly()
    }
}

/** A file that is gone when the virtual machine is. */
fun temporaryFile(name: String, bytes: ByteArray): File =
    File.createTempFile("tertulia", name).apply { writeBytes(bytes); deleteOnExit() }
