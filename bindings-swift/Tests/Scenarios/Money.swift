import Simulator
import Tertulia

/// The verbs of an engine about money and tiers.
func ofMoney(_ engine: Tertulia, _ verb: String, _ step: Words) async throws -> JSON {
    switch verb {
    case "budgets": return try told(try await engine.budgets())
    case "list_budgets": return .list(try await engine.listBudgets().map(described))
    case "set_budget":
        let budget = try step.budget()
        try await engine.setBudget(budget)
        return try described(budget)
    case "remove_budget": try await engine.removeBudget(step.need("budget"))
    case "usage":
        return try told(
            try await engine.usage(by: step.one("by"), after: step.text("after"), limit: Int(step.int("limit") ?? 50)))
    case "forecast": return try told(try await engine.forecast(step.window("window")))
    case "set_tier": try engine.setTier(step.need("name"), step.tier())
    case "remove_tier": engine.removeTier(try step.need("name"))
    case "tiers": return try told(engine.tiers())
    case "assign_tier": try engine.assignTier(step.need("user"), step.text("tier"))
    default: throw Wrong("this runner cannot play `engine.\(verb)`")
    }
    return .null
}

private func described(_ budget: Budget) throws -> JSON {
    .object((try told(budget).object ?? [:]).merging(["id": .text(budget.id())]) { $1 })
}

/// The verbs of a user about money.
func ofMoney(_ user: UserScope, _ verb: String, _ step: Words) async throws -> JSON {
    switch verb {
    case "budgets": return try told(try await user.budgets())
    case "tier": return try told(user.tier() as Any)
    case "usage":
        return try told(
            try await user.usage(by: step.one("by"), after: step.text("after"), limit: Int(step.int("limit") ?? 50)))
    case "forecast": return try told(try await user.forecast(step.window("window")))
    default: throw Wrong("this runner cannot play `user.\(verb)`")
    }
}

extension Words {
    fileprivate func window(_ word: String) throws -> Window {
        guard let window: Window = try one(word) else { throw Wrong("the word `\(word)` is missing") }
        return window
    }

    /// A budget as it is described: one limit, a window, whose.
    fileprivate func budget() throws -> Budget {
        let keys: [(BudgetScope, String)] = [
            try text("user").map { (.user, $0) }, try text("conversation").map { (.conversation, $0) },
            try text("run").map { (.run, $0) },
        ].compactMap { $0 }
        let scope = try keys.last?.0 ?? one("each") ?? .application
        let (per, key) = (try one("per") ?? Window.total, keys.last?.1)
        let warnAt = try list("warn_at")?.compactMap(\.number) ?? []
        let limits: [Budget] = [
            try number("usd").map { .usd($0, per: per, each: scope, key: key, warnAt: warnAt) },
            try int("nano_usd").map {
                Budget(limit: .nanoUsd(nanoUsd: $0), window: per, scope: scope, key: key, warnAt: warnAt)
            },
            try int("tokens").map { .tokens($0, per: per, each: scope, key: key, warnAt: warnAt) },
            try int("requests").map { .requests($0, per: per, each: scope, key: key, warnAt: warnAt) },
        ].compactMap { $0 }
        guard limits.count == 1 else { throw Wrong("a budget has one of usd, nano_usd, tokens and requests") }
        return limits[0]
    }

    fileprivate func tier() throws -> Tier {
        Tier(
            requestsPerMinute: try int("requests_per_minute"), tokensPerMinute: try int("tokens_per_minute"),
            budgets: try list("budgets")?.map { try Words($0, "a budget").budget() } ?? [], models: try texts("models"),
            priority: try one("priority"))
    }
}
