package dev.tertulia

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow

/**
 * The messages one after the other, read as they are collected. They are there once, and up to fifty are read ahead: whoever
 * has stopped before the end begins again with [Conversation.messages].
 */
public fun Messages.asFlow(): Flow<Message> = flow {
    while (true) nextBatch().ifEmpty { return@flow }.forEach { emit(it) }
}

/** The bytes as they come, for the body of a response. They are there once. */
public fun SseStream.asFlow(): Flow<ByteArray> = flow {
    while (true) emit(next() ?: return@flow)
}

/** The place in the message where it was found. */
public val SearchHit.text: String
    get() = snippet.joinToString("") { it.text }
