package dev.tertulia.scenarios

import dev.tertulia.Tertulia
import dev.tertulia.ask
import kotlinx.serialization.json.JsonObject

/** The verbs of an engine. */
internal suspend fun ofEngine(engine: Tertulia, verb: String, step: JsonObject): Made = when (verb) {
    "close" -> Made(told(engine.shutdown()))
    "user" -> named(engine.user(step.need("id"), step.textMap("keys").orEmpty()))
    "ask" -> Made(told(if ("messages" in step) engine.ask(step.messages(), step.call()) else engine.ask(step.said(), step.call())))
    else -> throw Wrong("this runner cannot play `engine.$verb`")
}
