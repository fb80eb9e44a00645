import Foundation
import Simulator

/// Plays the scenarios of `tests/scenarios`, which all languages play; the README there says what they are.
///
/// `tools/swift.py scenarios`, with `--only WORD` those whose names hold the word; with `--tell FOLDER` what every step gave
/// is written down there.
@main
struct Scenarios {
    let format: Format
    let folder: URL
    var only = ""
    var tell: URL?

    static func main() async throws {
        var (folder, options): (String, [String: String]) = ("../tests/scenarios", [:])
        var arguments = CommandLine.arguments.dropFirst()
        while let argument = arguments.popFirst() {
            if argument.hasPrefix("--") { options[argument] = arguments.popFirst() } else { folder = argument }
        }
        let place = URL(fileURLWithPath: folder, isDirectory: true)
        let tell = options["--tell"].map { URL(fileURLWithPath: $0, isDirectory: true) }
        let all = Scenarios(format: try Format(place), folder: place, only: options["--only"] ?? "", tell: tell)
        exit(try await all.play() ? 0 : 1)
    }

    /// Plays all of them; whether all went as they must.
    private func play() async throws -> Bool {
        var (passed, failed, leftOut) = (0, 0, 0)
        let wrong = try files("wrong").filter { try !format.lacks($0) }
        for file in wrong {
            if let why = try await refused(file) {
                print("swift: wrong/\(file.lastPathComponent): \(why)")
                failed += 1
            }
        }
        if let tell {
            try? FileManager.default.removeItem(at: tell)  // what an earlier run has told
            try FileManager.default.createDirectory(at: tell, withIntermediateDirectories: true)
        }
        for file in try files("") {
            if try format.lacks(file) {
                leftOut += 1
                continue
            }
            do {
                let given = try await Play.scenario(file, format, ["about", "engine", "steps"])
                if let tell {
                    let place = tell.appendingPathComponent(file.lastPathComponent)
                    try "\(given)".write(to: place, atomically: true, encoding: .utf8)
                }
                passed += 1
            } catch let wrong as Wrong {
                print("swift: \(file.lastPathComponent), step \(wrong.step): \(wrong.why)")
                failed += 1
            }
        }
        if passed + failed == 0 { failed = 1 }
        print("swift: \(wrong.count) wrong scenarios were played as well")
        print("swift: \(leftOut) scenarios left out for what Swift lacks (format/verbs.json)")
        print("swift: \(passed) passed, \(failed) failed")
        return failed == 0
    }

    private func files(_ within: String) throws -> [URL] {
        try FileManager.default
            .contentsOfDirectory(at: folder.appendingPathComponent(within), includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "json" && (only.isEmpty || $0.lastPathComponent.contains(only)) }
            .sorted { $0.lastPathComponent < $1.lastPathComponent }
    }

    /// Plays a scenario that must fail where it says, and with the words that it says; tells what is wrong with that.
    private func refused(_ file: URL) async throws -> String? {
        let expected = try JSON(parsing: String(contentsOf: file, encoding: .utf8))["wrong"]
        guard let step = expected?["step"]?.int, let says = expected?["says"]?.text else { return "it says nothing" }
        do {
            _ = try await Play.scenario(file, format, ["about", "engine", "steps", "wrong"])
            return "it passed, which it must not"
        } catch let wrong as Wrong {
            if step != wrong.step { return "step \(wrong.step): \(wrong.why)" }
            return wrong.why.contains(says) ? nil : "`\(wrong.why)` does not say \(says)"
        }
    }
}
