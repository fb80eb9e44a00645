// Many changes at once: all of them or none, or as many as can be.
import Foundation
import Tertulia

func batch() async throws {
    let model = ProcessInfo.processInfo.environment["TERTULIA_MODEL"] ?? "echo/any"
    let tertulia = try await Tertulia.open("memory:", model: model)
    let me = tertulia.user("ana")
    let chats = (1...6).map { me.newConversation(title: "Trip \($0)", tags: ["inbox"]) }
    for chat in chats {
        _ = try await chat.send("Plan a day in Cádiz.")
    }
    let all = chats.map(\.id)
    let (old, recent) = (Array(all.prefix(2)), Array(all.dropFirst(2)))

    // Into a file and out of the store: either both, or neither.
    let moved = try await me.batch().export("old_trips.jsonl", old).delete(old).retag(recent, "inbox", "done").run()
    let written = moved.items.first?.export
    print("\(moved.done) items done; in the file: \(written?.conversations ?? 0) conversations")

    // One item that cannot be, and nothing of the batch is done.
    do {
        try await me.batch().pin(all).run()
    } catch let error as TertuliaError where error.kind == .notFound {
        print("nothing is pinned:", error.detail)
    }

    // As many as can be, watched from outside.
    let run = try me.batch().pin(all)
        .append(me.newConversation(), [NewMessage(role: .user, parts: ["A note"])])
        .start(bestEffort: true)
    for try await progress in run {
        print("\(progress.phase): \(progress.done) of \(progress.total)")
    }
    let report = try await run.report()
    print("\(report.done) done, \(report.refused) refused; the first of them: item \(report.items[0].index)")
    try await tertulia.close()
}
