import Simulator
import Tertulia

/// The verbs of a batch; `chat` gives the conversation of a name.
func ofBatch(
    _ batch: Batch, _ verb: String, _ step: Words, chat: (String) throws -> Conversation
) async throws -> Made {
    let (chats, bestEffort) = (try step.texts("chats"), try step.bool("best_effort") ?? false)
    switch verb {
    case "run":
        return (try told(try await batch.run(bestEffort: bestEffort, dryRun: step.bool("dry_run") ?? false)), nil)
    case "start": return made(.batchRun(batch.start(bestEffort: bestEffort)))
    case "delete": try batch.delete(chats)
    case "update": try batch.update(chats, step.change())
    case "archive": try batch.archive(chats)
    case "unarchive": try batch.unarchive(chats)
    case "pin": try batch.pin(chats)
    case "unpin": try batch.unpin(chats)
    case "tag": try batch.tag(chats, step.texts("tags"))
    case "untag": try batch.untag(chats, step.texts("tags"))
    case "retag": try batch.retag(chats, step.need("old"), step.need("new"))
    case "append": try batch.append(chat(step.need("chat")), step.messages())
    case "edit": try batch.edit(chat(step.need("chat")), step.need("message"), step.said())
    case "export": try batch.export(step.need("path"), chats)
    default: throw Wrong("this runner cannot play `batch.\(verb)`")
    }
    return (.null, nil)
}

func ofBatchRun(_ run: BatchRun, _ verb: String, _ step: Words) async throws -> JSON {
    switch verb {
    case "next": return try await until(step) { try await run.next() }
    case "progress": return try told(run.progress)
    case "cancel": run.cancel()
    case "report": return try told(try await run.report())
    default: throw Wrong("this runner cannot play `batch_run.\(verb)`")
    }
    return .null
}
