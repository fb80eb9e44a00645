package dev.tertulia

import kotlin.time.Duration
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.distinctUntilChanged
import kotlinx.coroutines.flow.flow

/** How far the batch is, from now on and to its end. Whoever is slow is told the latest. */
public fun BatchRun.updates(): Flow<BatchProgress> = flow {
    emit(progress())
    while (true) emit(next() ?: break)
    emit(progress())
}.distinctUntilChanged()

/** The body as text. */
public val RawResponse.text: String
    get() = body.decodeToString()

/** The figures of the last while, an hour at most, as JSON. From memory. */
public fun Tertulia.stats(window: Duration): String = stats(window.inWholeMilliseconds)
