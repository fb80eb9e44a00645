package dev.tertulia.scenarios

import dev.tertulia.Tertulia
import dev.tertulia.ask
import kotlinx.serialization.json.JsonObject

/** The verbs of an engine. */
internal suspend fun ofEngine(engine: Tertulia, verb: String, step: JsonObject): Made = when (verb) {
    "close" -> Made(told(engine.shutdown()))
    "user" -> named(engine.user(step.need("id"), step.textMap("keys").orEmpty()))
    "ask" -> Made(told(if ("messages" in step) engine.ask(step.messages(), step.call()) else engine.ask(step.said(), step.call())))
    "suspend" -> Made(told(engine.suspend()))
    "resume" -> Made(told(engine.resume()))
    "network_changed" -> Made(told(engine.networkChanged()))
    "set_low_power" -> Made(told(engine.setLowPower(step.flag("low") ?: false)))
    "events" -> made(engine.eventReader())
    "health" -> Made(told(engine.health()))
    else -> ofService(engine, verb, step)
}
