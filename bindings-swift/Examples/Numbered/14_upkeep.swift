// Keep a store in order: look it over, copy it while it works, see what takes the space, let it rest.
import Tertulia

func upkeep() async throws {
    let tertulia = try await Tertulia.open("upkeep.db", model: "echo/any")
    let chat = tertulia.user("ana").newConversation()
    _ = try await chat.send("Three things to see in Cádiz?")

    // A backup while others go on. It gets its name when it is whole, and opens like any store.
    let store = tertulia.store()
    print("backed up:", try await store.backup("backup.db") > 0)

    // Once a night: is everything as it should be? What the rows can tell is mended from them.
    let found = try await store.verify()
    let sound = found.problems.isEmpty
    print("\(found.messages) messages in \(found.conversations) conversation, sound: \(sound)")
    if !sound {
        for problem in try await store.repair().left {
            print("restore the backup: \(problem.place) \(problem.detail)")
        }
    }

    // What takes the space, and giving back what was deleted.
    let report = try await store.storageReport()
    print("the largest: \(report.kinds.first?.name ?? "nothing"), free pages: \(report.freePages)")
    try await store.vacuum()

    // Before the system suspends the program: no file, no lock. Every verb says so, and nothing is lost.
    try await tertulia.suspend()
    do {
        _ = try await chat.send("And on a rainy day?")
    } catch let error as TertuliaError where error.kind == .closed {
        print("closed:", error.reason)
    }
    try await tertulia.resume()
    print(try await chat.send("And on a rainy day?").text)
    try await tertulia.close()
}
