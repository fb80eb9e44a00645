import Foundation
import Simulator
import Tertulia

/// What a step has made and others are done with.
enum Handle: Sendable {
    case engine(Tertulia)
    case user(UserScope)
    case conversation(Conversation)
    case timeline(Rows<Timeline, TimelineItem>)
    case conversationsWatch(Rows<ConversationsWatch, ConversationSummary>)
    case outbox(Outbox)
    case outboxWatch(OutboxWatch)
    case events(Events)
    case library(Library)
    case libraryCache(LibraryCache)
    case batch(Batch)
    case batchRun(BatchRun)
    case store(StoreUpkeep)
    case provider(ProviderHandle)

    /// What the keys of its verbs begin with.
    var kind: String { snake(Mirror(reflecting: self).children.first?.label ?? "") }
}

/// What a verb gave: its result, and the handle that it made.
typealias Made = (JSON, Handle?)

func ofEngine(_ engine: Tertulia, _ verb: String, _ step: Words) async throws -> Made {
    switch verb {
    case "close": try await engine.close()
    case "ask":
        if step.fields["messages"] != nil {
            return (try told(try await engine.ask(messages: step.messages(), options: step.call())), nil)
        }
        return (try told(try await engine.ask(step.said(), options: step.call())), nil)
    case "user":
        let user = engine.user(try step.need("id"), keys: try step.pairs("keys"))
        return (named(user.id), .user(user))
    case "suspend": try await engine.suspend()
    case "resume": try await engine.resume()
    case "network_changed": engine.networkChanged()
    case "set_low_power": engine.setLowPower(try step.bool("low") ?? false)
    case "events": return (.object([:]), .events(engine.events))
    case "health": return (try told(engine.health), nil)
    default: return try await ofService(engine, verb, step)
    }
    return (.null, nil)
}

func ofUser(_ user: UserScope, _ verb: String, _ step: Words) async throws -> Made {
    let made = { (chat: Conversation) in (named(chat.id), Handle.conversation(chat)) }
    switch verb {
    case "ask":
        if step.fields["messages"] != nil {
            return (try told(try await user.ask(messages: step.messages(), options: step.call())), nil)
        }
        return (try told(try await user.ask(step.said(), options: step.call())), nil)
    case "new_conversation":
        let words = try step.record("options") ?? Words([:])
        return made(
            user.newConversation(
                model: try words.text("model"), system: try words.text("system"), title: try words.text("title"),
                metadata: try words.pairs("metadata"), tags: try words.texts("tags"),
                expiresIn: try words.int("expires_in_ms").map { .milliseconds($0) }))
    case "conversation": return made(try user.conversation(step.need("id")))
    case "conversation_for": return made(user.conversationFor(try step.need("key")))
    case "list_conversations": return (try told(try await listed(user, step) as Any), nil)
    case "search":
        let found = try await user.search(
            step.need("words"), sort: step.one("sort"), limit: step.limit(), before: step.text("before"))
        return (try told(found), nil)
    case "export_conversations":
        let report = try await user.exportConversations(
            step.need("path"), ids: step.textsIf("ids"), archived: step.bool("archived"), pinned: step.bool("pinned"),
            tag: step.text("tag"), preferences: step.bool("preferences") ?? false)
        return (try told(report), nil)
    case "import_conversations":
        let report = try await user.importConversations(step.need("path"), dryRun: step.bool("dry_run") ?? false)
        return (try told(report), nil)
    case "erase": return (try told(try await user.erase()), nil)
    case "preferences": return (try told(try await user.preferences()), nil)
    case "update_preferences": return (try told(try await user.updatePreferences(step.preferences())), nil)
    case "outbox": return (.object([:]), .outbox(user.outbox()))
    case "watch_conversations": return (.object([:]), .conversationsWatch(Rows(try user.watchConversations())))
    case "prompts": return (.object([:]), .library(user.prompts()))
    case "personas": return (.object([:]), .library(user.personas()))
    case "councils": return (.object([:]), .library(user.councils()))
    case "library": return (.object([:]), .library(user.library(try step.need("kind"))))
    case "batch": return (.object([:]), .batch(user.batch()))
    default: return (try await ofMoney(user, verb, step), nil)
    }
}

private func listed(_ user: UserScope, _ step: Words) async throws -> ConversationPage? {
    let (before, after) = (try step.text("before"), try step.text("after"))
    let (archived, pinned, tag) = (try step.bool("archived") ?? false, try step.bool("pinned"), try step.text("tag"))
    guard let version = try step.int("unchanged_since") else {
        return try await user.listConversations(
            limit: step.limit(), before: before, after: after, archived: archived, pinned: pinned, tag: tag)
    }
    return try await user.listConversationsIfChanged(
        unchangedSince: version, limit: step.limit(), before: before, after: after, archived: archived, pinned: pinned,
        tag: tag)
}

