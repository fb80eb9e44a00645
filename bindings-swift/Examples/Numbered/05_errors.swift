// Errors: what to do about them stands in their kind; what was saved stays saved.
import Foundation
import Tertulia

func errors() async throws {
    // The bundled simulator plays a provider that hangs up in the middle of its first answer.
    let simulated = "echo/sim:text=First%20walk%20the%20old%20town.;cut=2;fail=1"
    let model = ProcessInfo.processInfo.environment["TERTULIA_MODEL"] ?? simulated

    let tertulia = try await Tertulia.open("memory:", model: model)
    let chat = tertulia.user().newConversation()
    do {
        print(try await chat.send("Plan a day in Cádiz").text)
    } catch let error as TertuliaError where error.kind == .truncated {
        print("so far:", error.text)
        if let turn = error.turnId {
            print("again:", try await chat.retry(turn).reply().text)
        }
    } catch let error as TertuliaError where error.kind == .rateLimited {
        print("come back in", error.retryAfter ?? .zero)
    } catch {
        print(error.localizedDescription)
    }

    do {
        _ = try await chat.send("hi", options: .init(model: "nobody/nothing"))
    } catch let error as TertuliaError where error.kind == .invalid {
        print(error.reason, "-", error.detail)
    }
    try await tertulia.close()
}
