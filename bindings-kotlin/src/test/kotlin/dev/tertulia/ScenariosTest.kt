package dev.tertulia

import dev.tertulia.scenarios.Format
import dev.tertulia.scenarios.Wrong
import dev.tertulia.scenarios.play
import java.io.File
import java.util.concurrent.TimeUnit
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.intOrNull
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assumptions.assumeFalse
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.Timeout

/** The scenarios of `tests/scenarios`, which all languages play: its README says what is in them. */
class ScenariosTest {
    private val folder = File(System.getProperty("tertulia.scenarios"))
    private val scenarios = files(folder)
    private val wrong = files(File(folder, "wrong"))
    private val format = Format(folder)
    private val tell = File(System.getProperty("tertulia.tell"))

    private companion object {
        var passed = 0
        var failed = 0
        var leftOut = 0

        @JvmStatic
        @AfterAll
        fun say() = println("kotlin: $leftOut scenarios left out\nkotlin: $passed passed, $failed failed")
    }

    private fun files(folder: File): List<File> =
        folder.listFiles { file -> file.extension == "json" }.orEmpty().sortedBy { it.name }

    @TestFactory
    @Timeout(value = 10, unit = TimeUnit.MINUTES)
    fun `a scenario holds`(): List<DynamicTest> = scenarios.also { leftOut = it.size }.also { tell.deleteRecursively() }.map { file ->
        dynamicTest(file.nameWithoutExtension) {
            assumeFalse(format.lacks(file), "Kotlin lacks a verb of it, or a word: format/verbs.json")
            leftOut--
            failed++
            try {
                val told = play(file, format, setOf("about", "engine", "steps"))
                File(tell, file.name).apply { parentFile.mkdirs() }.writeText(told)
                failed--
                passed++
            } catch (wrong: Wrong) {
                throw AssertionError("${file.name}, step ${wrong.step}: ${wrong.message}", wrong)
            }
        }
    }

    @TestFactory
    fun `a wrong scenario fails where it is wrong and says so`(): List<DynamicTest> = wrong.map { file ->
        dynamicTest(file.nameWithoutExtension) {
            assumeFalse(format.lacks(file), "Kotlin lacks a verb of it: format/verbs.json")
            val expected = Json.parseToJsonElement(file.readText()).jsonObject["wrong"]!!.jsonObject
            val words = setOf("about", "engine", "steps", "wrong")
            val caught = assertThrows(Wrong::class.java) { play(file, format, words) }
            assertEquals(expected["step"]!!.jsonPrimitive.intOrNull, caught.step, caught.message)
            val says = expected["says"]!!.jsonPrimitive.content
            assertTrue(says in caught.message!!, "${caught.message} does not say $says")
        }
    }

    @Test
    fun `the scenarios were found`() {
        assertTrue(scenarios.size >= 5, "only ${scenarios.size} scenarios in $folder")
        assertTrue(wrong.size >= 30, "only ${wrong.size} wrong ones")
    }
}
