import Foundation
import TertuliaFFI

extension Tertulia {
    /// The budgets of the application: what is spent, reserved and left of each.
    ///
    /// - Throws: ``TertuliaError``: `storage`, `closed`.
    public func budgets() async throws -> [BudgetStatus] {
        try await calling { [handle] in try await handle.budgets(cancel: $0) }
    }

    /// Sets a limit that no call overshoots; one with the same scope, key, window and unit is replaced, what was spent
    /// stays.
    ///
    /// - Throws: ``TertuliaError``: `invalid`, `storage`, `closed`.
    public func setBudget(_ budget: Budget) async throws {
        try await calling { [handle] in try await handle.setBudget(budget: budget, cancel: $0) }
    }

    /// Takes a budget away, by its id.
    ///
    /// - Throws: ``TertuliaError``: `notFound`, `storage`, `closed`.
    public func removeBudget(_ id: String) async throws {
        try await calling { [handle] in try await handle.removeBudget(id: id, cancel: $0) }
    }

    /// Every budget that is set.
    ///
    /// - Throws: ``TertuliaError``: `storage`, `closed`.
    public func listBudgets() async throws -> [Budget] {
        try await calling { [handle] in try await handle.listBudgets(cancel: $0) }
    }

    /// What all spent: since a moment, until another one, in all or by model, day, conversation or user; 1 to 200 rows, and
    /// more behind the last key.
    ///
    /// - Throws: ``TertuliaError``: `invalid`, `storage`, `closed`.
    public func usage(
        by: UsageBy? = nil, since: Date? = nil, until: Date? = nil, after: String? = nil, limit: Int = 50
    ) async throws -> UsageReport {
        try await calling { [handle] in
            try await handle.usage(
                by: by, since: since, until: until, after: after, limit: Int32(clamping: limit), cancel: $0)
        }
    }

    /// What all will have spent in this window at its end: an hour, a day, a week or a month.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_window), `storage`, `closed`.
    public func forecast(_ window: Window) async throws -> Forecast {
        try await calling { [handle] in try await handle.forecast(window: window, cancel: $0) }
    }

    /// Describes a tier of users, as of now: their limits, budgets, models and place in the queue.
    ///
    /// - Throws: ``TertuliaError``: `invalid`.
    public func setTier(_ name: String, _ tier: Tier) throws {
        try failing { try handle.setTier(name: name, tier: tier) }
    }

    /// Takes a tier away; its users have none from then on.
    public func removeTier(_ name: String) {
        handle.removeTier(name: name)
    }

    /// The tiers by name.
    public func tiers() -> [String: Tier] {
        handle.tiers()
    }

    /// Puts a user into a tier, or (nothing) out of any.
    ///
    /// - Throws: ``TertuliaError``: `invalid`, `notFound`.
    public func assignTier(_ user: String, _ tier: String?) throws {
        try failing { try handle.assignTier(user: user, tier: tier) }
    }
}

extension UserScope {
    /// The budgets of this user: what is spent, reserved and left of each.
    ///
    /// - Throws: ``TertuliaError``: `storage`, `closed`.
    public func budgets() async throws -> [BudgetStatus] {
        try await calling { [handle] in try await handle.budgets(cancel: $0) }
    }

    /// What this user spent: since a moment, until another one, in all or by model, day, conversation or user; 1 to 200 rows, and
    /// more behind the last key.
    ///
    /// - Throws: ``TertuliaError``: `invalid`, `storage`, `closed`.
    public func usage(
        by: UsageBy? = nil, since: Date? = nil, until: Date? = nil, after: String? = nil, limit: Int = 50
    ) async throws -> UsageReport {
        try await calling { [handle] in
            try await handle.usage(
                by: by, since: since, until: until, after: after, limit: Int32(clamping: limit), cancel: $0)
        }
    }

    /// What this user will have spent in this window at its end: an hour, a day, a week or a month.
    ///
    /// - Throws: ``TertuliaError``: `invalid` (bad_window), `storage`, `closed`.
    public func forecast(_ window: Window) async throws -> Forecast {
        try await calling { [handle] in try await handle.forecast(window: window, cancel: $0) }
    }

    /// The tier of this user, when one was assigned.
    public func tier() -> String? {
        handle.tier()
    }
}

extension Conversation {
    /// The budgets of this conversation: what is spent, reserved and left of each.
    ///
    /// - Throws: ``TertuliaError``: `storage`, `closed`.
    public func budgets() async throws -> [BudgetStatus] {
        try await calling { [handle] in try await handle.budgets(cancel: $0) }
    }
}

extension Budget {
    /// A limit in US dollars: in each window, for the application or each one apart, or (`key`) for one user, conversation
    /// or run; alerts at these shares of it.
    public static func usd(
        _ usd: Double, per window: Window = .total, each scope: BudgetScope = .application, key: String? = nil,
        warnAt: [Double] = []
    ) -> Budget {
        // What is no number, or too large for one, is refused when the budget is set.
        let nanoUsd = Int64(exactly: (usd * 1e9).rounded()) ?? -1
        return Budget(limit: .nanoUsd(nanoUsd: nanoUsd), window: window, scope: scope, key: key, warnAt: warnAt)
    }

    /// A limit in tokens; in all else as in dollars.
    public static func tokens(
        _ tokens: Int64, per window: Window = .total, each scope: BudgetScope = .application, key: String? = nil,
        warnAt: [Double] = []
    ) -> Budget {
        Budget(limit: .tokens(tokens: tokens), window: window, scope: scope, key: key, warnAt: warnAt)
    }

    /// A limit in requests; in all else as in dollars.
    public static func requests(
        _ requests: Int64, per window: Window = .total, each scope: BudgetScope = .application, key: String? = nil,
        warnAt: [Double] = []
    ) -> Budget {
        Budget(limit: .requests(requests: requests), window: window, scope: scope, key: key, warnAt: warnAt)
    }
}
