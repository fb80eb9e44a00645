import Foundation

/// A value of JSON. Its fields and items are read by name and place; what is not there is nothing.
public enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case text(String)
    case list([JSON])
    case object([String: JSON])

    /// The value of a text.
    public init(parsing text: String) throws {
        self = try JSONDecoder().decode(JSON.self, from: Data(text.utf8))
    }

    public subscript(name: String) -> JSON? { object?[name] }

    public subscript(place: Int) -> JSON? {
        guard let list, list.indices.contains(place) else { return nil }
        return list[place]
    }

    public var object: [String: JSON]? { if case .object(let fields) = self { fields } else { nil } }
    public var list: [JSON]? { if case .list(let items) = self { items } else { nil } }
    public var text: String? { if case .text(let text) = self { text } else { nil } }
    public var bool: Bool? { if case .bool(let bool) = self { bool } else { nil } }
    public var int: Int64? { if case .int(let int) = self { int } else { nil } }

    /// Any number.
    public var number: Double? {
        switch self {
        case .int(let int): Double(int)
        case .double(let double): double
        default: nil
        }
    }
}

extension JSON: Codable {
    public init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let bool = try? value.decode(Bool.self) {
            self = .bool(bool)
        } else if let int = try? value.decode(Int64.self) {
            self = .int(int)
        } else if let double = try? value.decode(Double.self) {
            self = .double(double)
        } else if let text = try? value.decode(String.self) {
            self = .text(text)
        } else if let list = try? value.decode([JSON].self) {
            self = .list(list)
        } else {
            self = .object(try value.decode([String: JSON].self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        switch self {
        case .null: try value.encodeNil()
        case .bool(let bool): try value.encode(bool)
        case .int(let int): try value.encode(int)
        case .double(let double): try value.encode(double)
        case .text(let text): try value.encode(text)
        case .list(let items): try value.encode(items)
        case .object(let fields): try value.encode(fields)
        }
    }
}

extension JSON: CustomStringConvertible {
    /// It as text.
    public var description: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let text = try? encoder.encode(self) else { return "no JSON" }
        return String(decoding: text, as: UTF8.self)
    }
}
