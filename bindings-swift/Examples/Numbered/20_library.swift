// The library: prompts of the application and of its users, in versions, and what else is looked up by its name.
import Foundation
import Tertulia

func library() async throws {
    let model = ProcessInfo.processInfo.environment["TERTULIA_MODEL"] ?? "echo/any"
    let tertulia = try await Tertulia.open("memory:", model: model)
    let me = tertulia.user("ana")
    try await tertulia.prompts().put("guide", "You show {{who}} around {{place}}.")  // all users see it
    try await tertulia.library("setting").put("theme", .json(json: #"{"dark": true}"#))

    if let prompt = try await me.prompts().get("guide") {
        let chat = me.newConversation(system: try prompt.render(["who": "Ana", "place": "Cádiz"]))
        print(prompt.text ?? "", "→", try await chat.send("Where do we begin?").status)
    }

    try await me.prompts().put("guide", "Two tips for {{place}}, no more.")  // her own stands before it
    if let mine = try await me.prompts().get("guide") {
        print(mine.shared ? "shared:" : "her own:", try mine.render(["place": "Cádiz"]))
    }

    let version = try await tertulia.prompts().put("guide", "You show {{who}} around {{place}}, on foot.")
    print("versions:", try await tertulia.prompts().versions("guide").map(\.version))
    do {
        try await tertulia.prompts().put("guide", "…", expectedVersion: version - 1)
    } catch let error as TertuliaError where error.kind == .conflict {
        print("somebody was faster:", error.reason)
    }

    print("names:", try await me.prompts().list().map(\.name))
    if case .json(let theme)? = try await me.library("setting").get("theme")?.value {
        print("theme:", theme)
    }

    for _ in 0..<8 {
        _ = try await me.prompts().get("guide")  // from memory, until somebody changes it in any process
    }
    let health = tertulia.libraryCache().health
    print("remembered: \(health.entries) values, \(Int(health.hitRate * 100)) % of all questions")
    try await tertulia.close()
}
