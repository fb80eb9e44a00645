import Simulator
import Tertulia

/// What a step has made and others are done with.
enum Handle: Sendable {
    case engine(Tertulia)
    case user(UserScope)
    case conversation(Conversation)

    /// What the keys of its verbs begin with.
    var kind: String { Mirror(reflecting: self).children.first?.label ?? "" }
}

/// What a verb gave: its result, and the handle that it made.
typealias Made = (JSON, Handle?)

func ofEngine(_ engine: Tertulia, _ verb: String, _ step: Words) async throws -> Made {
    switch verb {
    case "close":
        try await engine.close()
        return (.null, nil)
    case "ask":
        try step.refuse("messages")
        return (try told(try await engine.ask(step.said(), options: step.call())), nil)
    case "user":
        let user = engine.user(try step.need("id"), keys: try step.pairs("keys"))
        return (named(user.id), .user(user))
    default: throw Wrong("this runner cannot play `engine.\(verb)`")
    }
}

func ofUser(_ user: UserScope, _ verb: String, _ step: Words) async throws -> Made {
    let made = { (chat: Conversation) in (named(chat.id), Handle.conversation(chat)) }
    switch verb {
    case "ask":
        try step.refuse("messages")
        return (try told(try await user.ask(step.said(), options: step.call())), nil)
    case "new_conversation":
        let words = try step.record("options") ?? Words([:])
        try words.refuse("tags", "expires_in_ms")
        return made(
            user.newConversation(
                model: try words.text("model"), system: try words.text("system"), title: try words.text("title"),
                metadata: try words.pairs("metadata")))
    case "conversation": return made(try user.conversation(step.need("id")))
    case "conversation_for": return made(user.conversationFor(try step.need("key")))
    default: throw Wrong("this runner cannot play `user.\(verb)`")
    }
}

func ofConversation(_ chat: Conversation, _ verb: String, _ step: Words) async throws -> JSON {
    switch verb {
    case "send": try told(try await chat.send(step.said(), options: step.call()))
    case "stream": try await streamed(chat.stream(step.said(), options: step.call()), step)
    case "retry": try await streamed(chat.retry(step.need("turn"), options: step.call()), step)
    case "attach": try await streamed(chat.attach(step.need("turn"), afterSeq: step.int("after_seq") ?? 0), step)
    case "append": try told(try await chat.append(step.messages()))
    case "stop":
        try await { () -> JSON in
            try await chat.stop(step.need("turn"))
            return .null
        }()
    case "history": try told(try await history(chat, step))
    default: throw Wrong("this runner cannot play `conversation.\(verb)`")
    }
}

private func history(_ chat: Conversation, _ step: Words) async throws -> MessagePage {
    try step.refuse("around", "position", "turns", "detail", "unchanged_since")
    let (before, after) = (try step.text("before"), try step.text("after"))
    if before != nil && after != nil { throw Wrong("a page goes `before` one place or `after` one, not both") }
    let anchor = before.map { HistoryAnchor.before($0) } ?? after.map { .after($0) }
    guard let limit = try step.int("limit") else { return try await chat.history(anchor) }
    return try await chat.history(anchor, limit: Int(limit))
}

/// The plain form of a handle that has a name.
func named(_ id: String) -> JSON {
    .object(["id": .text(id)])
}

/// A stream, read in the way the step says: to its end, or as far as it says.
private func streamed(_ stream: ReplyStream, _ step: Words) async throws -> JSON {
    let (cancelAfter, detachAfter) = (try step.int("cancel_after"), try step.int("detach_after"))
    var (kinds, words, seq): ([String], String, Int64) = ([], "", 0)
    var enough: Bool { (cancelAfter ?? detachAfter).map { words.unicodeScalars.count >= $0 } ?? false }
    func add(_ event: StreamEvent) throws {
        seq = event.seq
        if case .progress(.heartbeat) = event.kind { return }
        if case .text(let delta) = event.kind { words += delta }
        guard let kind = Mirror(reflecting: event.kind).children.first?.label.map(snake) else { return }
        if kinds.last != kind { kinds.append(kind) }
    }
    switch try step.text("read") {
    case nil, "events":
        var events = stream.makeAsyncIterator()
        while !enough, let event = try await events.next() { try add(event) }
        if detachAfter != nil { stream.detach() }
    case "batches":
        while !enough {
            let batch = try await stream.nextBatch()
            if batch.isEmpty { break }
            try batch.forEach(add)
        }
    case "text":
        var texts = stream.text.makeAsyncIterator()
        while !enough, let text = try await texts.next() { words += text }
        if detachAfter != nil { stream.detach() }
    case let way?: throw Wrong("the way to read `\(way)` is unknown")
    }
    var result: [String: JSON] = ["turn_id": try told(stream.turnId as Any)]
    if detachAfter != nil {
        stream.detach()
    } else {
        if enough { stream.cancel() }
        result = try told(try await stream.reply()).object ?? [:]
    }
    let read: [String: JSON] = ["events": .list(kinds.map { .text($0) }), "streamed": .text(words), "seq": .int(seq)]
    return .object(result.merging(read) { $1 })
}
