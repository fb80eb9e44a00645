import Simulator

/// Whether the value is what was wanted; else it says where it is not, and how.
func check(_ wanted: JSON, _ value: JSON, _ place: String = "") throws {
    let at = { (step: Any) in place.isEmpty ? "\(step)" : "\(place).\(step)" }
    var good = wanted == value
    if let test = test(wanted, value) {
        good = test
    } else if let fields = wanted.object, let found = value.object {
        for (name, inner) in fields.sorted(by: { $0.key < $1.key }) {
            guard let value = found[name] else { throw Wrong("\(at(name)): there is no such field") }
            try check(inner, value, at(name))
        }
        return
    } else if let items = wanted.list, let found = value.list, items.count == found.count {
        for (index, (inner, item)) in zip(items, found).enumerated() { try check(inner, item, at(index)) }
        return
    } else if let wanted = wanted.number, let value = value.number {
        good = wanted == value
    }
    if !good { throw Wrong("\(place): \(value) is not \(wanted)") }
}

func holds(_ wanted: JSON, _ value: JSON) -> Bool {
    (try? check(wanted, value)) != nil
}

/// The outcome of a test such as `{"contains": …}`; nothing when it is none.
private func test(_ wanted: JSON, _ value: JSON) -> Bool? {
    guard let fields = wanted.object, fields.count == 1, let (name, wanted) = fields.first else { return nil }
    switch name {
    case "any": return wanted == .bool(true) && value != .null
    case "contains":
        if let items = value.list { return items.contains { holds(wanted, $0) } }
        guard let part = wanted.text, let text = value.text else { return false }
        return part.isEmpty || text.contains(part)
    case "count": return value.list.map { wanted.int == Int64($0.count) } ?? false
    case "more_than":
        guard let bound = wanted.number, let number = value.number else { return false }
        return number > bound
    case "not": return !holds(wanted, value)
    default: return nil
    }
}
