package dev.tertulia

import java.io.File
import java.util.concurrent.TimeUnit
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.Timeout
import org.junit.jupiter.api.io.TempDir

/** What each example says that is run as it stands; the first two have tests of their own. */
private val TOLD = mapOf(
    "04" to listOf("""weather({"city":"Cadiz"})""", "Warm: take a hat."),
    "05" to listOf("so far: First", "again: First walk the old town.", "unknown_provider - "),
    "06" to listOf("Cádiz: 6 messages", "[USER: Question 0, ASSISTANT: ", "somebody else's: 0"),
    "07" to listOf("passed"),
    "08" to listOf(
        "clerk asked 1 times; last: Are you open?  (2 tries)",
        "clerk asked 2 times; last: And on Sunday?",
        "shop/clerk reads 8192 tokens",
    ),
    "09" to listOf(
        "try 3 for ana after",
        "old town",
        "1 call, 2 retries, success rate 1.0",
        "ms of them ours",
        "store OK - echo OK",
    ),
    "10" to listOf(
        "USER 2/2: Plan two days",
        "ASSISTANT 1/2: ",
        "branches: [2, 2, 2]",
        "another message by now",
        "0 shown here, 2 in the copy",
    ),
    "11" to listOf(
        "A long talk: 10000 messages, the last of them Answer 4999",
        "[Question 2500, Answer 2500, ",
        "longest: 13",
        "changed: false",
    ),
    "12" to listOf(
        "Ana prefers {theme=dark}",
        "[Taxes, Lisbon, Cádiz] and in the archive [Last year]",
        "trips: [Lisbon, Cádiz]",
        "changed: false",
        "ends by itself: true",
    ),
    "13" to listOf(
        "in [Cádiz]?  (on another branch)",
        "eat [salmorejo in Córdoba]?",
        "parse[Http]Request",
        "東京[タワー]",
        "best of several: true, there are more: true",
        "somebody else's: 0",
    ),
    "14" to listOf("backed up: true", "2 messages in 1 conversation, sound: true", "closed: suspended", "rainy day"),
    "15" to listOf(
        "1 conversation, 4 messages",
        "would add: 4",
        "0 added, 4 here already",
        "branches: 2 - shown: Plan a rainy day",
        "MESSAGES: 1 message, and item 2: a message has no role that is known",
    ),
    "16" to listOf(
        "last row: ASSISTANT (",
        "\n-- 2",
        "\nUSER (SENT): What to see in Cádiz?",
        "\nASSISTANT (COMPLETE): First walk the old town.",
        "[First walk the old town.]",
    ),
    "19" to listOf(
        "7 items done; in the file: 2 conversations",
        "nothing is pinned: item 0 (update)",
        "OVER: ",
        "5 done, 2 refused; the first of them: item 0",
    ),
    "20" to listOf(
        "her own: Two tips for Cádiz, no more.",
        "versions: [2, 1]",
        "somebody was faster: entry_moved",
        "names: [guide]",
        """theme: {"dark":true}""",
        "remembered: 4 values",
    ),
)

/** What only Python has. */
private val OF_PYTHON = setOf("03", "17", "18")

/** The examples in `examples/kotlin` are run as a reader would: each as a process of its own, in a folder of its own. */
@Timeout(120)
class ExamplesTest {
    @TempDir
    lateinit var folder: File

    private val root = File(System.getProperty("tertulia.root"))
    private val examples =
        root.resolve("examples/kotlin").listFiles { file -> file.extension == "kt" }!!.sorted().associateBy { it.name.take(2) }

    private fun home(number: String) = folder.resolve(number).apply { mkdirs() }

    private fun assertTells(number: String, told: List<String>, vararg variables: Pair<String, String>) {
        val program = ProcessBuilder(
            "${System.getProperty("java.home")}/bin/java",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            "-Dfile.encoding=UTF-8",
            "-Dstdout.encoding=UTF-8",
            "-Djna.library.path=${System.getProperty("jna.library.path")}",
            "-cp",
            System.getProperty("java.class.path"),
            "_${examples.getValue(number).nameWithoutExtension}Kt",
        )
        program.environment().keys.retainAll(setOf("PATH", "SYSTEMROOT", "LANG", "LC_ALL"))
        program.environment() += variables
        val (out, errors) = listOf("out", "errors").map { folder.resolve("$number.$it") }
        val process = program.directory(home(number)).redirectOutput(out).redirectError(errors).start()
        process.outputStream.close()
        if (!process.waitFor(60, TimeUnit.SECONDS)) process.destroyForcibly().waitFor()
        assertEquals(0 to "", process.exitValue() to errors.readText(), "$number: ${out.readText()}")
        for (words in told) assertTrue(words in out.readText(), "$number does not say `$words`: ${out.readText()}")
    }

    @TestFactory
    @Timeout(value = 10, unit = TimeUnit.MINUTES)
    fun `an example runs`(): List<DynamicTest> =
        TOLD.map { (number, told) -> dynamicTest(examples[number]?.name ?: number) { assertTells(number, told) } }

    @Test
    fun `the chat keeps and continues the conversation`() {
        assertTells("01", listOf("hello from Cádiz"), "MESSAGE" to "hello from Cádiz")
        assertTells("01", listOf("user> hello from Cádiz", "3 messages"), "MESSAGE" to "and again")
    }

    @Test
    fun `the example of the readme runs`() = Simulator().use { simulator ->
        home("02").resolve("tower.jpg").writeBytes(byteArrayOf(-1, -40, -1, -32))
        val address = "TERTULIA_ANTHROPIC_BASE_URL" to "${simulator.url}/v1"
        assertTells("02", listOf("Cádiz", "\$0."), address, "ANTHROPIC_API_KEY" to "sk-test")
        val (first, second) = simulator.requests().map { "$it" }
        assertTrue("sk-test" in first && "/v1/messages" in first, first)
        assertTrue("image/jpeg" in second, second)
        assertTrue(home("02").resolve("chat.db").exists())
    }

    @Test
    fun `the example of the readme is the one that is run`() {
        val block = root.resolve("README.md").readText().substringAfter("```kotlin\n").substringBefore("```")
        assertTrue(block.trimEnd().prependIndent("    ") in examples.getValue("02").readText(), block)
    }

    @Test
    fun `every example is run and listed, and has a sibling in Python`() {
        assertEquals(setOf("01", "02") + TOLD.keys, examples.keys)
        val ofPython = root.resolve("examples/python").listFiles { file -> file.extension == "py" }!!
            .map { it.nameWithoutExtension }.filterNot { it.take(2) in OF_PYTHON }
        assertEquals(ofPython.sorted(), examples.values.map { it.nameWithoutExtension })
        val page = root.resolve("examples/kotlin/README.md").readText()
        for (example in examples.values) assertTrue("`${example.name}`" in page, example.name)
    }
}
