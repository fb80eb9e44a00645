import Foundation
import Simulator

/// The scenario does not hold, or is not understood.
struct Wrong: Error {
    var why: String
    /// The number of its step, 0 before the first.
    var step = 0

    init(_ why: String) {
        self.why = why
    }
}

/// What scenarios may say: `format/verbs.json`, which all runners read.
struct Format: Sendable {
    private struct Verb: Decodable {
        var needs, may: [String]?
        var options, change, gives: String?
        var word: JSON?
    }

    private struct Missing: Decodable {
        var verbs, scenarios: Set<String>
    }

    private struct File: Decodable {
        var options, change: [String: [String]]
        var verbs: [String: Verb]
        var missing: [String: Missing]
    }

    private let file: File
    private let missing: Missing

    init(_ folder: URL) throws {
        let path = folder.appendingPathComponent("format/verbs.json")
        file = try JSONDecoder().decode(File.self, from: Data(contentsOf: path))
        guard let missing = file.missing["swift"] else { throw Wrong("verbs.json does not say what Swift lacks") }
        self.missing = missing
    }

    /// Whether a scenario is named as one that Swift cannot play, or has a verb that Swift lacks, by what its steps have
    /// made.
    func lacks(_ scenario: URL) throws -> Bool {
        if missing.scenarios.contains(scenario.deletingPathExtension().lastPathComponent) { return true }
        var kinds: [String: String] = [:]
        for step in try JSON(parsing: String(contentsOf: scenario, encoding: .utf8))["steps"]?.list ?? [] {
            let (verb, name) = (step["do"]?.text ?? "", step["in"]?.text)
            let key = name.map { "\(kinds[$0] ?? "?").\(verb)" } ?? verb
            if missing.verbs.contains(key) { return true }
            if let made = file.verbs[key]?.gives, let name = step["as"]?.text { kinds[name] = made }
        }
        return false
    }

    /// Refuses a step whose verb does not exist, at all or for what it is done with, and words that its verb does not
    /// know.
    func check(_ step: [String: JSON], of kind: String?, _ subject: String) throws {
        let name = step["do"]?.text ?? ""
        let ofHandle = { (key: String) in key.contains(".") && key.split(separator: ".")[1] == name }
        guard let verb = file.verbs[kind.map { "\($0).\(name)" } ?? name], verb.word == nil else {
            let known = file.verbs.keys.contains(where: ofHandle)
            if known, !subject.isEmpty { throw Wrong("`\(name)` is no verb of `\(subject)`") }
            if known { throw Wrong("`\(name)` lacks the word `in`") }
            throw Wrong("the verb `\(name)` is unknown")
        }
        let needed = (verb.needs ?? []) + ["do"] + (kind == nil ? [] : ["in"])
        try known(step, needed, (verb.may ?? []) + ["as", "expect", "fails"])
        for (word, set, sets) in [("options", verb.options, file.options), ("change", verb.change, file.change)] {
            guard let given = step[word], let set else { continue }
            guard let fields = given.object else { throw Wrong("`\(word)` must be an object") }
            try known(fields, [], sets[set] ?? [])
        }
    }

    /// Refuses words that an engine is not made with.
    func checkEngine(_ words: [String: JSON]) throws {
        try known(words, [], file.options["open"] ?? [])
    }
}

/// Refuses words that are not known, and the lack of those that are needed.
func known(_ words: [String: JSON], _ needed: [String], _ more: [String]) throws {
    if let unknown = words.keys.sorted().first(where: { !needed.contains($0) && !more.contains($0) }) {
        throw Wrong("the word `\(unknown)` is unknown")
    }
    if let missing = needed.first(where: { words[$0] == nil }) { throw Wrong("the word `\(missing)` is missing") }
}
