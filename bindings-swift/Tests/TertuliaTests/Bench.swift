import Foundation
import Observation
import Simulator
import Tertulia
import Testing

/// A reply that stops in the middle, with its connection open.
let stalls = "text=one%20two%20three;chunks=3;stall=2"

/// What a test needs: a simulator, and engines in memory whose models are the simulator's.
struct Bench: Sendable {
    let simulator: Simulator

    func engine(_ script: String, keys: [String: String] = [:]) async throws -> Tertulia {
        try await Tertulia.open(
            "memory:", model: "lab/sim:\(script)", keys: keys,
            providers: [.openAIChat("lab", baseURL: "\(simulator.url)/v1")],
            settings: Settings(
                json: #"{"profile": "mobile", "retry": {"max_attempts": 1}, "outbox": {"degrade": false}}"#))
    }

    func chat(_ script: String) async throws -> Conversation {
        try await engine(script).user("ana").newConversation()
    }
}

/// Does a test with a simulator of its own.
func bench(_ test: (Bench) async throws -> Void) async throws {
    let simulator = try Simulator()
    defer { simulator.close() }
    try await test(Bench(simulator: simulator))
}

/// What a call failed with.
func failure(_ work: () async throws -> some Sendable) async -> TertuliaError? {
    do {
        _ = try await work()
        return nil
    } catch {
        return error as? TertuliaError
    }
}

/// A folder that is gone when the test is.
func folder(_ test: (String) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try await test(folder.path)
}

/// Runs a program of the package in a folder, and gives what it prints.
func run(
    _ program: String, _ arguments: [String] = [], in folder: String, environment: [String: String] = [:]
) throws -> String {
    let process = Process()
    let built = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    process.executableURL = built.appendingPathComponent(program)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.environment = environment
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    return said
}

/// Waits until something that is observed is so.
@MainActor func until(_ holds: () -> Bool) async {
    while true {
        let (changes, change) = AsyncStream<Void>.makeStream()
        if withObservationTracking(holds, onChange: { change.finish() }) { return }
        for await _ in changes {}
    }
}
