import Foundation
import Simulator
import Tertulia

/// One scenario on its way.
actor Play {
    /// How long a step may take, how long one waits for what happens by itself, and between two looks at it.
    private static let stepLimit = Duration.seconds(60), wait = Duration.seconds(10), pause = Duration.milliseconds(5)

    private let format: Format
    private let simulator: Simulator
    private let folder: URL
    private let engine: JSON
    private var results: [String: JSON]
    private var handles: [String: Handle] = [:]
    private var opened: [Tertulia] = []
    /// The result of every step, in order.
    private var given: [JSON] = []

    private init(_ format: Format, _ simulator: Simulator, _ folder: URL, _ engine: JSON) {
        (self.format, self.simulator, self.folder, self.engine) = (format, simulator, folder, engine)
        results = ["simulator": .text(simulator.url), "folder": .text(folder.path)]
    }

    /// Plays a scenario and gives what its steps gave.
    static func scenario(_ file: URL, _ format: Format, _ words: [String]) async throws -> JSON {
        let scenario = try JSON(parsing: String(contentsOf: file, encoding: .utf8)).object ?? [:]
        try known(scenario, words, [])
        guard let steps = scenario["steps"]?.list, !steps.isEmpty else {
            throw Wrong("steps must be a list of at least one")
        }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let simulator = try Simulator()
        defer { simulator.close() }
        let play = Play(format, simulator, folder, scenario["engine"] ?? .null)
        do {
            for (index, step) in steps.enumerated() {
                do {
                    try await limited(stepLimit, "nothing came within 60 s") { try await play.step(step) }
                } catch var wrong as Wrong {
                    wrong.step = index + 1
                    throw wrong
                }
            }
        } catch {
            _ = try? await play.end()
            throw error
        }
        return try await play.end()
    }

    /// Closes what is still open, and gives what the steps gave. Where the simulator and the folder are is said by their
    /// names.
    private func end() async throws -> JSON {
        handles = [:]
        for engine in opened {
            do { try await engine.close() } catch { throw Wrong("an engine could not be closed: \(error)") }
        }
        let text = "\(JSON.list(given))".replacingOccurrences(of: simulator.url, with: "${simulator}")
        return try JSON(parsing: text.replacingOccurrences(of: folder.path, with: "${folder}"))
    }

    private func step(_ json: JSON) async throws {
        guard let words = json.object else { throw Wrong("a step is an object") }
        if words["expect"] != nil && words["fails"] != nil { throw Wrong("a step has `expect` or `fails`, not both") }
        let verb = words["do"]?.text ?? ""
        guard let subject = words["in", default: .text("")].text else { throw Wrong("`in` must be a text") }
        let handle = handles[subject]
        if handle == nil && !subject.isEmpty { throw Wrong("`\(subject)` is no handle") }
        try format.check(words, of: handle?.kind, subject)
        let step = try Words(try filled(json), "a step")
        let (result, wanted): (JSON, JSON?)
        do {
            let (made, handle) = try await waited(verb, handle, step)
            if step.fields["fails"] != nil { throw Wrong("`\(verb)` succeeded, which it must not") }
            if let handle, let name = try step.text("as") { handles[name] = handle }
            (result, wanted) = (made, step.fields["expect"])
        } catch let failure as TertuliaError {
            guard let fails = step.fields["fails"] else { throw Wrong("it failed: \(failure)") }
            (result, wanted) = (try told(failure), fails)
        }
        if let wanted { try check(wanted, result) }
        given.append(result)
        if let name = try step.text("as") { results[name] = result }
    }

    /// Plays a verb; one that says until when, again and again until then.
    private func waited(_ verb: String, _ handle: Handle?, _ step: Words) async throws -> Made {
        guard verb != "next", let wanted = step.fields["until"] else { return try await play(verb, handle, step) }
        let end = ContinuousClock.now + Self.wait
        while true {
            let made = try await play(verb, handle, step)
            do {
                try check(wanted, made.0)
                return made
            } catch  where ContinuousClock.now < end {
                try await Task.sleep(for: Self.pause)
            }
        }
    }

    private func play(_ verb: String, _ handle: Handle?, _ step: Words) async throws -> Made {
        switch (handle, verb) {
        case (nil, "open"):
            let engine = try await open(try step.record("options") ?? Words([:]))
            opened.append(engine)
            return (.object([:]), .engine(engine))
        case (nil, "simulator"): return (try await sent(try step.text("wait")), nil)
        case (nil, "write"):
            let value = step.fields["value"] ?? .null
            try (value.text ?? "\(value)").write(toFile: step.need("path"), atomically: true, encoding: .utf8)
            return (.null, nil)
        case (.engine(let handle)?, _): return try await ofEngine(handle, verb, step)
        case (.user(let handle)?, _): return try await ofUser(handle, verb, step)
        case (.conversation(let handle)?, _): return try await ofConversation(handle, verb, step)
        case (.timeline(let shown)?, _): return (try await ofTimeline(shown, verb, step), nil)
        case (.conversationsWatch(let shown)?, _): return (try await ofConversationsWatch(shown, verb, step), nil)
        case (.outbox(let outbox)?, _): return try await ofOutbox(outbox, verb, step)
        case (.outboxWatch(let watch)?, "next"): return (try await until(step) { try await watch.next() }, nil)
        case (.events(let events)?, "next"): return (try await until(step) { await events.next() }, nil)
        case (.library(let library)?, _): return (try await ofLibrary(library, verb, step), nil)
        case (.libraryCache(let cache)?, _): return (try ofLibraryCache(cache, verb, step), nil)
        case (.batch(let batch)?, _):
            let handles = handles
            return try await ofBatch(batch, verb, step) { name in
                guard case .conversation(let chat)? = handles[name] else { throw Wrong("`\(name)` is no conversation") }
                return chat
            }
        case (.batchRun(let run)?, _): return (try await ofBatchRun(run, verb, step), nil)
        case (.store(let store)?, _): return (try await ofStore(store, verb, step), nil)
        case (.provider(let provider)?, _): return (try await ofProvider(provider, verb, step), nil)
        default: throw Wrong("this runner cannot play `\(verb)`")
        }
    }

    private func open(_ changes: Words) async throws -> Tertulia {
        var words = try Words(try filled(engine), "engine")
        words.fields.merge(changes.fields) { $1 }
        try format.checkEngine(words.fields)
        return try await Tertulia.open(
            folder.appendingPathComponent("scenario.db").path, model: words.text("model"),
            fallback: words.textsIf("fallback"), keys: words.pairs("keys"),
            providers: words.list("providers")?.map { try Words($0, "a provider").provider() } ?? [],
            settings: words.json("settings").map { Settings(json: $0) } ?? .server)
    }

    /// What the simulator was sent.
    private func sent(_ wait: String?) async throws -> JSON {
        switch wait {
        case nil: break
        case "hung_up":
            do { try await simulator.waitForHangUp() } catch { throw Wrong("\(error)") }
        case let way?: throw Wrong("the way to wait `\(way)` is unknown")
        }
        let requests = try await simulator.requests()
        let last = requests.last?.object?.filter { ["method", "path", "headers", "body"].contains($0.key) }
        return .object(["requests": .int(Int64(requests.count)), "last": last.map { .object($0) } ?? .null])
    }

    /// The value with every `${…}` in its texts filled in.
    private func filled(_ value: JSON) throws -> JSON {
        switch value {
        case .list(let items): .list(try items.map(filled))
        case .object(let fields): .object(try fields.mapValues(filled))
        case .text(let text): try filled(text)
        default: value
        }
    }

    private func filled(_ text: String) throws -> JSON {
        var (done, rest) = ("", Substring(text))
        while let start = rest.range(of: "${") {
            let behind = rest[start.upperBound...]
            guard let end = behind.firstIndex(of: "}") else { throw Wrong("`\(text)` lacks a }") }
            let found = try lookUp(String(behind[..<end]))
            done += rest[..<start.lowerBound]
            rest = behind[behind.index(after: end)...]
            if done.isEmpty && rest.isEmpty { return found }
            done += found.text ?? "\(found)"
        }
        return .text(done + rest)
    }

    private func lookUp(_ path: String) throws -> JSON {
        let steps = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        var found = results[steps[0]]
        for step in steps.dropFirst() {
            found = found?.list == nil ? found?[step] : Int(step).flatMap { found?[$0] }
        }
        guard let found else { throw Wrong("nothing is called `\(path)`") }
        return found
    }
}

/// Does something that must end within a time.
private func limited(_ time: Duration, _ why: String, _ work: @escaping @Sendable () async throws -> Void) async throws
{
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await work() }
        group.addTask {
            try await Task.sleep(for: time)
            throw Wrong(why)
        }
        defer { group.cancelAll() }
        try await group.next()
    }
}
