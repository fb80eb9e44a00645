// A live screen: all rows once, and then only what changes; of an answer only the words that come.
import Foundation
import Tertulia

private func line(_ row: TimelineItem) -> String {
    switch row.kind {
    case .message(let message, let delivery, _):
        "\(message.role) (\(delivery.map { "\($0)" } ?? "\(message.status)")): \(message.text)"
    case .dayDivider(let day): "-- \(day) --"
    default: "-- \(row.kind) --"
    }
}

/// Shows the changes as often as the screen can take them, until the answer is whole; what is late comes together.
private func show(_ timeline: Timeline) async throws -> [TimelineItem] {
    var rows: [TimelineItem] = []
    for try await diffs in timeline {
        for diff in diffs {
            diff.apply(to: &rows)
            if case .appendText(let index, _, _, let text, _) = diff {
                print("row \(index) grows: \(text)")
            }
        }
        if case .message(let last, _, _)? = rows.last?.kind, last.role == .assistant, last.status == .complete {
            break
        }
    }
    return rows
}

func timeline() async throws {
    let simulated = "echo/sim:text=First%20walk%20the%20old%20town.;chunks=6;delay_ms=60"
    let model = ProcessInfo.processInfo.environment["TERTULIA_MODEL"] ?? simulated
    let tertulia = try await Tertulia.open("memory:", model: model)
    let me = tertulia.user("ana")
    let chat = me.newConversation()
    let timeline = try await chat.timeline()
    async let screen = show(timeline)
    _ = try await chat.send("What to see in Cádiz?")
    for row in try await screen { print(line(row)) }

    for try await diffs in try me.watchConversations() {  // the same for the list of conversations
        var chats: [ConversationSummary] = []
        for diff in diffs { diff.apply(to: &chats) }
        print(chats.compactMap(\.lastPreview))
        break
    }
    try await tertulia.close()
}
