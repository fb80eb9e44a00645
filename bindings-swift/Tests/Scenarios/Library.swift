import Simulator
import Tertulia

func ofLibrary(_ library: Library, _ verb: String, _ step: Words) async throws -> JSON {
    let limit = Int(try step.int("limit") ?? 50)
    switch verb {
    case "get": return try told(try await library.get(step.need("name")) as Any)
    case "version": return try told(try await library.version(step.need("name"), step.int("version") ?? 0) as Any)
    case "put":
        let value = step.fields["value"] ?? .null
        let put: LibraryValue = value.text.map { .text(text: $0) } ?? .json(json: "\(value)")
        return .int(try await library.put(step.need("name"), put, expectedVersion: step.int("expected_version")))
    case "delete": try await library.delete(step.need("name"), expectedVersion: step.int("expected_version"))
    case "list":
        return try told(
            try await library.list(prefix: step.text("prefix") ?? "", after: step.text("after"), limit: limit))
    case "versions":
        return try told(try await library.versions(step.need("name"), before: step.int("before"), limit: limit))
    default: throw Wrong("this runner cannot play `library.\(verb)`")
    }
    return .null
}

func ofLibraryCache(_ cache: LibraryCache, _ verb: String, _ step: Words) throws -> JSON {
    switch verb {
    case "health": return try told(cache.health)
    case "invalidate":
        cache.invalidate(
            try step.need("kind"), name: try step.text("name") ?? "", user: try step.text("user") ?? "")
    case "clear": cache.clear()
    default: throw Wrong("this runner cannot play `library_cache.\(verb)`")
    }
    return .null
}
