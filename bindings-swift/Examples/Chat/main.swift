// Talk to a model in the terminal: an empty line ends, MESSAGE="hello" is a single turn.
// TERTULIA_MODEL names the model; without it the bundled simulator answers.
import Foundation
import Tertulia

let environment = ProcessInfo.processInfo.environment
let tertulia = try await Tertulia.open("chat.db", model: environment["TERTULIA_MODEL"] ?? "echo/any")
let chat = tertulia.user().conversationFor("terminal")

func answer(_ said: String) async {
    do {
        for try await text in try await chat.stream(said).text {
            print(text, terminator: "")
            fflush(nil)
        }
        print()
    } catch {
        print(error.localizedDescription)
    }
}

if let once = environment["MESSAGE"] {
    await answer(once)
} else {
    print("you> ", terminator: "")
    while let said = readLine(), !said.isEmpty {
        await answer(said)
        print("you> ", terminator: "")
    }
}
try await tertulia.close()
