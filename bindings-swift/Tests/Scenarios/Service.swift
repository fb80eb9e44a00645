import Simulator
import Tertulia

/// The verbs of an engine about libraries, models and upkeep.
func ofService(_ engine: Tertulia, _ verb: String, _ step: Words) async throws -> Made {
    switch verb {
    case "prompts": return made(.library(engine.prompts()))
    case "personas": return made(.library(engine.personas()))
    case "councils": return made(.library(engine.councils()))
    case "library": return made(.library(engine.library(try step.need("kind"))))
    case "library_cache": return made(.libraryCache(engine.libraryCache()))
    case "store": return made(.store(engine.store()))
    case "provider": return made(.provider(engine.provider(try step.need("name"))))
    case "providers": return (try told(engine.providers()), nil)
    case "models": return (try told(engine.models(try step.text("pattern") ?? "*")), nil)
    case "load_catalogue": try await engine.loadCatalogue(step.need("path"))
    case "reconfigure":
        try await engine.reconfigure(
            settings: step.json("settings").map { Settings(json: $0) }, keys: step.pairs("keys"),
            catalogue: step.json("catalogue"))
    case "warm_up": try await engine.warmUp(step.texts("models"))
    case "stats": return (try JSON(parsing: engine.stats()), nil)
    default: return (try await ofMoney(engine, verb, step), nil)
    }
    return (.null, nil)
}

/// What a verb gives that only makes a handle.
func made(_ handle: Handle) -> Made {
    (.object([:]), handle)
}

func ofStore(_ store: StoreUpkeep, _ verb: String, _ step: Words) async throws -> JSON {
    switch verb {
    case "verify": try told(try await store.verify())
    case "repair": try told(try await store.repair())
    case "storage_report": try told(try await store.storageReport())
    case "checkpoint": .bool(try await store.checkpoint())
    case "vacuum": .int(try await store.vacuum())
    case "backup": .int(try await store.backup(step.need("path")))
    default: throw Wrong("this runner cannot play `store.\(verb)`")
    }
}

func ofProvider(_ provider: ProviderHandle, _ verb: String, _ step: Words) async throws -> JSON {
    switch verb {
    case "models": return try told(try await provider.models(key: step.text("key")))
    case "request":
        let answer = try await provider.request(
            step.need("method"), step.need("path"), body: step.json("body"), key: step.text("key"))
        let body = try? JSON(parsing: answer.text)
        return .object(["status": .int(Int64(answer.status)), "body": body ?? .null])
    default: throw Wrong("this runner cannot play `provider.\(verb)`")
    }
}
