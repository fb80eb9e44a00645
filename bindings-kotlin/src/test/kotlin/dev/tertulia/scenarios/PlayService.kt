package dev.tertulia.scenarios

import dev.tertulia.Budget
import dev.tertulia.BudgetLimit
import dev.tertulia.BudgetScope
import dev.tertulia.ProviderHandle
import dev.tertulia.StoreUpkeep
import dev.tertulia.Tertulia
import dev.tertulia.Tier
import dev.tertulia.Window
import dev.tertulia.id
import dev.tertulia.requests
import dev.tertulia.text
import dev.tertulia.tokens
import dev.tertulia.usd
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject

/** The verbs of an engine about money, models and upkeep. */
internal suspend fun ofService(engine: Tertulia, verb: String, step: JsonObject): Made = when (verb) {
    "prompts" -> made(engine.prompts())
    "personas" -> made(engine.personas())
    "councils" -> made(engine.councils())
    "library" -> made(engine.library(step.need("kind")))
    "library_cache" -> made(engine.libraryCache())
    "store" -> made(engine.store())
    "provider" -> made(engine.provider(step.need("name")))
    "stats" -> Made(Json.parseToJsonElement(engine.stats()))
    else -> Made(told(plainly(engine, verb, step)))
}

private suspend fun plainly(engine: Tertulia, verb: String, step: JsonObject): Any? = when (verb) {
    "providers" -> engine.providers()
    "models" -> engine.models(step.text("pattern") ?: "*")
    "load_catalogue" -> engine.loadCatalogue(step.need("path"))
    "reconfigure" -> engine.reconfigure(step.json("settings"), step.textMap("keys").orEmpty(), step.json("catalogue"))
    "warm_up" -> engine.warmUp(step.texts("models")!!)
    "set_budget" -> described(step.budget().also { engine.setBudget(it) })
    "remove_budget" -> engine.removeBudget(step.need("budget"))
    "list_budgets" -> engine.listBudgets().map(::described)
    "budgets" -> engine.budgets()
    "set_tier" -> engine.setTier(step.need("name"), step.tier())
    "remove_tier" -> engine.removeTier(step.need("name"))
    "tiers" -> engine.tiers()
    "assign_tier" -> engine.assignTier(step.need("user"), step.id("tier"))
    "usage" -> engine.usage(step.word("by"), after = step.text("after"), limit = step.int("limit") ?: 50)
    "forecast" -> engine.forecast(step.word("window")!!)
    else -> throw Wrong("this runner cannot play `engine.$verb`")
}

private fun described(budget: Budget) = JsonObject((told(budget) as JsonObject) + ("id" to told(budget.id)))

/** A budget as it is described: one limit, a window, whose. */
private fun JsonObject.budget(): Budget {
    val keys = listOf("user", "conversation", "run").mapNotNull { word -> text(word)?.let { word to it } }
    val each = keys.lastOrNull()?.let { BudgetScope.valueOf(it.first.uppercase()) } ?: word("each") ?: BudgetScope.APPLICATION
    val (per, key) = (word("per") ?: Window.TOTAL) to keys.lastOrNull()?.second
    val warnAt = list("warn_at").orEmpty().map { told(it).toString().toDouble() }
    val limits = listOfNotNull(
        double("usd")?.let { Budget.usd(it, per, each, key, warnAt) },
        long("nano_usd")?.let { Budget(BudgetLimit.NanoUsd(it), per, each, key, warnAt) },
        long("tokens")?.let { Budget.tokens(it, per, each, key, warnAt) },
        long("requests")?.let { Budget.requests(it, per, each, key, warnAt) },
    )
    return limits.singleOrNull() ?: throw Wrong("a budget has one of usd, nano_usd, tokens and requests")
}

private fun JsonObject.tier() = Tier(
    long("requests_per_minute"),
    long("tokens_per_minute"),
    list("budgets").orEmpty().map { (it as? JsonObject ?: throw Wrong("a budget is an object")).budget() },
    texts("models").orEmpty(),
    word("priority"),
)

/** The verbs of a store's upkeep. */
internal suspend fun ofStore(store: StoreUpkeep, verb: String, step: JsonObject): Made = Made(
    told(
        when (verb) {
            "verify" -> store.verify()
            "repair" -> store.repair()
            "storage_report" -> store.storageReport()
            "checkpoint" -> store.checkpoint()
            "vacuum" -> store.vacuum()
            "backup" -> store.backup(step.need("path"))
            else -> throw Wrong("this runner cannot play `store.$verb`")
        },
    ),
)

/** The verbs of a provider. */
internal suspend fun ofProvider(provider: ProviderHandle, verb: String, step: JsonObject): Made = when (verb) {
    "models" -> Made(told(provider.models(step.text("key"))))
    "request" -> {
        val answer = provider.request(step.need("method"), step.need("path"), step.json("body"), step.text("key"))
        val body = runCatching { Json.parseToJsonElement(answer.text) }.getOrNull()
        Made(told(mapOf("status" to answer.status, "body" to body)))
    }
    else -> throw Wrong("this runner cannot play `provider.$verb`")
}
