package dev.tertulia

import kotlin.math.roundToLong

/**
 * A limit in US dollars: of the application, of [each] user, conversation or run apart, or of that alone whose [key] it is.
 *
 * ```kotlin
 * tertulia.setBudget(Budget.usd(5.0, per = Window.DAY, each = BudgetScope.USER, warnAt = listOf(0.5, 0.8)))
 * ```
 */
public fun Budget.Companion.usd(
    usd: Double,
    per: Window = Window.TOTAL,
    each: BudgetScope = BudgetScope.APPLICATION,
    key: String? = null,
    warnAt: List<Double> = emptyList(),
): Budget {
    // What is no number is refused when the budget is set.
    val nanoUsd = if (usd.isNaN()) -1 else (usd * 1e9).roundToLong()
    return Budget(BudgetLimit.NanoUsd(nanoUsd), per, each, key, warnAt)
}

/** A limit in tokens, those sent in and those written; in all else as [usd]. */
public fun Budget.Companion.tokens(
    tokens: Long,
    per: Window = Window.TOTAL,
    each: BudgetScope = BudgetScope.APPLICATION,
    key: String? = null,
    warnAt: List<Double> = emptyList(),
): Budget = Budget(BudgetLimit.Tokens(tokens), per, each, key, warnAt)

/** A limit in requests; in all else as [usd]. */
public fun Budget.Companion.requests(
    requests: Long,
    per: Window = Window.TOTAL,
    each: BudgetScope = BudgetScope.APPLICATION,
    key: String? = null,
    warnAt: List<Double> = emptyList(),
): Budget = Budget(BudgetLimit.Requests(requests), per, each, key, warnAt)

/** Names the budget: by its scope, key, window and unit, so that budgets that replace each other have one id. */
public val Budget.id: String
    get() = id()
