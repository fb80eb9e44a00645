import ChatGlue
import SwiftUI
import Tertulia

/// One conversation: its rows, and below them the words that are to be said.
struct ChatView: View {
    @State var model: ChatModel
    @State private var words = ""

    var body: some View {
        VStack {
            if let failure = model.timeline.error?.userMessage ?? model.refusal { Text(failure) }
            ScrollView {
                LazyVStack(spacing: 8) {
                    ForEach(model.timeline.ids, id: \.self) { id in
                        RowView(row: model.timeline.row(id), model: model)
                            .onAppear { seen(id) }
                    }
                }
            }
            .defaultScrollAnchor(.bottom)
            HStack {
                TextField("Message", text: $words)
                if model.isAsking {
                    Button("Stop") { model.stop() }
                } else {
                    Button("Send") {
                        model.send(words)
                        words = ""
                    }
                    .disabled(words.isEmpty)
                }
            }
        }
        .padding()
        // As long as the screen is there: cancelled with it, and run again it goes on where it was.
        .task { await model.timeline.run() }
    }

    /// At the beginning of what is loaded more is loaded.
    private func seen(_ id: String) {
        guard id == model.timeline.ids.first else { return }
        Task { try? await model.timeline.loadOlder() }
    }
}

/// A row that observes itself alone: a word that arrives draws no other.
struct RowView: View {
    let row: TimelineRow
    let model: ChatModel

    var body: some View {
        switch row.item?.kind {
        case .message: BubbleView(row: row, model: model)
        case .dayDivider(let day): Text(day).font(.caption)
        case .unreadMarker: Divider()
        case .typing: ProgressView()
        case .gap, nil: EmptyView()
        }
    }
}

/// A message, what there is to say of it, and what can be done about it.
struct BubbleView: View {
    let row: TimelineRow
    let model: ChatModel

    var body: some View {
        if let bubble = Bubble(row.item) {
            VStack(alignment: bubble.isMine ? .trailing : .leading) {
                Text(bubble.message.text)
                if let note = bubble.note { Text(note).font(.caption) }
                if let turn = bubble.again {
                    Button("Try again") { model.retry(turn) }
                }
                if bubble.isRefused {
                    Button("Dismiss") { _ = try? model.timeline.dismiss(bubble.message.id) }
                }
            }
            .frame(maxWidth: .infinity, alignment: bubble.isMine ? .trailing : .leading)
        }
    }
}
