import Foundation
import Simulator
import Tertulia

/// Fields of records that are JSON as text.
private let asText: Set<String> = ["arguments", "data", "output", "raw"]

/// Any record of the border as JSON in the words of the API: by its fields, whatever it is.
func told(_ value: Any) throws -> JSON {
    switch value {
    case let json as JSON: return json
    case let bool as Bool: return .bool(bool)
    case let text as String: return .text(text)
    case let double as Double: return .double(double)
    case let int as any BinaryInteger: return .int(Int64(int))
    case let moment as Date: return .int(Int64((moment.timeIntervalSince1970 * 1000).rounded()))
    case let bytes as Data: return .text(bytes.base64EncodedString())
    default: break
    }
    let mirror = Mirror(reflecting: value)
    switch mirror.displayStyle {
    case .optional: return try mirror.children.first.map { try told($0.value) } ?? .null
    case .collection: return .list(try mirror.children.map { try told($0.value) })
    case .dictionary:
        return .object(
            try Dictionary(
                uniqueKeysWithValues: mirror.children.map { pair in
                    let (name, value) = pair.value as! (key: AnyHashable, value: Any)
                    return ("\(name)", try told(value))
                }))
    case .struct:
        var record = try fields(mirror)
        if let reply = value as? Reply {
            record["text"] = .text(reply.text)
            record["notice"] = try told(reply.notice as Any)
        }
        if let message = value as? Message { record["text"] = .text(message.text) }
        return .object(record)
    case .enum:
        guard let variant = mirror.children.first, let name = variant.label else { return .text(snake("\(value)")) }
        let record = try fields(Mirror(reflecting: variant.value))
        if value is Retry { return .object([snake(name): .object(record)]) }
        return .object(record.merging([value is Progress ? "step" : "type": .text(snake(name))]) { $1 })
    default: throw Wrong("nobody can tell a \(type(of: value))")
    }
}

/// What failed, as a result. Its `text` is what had arrived.
func told(_ failure: TertuliaError) throws -> JSON {
    .object((try told(failure.info).object ?? [:]).merging(["text": .text(failure.text)]) { $1 })
}

private func fields(_ record: Mirror) throws -> [String: JSON] {
    var found: [String: JSON] = [:]
    for field in record.children {
        let name = snake(field.label ?? "")
        let value = try told(field.value)
        if asText.contains(name), !(field.value is Data), let text = value.text {
            found[name] = try JSON(parsing: text)
        } else {
            found[name] = value
        }
    }
    return found
}

/// A word of Swift as scenarios have it: `turn_id` for `turnId`.
func snake(_ word: String) -> String {
    word.reduce(into: "") { $0 += $1.isUppercase ? "_\($1.lowercased())" : "\($1)" }
}
