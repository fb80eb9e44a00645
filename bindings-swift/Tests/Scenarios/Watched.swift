import Foundation
import Simulator
import Tertulia

/// The rows of a screen, as the last batch has left them.
final class Rows<Source: Sendable, Row>: @unchecked Sendable {
    let source: Source
    var rows: [Row] = []

    init(_ source: Source) {
        self.source = source
    }
}

func ofTimeline(_ shown: Rows<Timeline, TimelineItem>, _ verb: String, _ step: Words) async throws -> JSON {
    let timeline = shown.source
    switch verb {
    case "next":
        return try await until(step, rows: { try told(shown.rows) }) {
            guard let diffs = try await timeline.next() else { return false }
            for diff in diffs { diff.apply(to: &shown.rows) }
            return true
        }
    case "load_older": return .bool(try await timeline.loadOlder(Int(step.int("count") ?? 50)))
    case "load_newer": return .bool(try await timeline.loadNewer(Int(step.int("count") ?? 50)))
    case "focus": try await timeline.focus(step.focus())
    case "set_read": try await timeline.setRead(step.text("upto"))
    case "set_visible": timeline.setVisible(Int(try step.int("first") ?? 0), Int(try step.int("last") ?? 0))
    case "dismiss": return .bool(try timeline.dismiss(step.need("message")))
    case "sse":
        let beats = try step.int("heartbeat_s").map { $0 * 1000 }
        for try await piece in timeline.sse(heartbeatMs: beats, detail: try step.bool("detail") ?? false) {
            let lines = String(decoding: piece, as: UTF8.self).split(separator: "\n")
            if let line = lines.first(where: { $0.hasPrefix("data: ") }) {
                return try JSON(parsing: String(line.dropFirst(6)))
            }
        }
    default: throw Wrong("this runner cannot play `timeline.\(verb)`")
    }
    return .null
}

func ofConversationsWatch(
    _ shown: Rows<ConversationsWatch, ConversationSummary>, _ verb: String, _ step: Words
) async throws -> JSON {
    switch verb {
    case "next":
        return try await until(step, rows: { try told(shown.rows) }) {
            guard let diffs = try await shown.source.next() else { return false }
            for diff in diffs { diff.apply(to: &shown.rows) }
            return true
        }
    case "load_older": return .bool(try await shown.source.loadOlder(Int(step.int("count") ?? 50)))
    default: throw Wrong("this runner cannot play `conversations_watch.\(verb)`")
    }
}

func ofOutbox(_ outbox: Outbox, _ verb: String, _ step: Words) async throws -> Made {
    switch verb {
    case "list": return (try told(try await outbox.list()), nil)
    case "retry": try await outbox.retry(step.need("turn"))
    case "discard": try await outbox.discard(step.need("turn"))
    case "watch": return (.object([:]), .outboxWatch(outbox.watch()))
    default: throw Wrong("this runner cannot play `outbox.\(verb)`")
    }
    return (.null, nil)
}

/// Reads changes until the rows are as the step says.
private func until(_ step: Words, rows: () throws -> JSON, _ next: @escaping @Sendable () async throws -> Bool)
    async throws
    -> JSON
{
    let wanted = step.fields["until"] ?? .null
    let end = ContinuousClock.now + wait
    while !holds(wanted, try rows()), ContinuousClock.now < end {
        if try await within(end, next) == false { throw Wrong("it ended before") }
    }
    try check(wanted, try rows())
    return try rows()
}

/// Reads one thing after the other until one is as the step says.
func until(_ step: Words, _ next: @escaping @Sendable () async throws -> (any Sendable)?) async throws -> JSON {
    let (wanted, end) = (step.fields["until"] ?? .null, ContinuousClock.now + wait)
    var last = JSON.null
    while ContinuousClock.now < end {
        guard let found = try await within(end, next) else { break }
        guard let found else { throw Wrong("it ended with \(last), which is not \(wanted)") }
        last = try told(found)
        if holds(wanted, last) { return last }
    }
    throw Wrong("the last was \(last), which is not \(wanted)")
}

private let wait = Duration.seconds(10)

/// What comes before that moment, or nothing.
private func within<Found: Sendable>(
    _ end: ContinuousClock.Instant, _ work: @escaping @Sendable () async throws -> Found
) async throws -> Found? {
    try await withThrowingTaskGroup(of: Found?.self) { group in
        group.addTask {
            do { return try await work() } catch is CancellationError { return nil }
        }
        group.addTask {
            try? await Task.sleep(until: end, clock: .continuous)
            return nil
        }
        defer { group.cancelAll() }
        return try await group.next() ?? nil
    }
}

extension Words {
    /// The part of a conversation that the step wants to see.
    func focus() throws -> TimelineFocus? {
        let (message, branch) = (try text("message"), try text("branch"))
        if message != nil && branch != nil {
            throw Wrong("a timeline shows what is about a message, or a branch, not both")
        }
        return message.map { .message(id: $0) } ?? branch.map { .branch(head: $0) }
    }

    /// What becomes of what a user prefers.
    func preferences() throws -> PreferencesChange {
        let words = try Words(fields["change"], "`change`")
        let values = try words.record("values")?.fields.mapValues { $0.text } ?? [:]
        return PreferencesChange(
            name: try words.textChange("name"), language: try words.textChange("language"),
            timeZone: try words.textChange("time_zone"), values: values)
    }
}
