package dev.tertulia.scenarios

import dev.tertulia.Batch
import dev.tertulia.BatchRun
import dev.tertulia.Conversation
import kotlinx.serialization.json.JsonObject

/** The verbs of a batch; `chat` gives the conversation of a name. */
internal suspend fun ofBatch(batch: Batch, verb: String, step: JsonObject, chat: (String) -> Conversation): Made {
    val chats = step.texts("chats").orEmpty()
    return when (verb) {
        "run" -> Made(told(batch.run(step.flag("best_effort") ?: false, step.flag("dry_run") ?: false)))
        "start" -> made(batch.start(step.flag("best_effort") ?: false))
        "delete" -> Made(told(batch.delete(chats)))
        "update" -> Made(told(batch.update(chats, step.change())))
        "archive" -> Made(told(batch.archive(chats)))
        "unarchive" -> Made(told(batch.unarchive(chats)))
        "pin" -> Made(told(batch.pin(chats)))
        "unpin" -> Made(told(batch.unpin(chats)))
        "tag" -> Made(told(batch.tag(chats, step.texts("tags")!!)))
        "untag" -> Made(told(batch.untag(chats, step.texts("tags")!!)))
        "retag" -> Made(told(batch.retag(chats, step.need("old"), step.need("new"))))
        "append" -> Made(told(batch.append(chat(step.need("chat")), step.messages())))
        "edit" -> Made(told(batch.edit(chat(step.need("chat")), step.need("message"), step.said())))
        "export" -> Made(told(batch.export(step.need("path"), chats)))
        else -> throw Wrong("this runner cannot play `batch.$verb`")
    }
}

/** The verbs of a batch that is under way. */
internal suspend fun ofBatchRun(run: BatchRun, verb: String, step: JsonObject): Made = when (verb) {
    "next" -> untilOne(step) { run.next() }
    "progress" -> Made(told(run.progress()))
    "cancel" -> Made(told(run.cancel()))
    "report" -> Made(told(run.report()))
    else -> throw Wrong("this runner cannot play `batch_run.$verb`")
}
