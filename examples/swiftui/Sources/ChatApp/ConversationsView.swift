import ChatGlue
import SwiftUI
import Tertulia

/// The conversations of a user, the latest first.
struct ConversationsView: View {
    let user: UserScope
    @State private var list: ConversationsModel?
    @State private var open: [String] = []
    // Of one that nothing was said in nobody else knows.
    @State private var new: Conversation?

    var body: some View {
        NavigationStack(path: $open) {
            List(list?.conversations ?? [], id: \.id) { one in
                NavigationLink(one.label, value: one.id)
            }
            .navigationTitle("Conversations")
            .toolbar {
                Button("New") {
                    let chat = user.newConversation()
                    (new, open) = (chat, [chat.id])
                }
            }
            .navigationDestination(for: String.self) { id in
                if let chat = new?.id == id ? new : try? user.conversation(id) {
                    ChatView(model: ChatModel(chat))
                }
            }
            .task {
                list = list ?? (try? ConversationsModel(user))
                await list?.run()
            }
        }
    }
}
