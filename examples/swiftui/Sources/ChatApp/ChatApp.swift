import ChatGlue
import SwiftUI
import Tertulia

/// A chat on the models of Tertulia: a list of conversations, and the one that is open.
@main
struct ChatApp: App {
    @State private var rest: Rest?
    @State private var failure: String?

    var body: some Scene {
        WindowGroup {
            if let rest {
                ContentView(rest: rest)
            } else if let failure {
                Text(failure)
            } else {
                ProgressView().task { await open() }
            }
        }
    }

    private func open() async {
        do {
            rest = Rest(try await Tertulia.open(model: "anthropic/claude-sonnet-4-5", settings: .mobile))
        } catch {
            failure = error.localizedDescription
        }
    }
}

/// The list, and the engine's rest while nobody sees the app.
struct ContentView: View {
    @Environment(\.scenePhase) private var phase
    let rest: Rest

    var body: some View {
        ConversationsView(user: rest.tertulia.user())
            .onChange(of: phase) { _, now in rest.seen(now != .background) }
    }
}