func ofConversation(_ chat: Conversation, _ verb: String, _ step: Words) async throws -> Made {
    let made = { (chat: Conversation) in (named(chat.id), Handle.conversation(chat)) }
    let result: Any
    switch verb {
    case "at": return made(try chat.at(step.need("message")))
    case "timeline":
        let timeline = try await chat.timeline(
            step.focus(), utcOffsetMinutes: step.whole("utc_offset_minutes") ?? 0, readUpto: step.text("read_upto"))
        return (.object([:]), .timeline(Rows(timeline)))
    case "duplicate": return made(try await chat.duplicate(step.need("message")))
    case "send": result = try await chat.send(step.said(), options: step.call())
    case "stream": result = try await streamed(chat.stream(step.said(), options: step.call()), step)
    case "retry": result = try await streamed(chat.retry(step.need("turn"), options: step.call()), step)
    case "edit":
        result = try await streamed(chat.edit(step.need("message"), step.said(), options: step.call()), step)
    case "regenerate":
        result = try await streamed(chat.regenerate(step.need("message"), options: step.call()), step)
    case "attach":
        result = try await streamed(chat.attach(step.need("turn"), afterSeq: step.int("after_seq") ?? 0), step)
    case "append": result = try await chat.append(step.messages())
    case "stop": result = try await chat.stop(step.need("turn"))
    case "turn": result = try await chat.turn(step.need("turn"))
    case "context": result = try await chat.context(options: step.call())
    case "history": result = try await history(chat, step) as Any
    case "open":
        result = try await chat.open(limit: step.limit(), turns: step.whole("turns"), detail: step.one("detail"))
    case "messages":
        let messages = chat.messages(
            newestFirst: try step.bool("newest_first") ?? false, detail: try step.one("detail"))
        result = try await messages.reduce(into: [Message]()) { $0.append($1) }
    case "search":
        result = try await chat.search(
            step.need("words"), sort: step.one("sort"), limit: step.limit(), before: step.text("before"))
    case "siblings":
        result = try await chat.siblings(
            step.need("message"), limit: step.limit(), before: step.text("before"), after: step.text("after"))
    case "branches":
        result = try await chat.branches(limit: step.limit(), before: step.text("before"), after: step.text("after"))
    case "switch_to": result = try await chat.switchTo(step.need("message"))
    case "fork": result = try await chat.fork(step.need("message"))
    case "delete_message":
        result = try await chat.deleteMessage(step.need("message"), subtree: step.bool("subtree") ?? false)
    case "summary": result = try await chat.summary()
    case "budgets": result = try await chat.budgets()
    case "update": result = try await chat.update(step.change())
    case "delete": result = try await chat.delete()
    default: throw Wrong("this runner cannot play `conversation.\(verb)`")
    }
    return (try told(result), nil)
}

private func history(_ chat: Conversation, _ step: Words) async throws -> MessagePage? {
    let anchors: [HistoryAnchor] = [
        try step.text("before").map { .before($0) }, try step.text("after").map { .after($0) },
        try step.text("around").map { .around($0) }, try step.whole("position").map { .position($0) },
    ].compactMap { $0 }
    if anchors.count > 1 { throw Wrong("a page has one place where it begins, or none") }
    let (turns, detail): (Int?, Detail?) = (try step.whole("turns"), try step.one("detail"))
    guard let version = try step.int("unchanged_since") else {
        return try await chat.history(anchors.first, limit: step.limit(), turns: turns, detail: detail)
    }
    return try await chat.historyIfChanged(
        unchangedSince: version, anchors.first, limit: step.limit(), turns: turns, detail: detail)
}

extension Words {
    fileprivate func whole(_ word: String) throws -> Int? { try int(word).map { Int($0) } }

    fileprivate func limit() throws -> Int { try whole("limit") ?? 50 }
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
    case "sse": return try await sse(stream)
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

/// What a page would be told of a reply: the types of its events and the words of the answer.
private func sse(_ stream: ReplyStream) async throws -> JSON {
    let all = try await stream.sse().reduce(into: Data()) { $0 += $1 }
    var (kinds, words): ([String], String) = ([], "")
    for line in String(decoding: all, as: UTF8.self).split(separator: "\n") where line.hasPrefix("data: ") {
        let event = try JSON(parsing: String(line.dropFirst(6)))
        let kind = event["type"]?.text ?? ""
        if kinds.last != kind { kinds.append(kind) }
        if kind == "text" { words += event["delta"]?.text ?? "" }
    }
    return .object(["events": .list(kinds.map { .text($0) }), "streamed": .text(words)])
}
