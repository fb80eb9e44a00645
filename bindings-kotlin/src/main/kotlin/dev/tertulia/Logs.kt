package dev.tertulia

/**
 * Tells everything that is logged at this level or a louder one, by all engines of the program, from now on; who was told
 * before hears nothing more. Called on a thread of its own: no call waits for it, and what it throws is told to nobody.
 *
 * ```kotlin
 * Tertulia.forwardLogs(LogLevel.WARN) { record -> Log.w(record.target, "$record") }
 * ```
 *
 * A record's text is its message and what is known besides. It holds no key and nothing of what was said.
 *
 * @throws TertuliaException.Conflict when the program already sends what is logged elsewhere
 */
public fun Tertulia.Companion.forwardLogs(level: LogLevel = LogLevel.INFO, hear: (LogRecord) -> Unit) {
    forwardLogs(
        level,
        object : LogListener {
            override fun log(record: LogRecord): Unit = hear(record)
        },
    )
}

/** Tells nobody any more what is logged. */
public fun Tertulia.Companion.stopLogs(): Unit = forwardLogs(LogLevel.ERROR, null)
