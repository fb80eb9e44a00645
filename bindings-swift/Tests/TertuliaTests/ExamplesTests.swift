import Foundation
import Testing

/// The numbered examples, run as a reader would: each in a folder of its own, without a key.
@Suite(.timeLimit(.minutes(1)), .serialized)
struct ExamplesTests {
    /// What each example says.
    private static let told: [String: [String]] = [
        "02": ["Cádiz?", "rainy day?", "user Three things", "assistant You said"],
        "04": [#"weather({"city":"Cadiz"})"#, "Warm: take a hat."],
        "05": ["so far: First", "again: First walk the old town.", "unknown_provider - "],
        "06": ["Cádiz 6\nuser: Question 0\n", "user: Question 2\n", "somebody else's: 0"],
        "08": ["clerk asked 1 times; last: Are you open?  (2 tries)", "last: And on Sunday?", "reads 8192 tokens"],
        "09": [
            "old town", "try 3 for ana after", "1 call, 2 retries, success rate 1.0", "ms of them ours",
            "store ok - echo ok",
        ],
        "10": [
            "user 2/2: Plan two days", "assistant 1/2: ", "branches: [2, 2, 2]", "another message by now",
            "0 shown here, 2 in the copy, 1 branch left",
        ],
        "11": [
            "A long talk: 10000 messages, the last: Answer 4999", #"["Question 2500", "Answer 2500", "#, "longest: 13",
            "changed: false",
        ],
        "12": [
            #"Ana prefers the theme "dark""#, #"["Taxes", "Lisbon", "Cádiz"]"#, #"in the archive: ["Last year"]"#,
            #"trips: ["Lisbon", "Cádiz"]"#, "changed: false", "ends by itself: true",
        ],
        "13": [
            "in [Cádiz]?  (on another branch)", "eat [salmorejo in Córdoba]?", "parse[Http]Request", "東京[タワー]",
            "best of several: true, there are more: true", "somebody else's: 0",
        ],
        "14": ["backed up: true", "2 messages in 1 conversation, sound: true", "closed: suspended", "rainy day"],
        "15": [
            "1 conversation, 4 messages", "would add: 4", "0 added, 4 here already",
            "branches: 2 - shown: Plan a rainy day", "messages: 1 message",
            "item 2: a message has no role that is known",
        ],
        "16": [
            " grows: ", "-- 2", "user (sent): What to see in Cádiz?",
            "assistant (complete): First walk the old town.", #"["First walk the old town."]"#,
        ],
        "19": [
            "7 items done; in the file: 2 conversations", "nothing is pinned: item 0 (update)", "over: ",
            "5 done, 2 refused; the first of them: item 0",
        ],
        "20": [
            "her own: Two tips for Cádiz, no more.", "versions: [2, 1]", "somebody was faster: entry_moved",
            #"names: ["guide"]"#, #"theme: {"dark""#, "remembered: 4 values",
        ],
    ]

    @Test("an example runs and says what it shows", arguments: told.keys.sorted())
    func example(_ number: String) async throws {
        try await folder { folder in
            let said = try run("examples", [number], in: folder)
            for words in Self.told[number] ?? [] {
                #expect(said.contains(words))
            }
        }
    }

    @Test("every example is run")
    func all() throws {
        let package = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let files = try FileManager.default.contentsOfDirectory(atPath: "\(package.path)/Examples/Numbered")
        let numbers = files.filter { $0.first?.isNumber == true }.map { String($0.prefix(2)) }
        #expect(numbers.sorted() == Self.told.keys.sorted())
    }
}
