// Runs the example of a number: `swift run examples 06`.
import Foundation

let examples: [String: @Sendable () async throws -> Void] = [
    "02": readme, "04": tools, "05": errors, "06": history, "08": ownProvider, "09": watching, "10": branches,
    "11": pages, "12": list, "13": search, "14": upkeep, "15": transfer, "16": timeline, "19": batch, "20": library,
]

guard let number = CommandLine.arguments.dropFirst().first, let example = examples[number] else {
    print("Which one? \(examples.keys.sorted().joined(separator: " "))")
    exit(2)
}
try await example()
