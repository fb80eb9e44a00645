import Foundation
import Simulator
import Tertulia

/// Fields that are JSON as text; told as what that text says.
private let asText: Set<String> = [
    "Health.report", "Part.opaque.data", "Price.whole", "Reply.raw", "StreamEventKind.other.data", "ToolCall.arguments",
    "ToolResult.output",
    "Usage.raw",
]
/// Fields whose own fields stand in the record around them.
private let flat: Set<String> = ["Price.whole", "StreamEvent.kind", "TimelineItem.kind"]
/// Messages that are told by their fields alone.
private let bare: Set<String> = ["TimelineItemKind.message.message"]
/// Variants that are told by another word than `type`.
private let tags = ["Progress": "step"]
/// Variants that are told by their fields alone.
private let alone: Set<String> = ["BudgetLimit"]
/// Variants that are told from outside: `"never"`, `{"after": {"after_ms": 1}}`.
private let outside: Set<String> = ["Retry"]

/// Any record of the border as JSON in the words of the API: by its fields, whatever it is.
func told(_ value: Any) throws -> JSON {
    switch value {
    case is Void: return .null
    case let json as JSON: return json
    case let bool as Bool: return .bool(bool)
    case let text as String: return .text(text)
    case let double as Double: return .double(double)
    case let int as any BinaryInteger: return .int(Int64(int))
    case let moment as Date: return .int(Int64((moment.timeIntervalSince1970 * 1000).rounded()))
    case let bytes as Data: return .text(bytes.base64EncodedString())
    case LibraryValue.text(let text): return .text(text)
    case LibraryValue.json(let json): return try JSON(parsing: json)
    default: break
    }
    let (mirror, name) = (Mirror(reflecting: value), "\(type(of: value))")
    switch mirror.displayStyle {
    case .optional: return try mirror.children.first.map { try told($0.value) } ?? .null
    case .collection: return .list(try mirror.children.map { try told($0.value) })
    case .dictionary:
        let pairs = try mirror.children.map { pair in
            let pair = Mirror(reflecting: pair.value).children.map(\.value)
            return ("\(pair[0])", try told(pair[1]))
        }
        return .object(Dictionary(uniqueKeysWithValues: pairs))
    case .struct:
        let words = try words(value).mapValues { try told($0 as Any) }
        return .object(try fields(mirror, of: name).merging(words) { $1 })
    case .enum:
        guard let variant = mirror.children.first, let word = variant.label.map(snake) else {
            let word = JSON.text(snake("\(value)"))
            let isPlain = value is any CaseIterable || outside.contains(name)
            return isPlain ? word : .object([tags[name] ?? "type": word])
        }
        let inner = try fields(Mirror(reflecting: variant.value), of: "\(name).\(variant.label ?? "")")
        if alone.contains(name) { return .object(inner) }
        if outside.contains(name) { return .object([word: .object(inner)]) }
        return .object(inner.merging([tags[name] ?? "type": .text(word)]) { $1 })
    default: throw Wrong("nobody can tell a \(name)")
    }
}

private func fields(_ record: Mirror, of name: String) throws -> [String: JSON] {
    var found: [String: JSON] = [:]
    for field in record.children {
        let label = snake(field.label ?? "")
        var value = try told(field.value)
        if asText.contains("\(name).\(label)"), let text = value.text { value = try JSON(parsing: text) }
        if flat.contains("\(name).\(label)") {
            found.merge(value.object ?? [:]) { $1 }
        } else if bare.contains("\(name).\(label)") {
            found[label] = .object((value.object ?? [:]).filter { $0.key != "text" })
        } else {
            found[label] = value
        }
    }
    return found
}

/// What is told besides the fields.
private func words(_ value: Any) -> [String: String?] {
    switch value {
    case let reply as Reply: ["text": reply.text, "notice": reply.notice]
    case let message as Message: ["text": message.text]
    default: [:]
    }
}

/// What failed, as a result. Its `text` is what had arrived.
func told(_ failure: TertuliaError) throws -> JSON {
    .object((try told(failure.info).object ?? [:]).merging(["text": .text(failure.text)]) { $1 })
}

/// A word of Swift as scenarios have it: `turn_id` for `turnId`.
func snake(_ word: String) -> String {
    word.reduce(into: "") { $0 += $1.isUppercase ? "_\($1.lowercased())" : "\($1)" }
}
