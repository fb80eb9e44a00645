package dev.tertulia

/** Words. */
public fun text(text: String): Part = Part.Text(text, emptyList())

/** A picture: exactly one of [path] (read when it is sent), [data] with [mimeType], and [url] (the provider fetches it). */
public fun image(path: String? = null, data: ByteArray? = null, mimeType: String? = null, url: String? = null): Part =
    Part.Image(media(path, data, mimeType, url))

/** A sound: exactly one of [path] (read when it is sent), [data] with [mimeType], and [url] (the provider fetches it). */
public fun audio(path: String? = null, data: ByteArray? = null, mimeType: String? = null, url: String? = null): Part =
    Part.Audio(media(path, data, mimeType, url))

/** A document: exactly one of [path] (read when it is sent), [data] with [mimeType], and [url] (the provider fetches it). */
public fun file(path: String? = null, data: ByteArray? = null, mimeType: String? = null, url: String? = null): Part =
    Part.File(media(path, data, mimeType, url))

private fun media(path: String?, data: ByteArray?, mimeType: String?, url: String?): Media {
    val sources = listOfNotNull(
        path?.let { MediaSource.Path(it) },
        data?.let { MediaSource.Data(it) },
        url?.let { MediaSource.Url(it) },
    )
    require(sources.size == 1) { "exactly one of path, data and url says where the bytes are" }
    require(data == null || mimeType != null) { "data needs its mimeType, as \"image/png\"" }
    return Media(sources.single(), mimeType)
}

/** Saves the message, sends it, and waits for the whole reply. Cancelling the job stops the call. */
public suspend fun Conversation.send(text: String, options: CallOptions = CallOptions()): Reply =
    send(listOf(text(text)), options)

/** Saves the message, sends it, and waits for the whole reply. Cancelling the job stops the call. */
public suspend fun Conversation.send(vararg parts: Part, options: CallOptions = CallOptions()): Reply =
    send(parts.asList(), options)

/** Saves the message, sends it, and gives the reply as it comes. The stream exists once the message is saved. */
public suspend fun Conversation.stream(text: String, options: CallOptions = CallOptions()): ReplyStream =
    stream(listOf(text(text)), options)

/** Saves the message, sends it, and gives the reply as it comes. The stream exists once the message is saved. */
public suspend fun Conversation.stream(vararg parts: Part, options: CallOptions = CallOptions()): ReplyStream =
    stream(parts.asList(), options)

/** Says a message anew, and gives the answer as it comes. The old one stays beside it; `switchTo` shows it. */
public suspend fun Conversation.edit(messageId: String, text: String, options: CallOptions = CallOptions()): ReplyStream =
    edit(messageId, listOf(text(text)), options)

/** Asks once and stores nothing. */
public suspend fun Tertulia.ask(text: String, options: CallOptions = CallOptions()): Reply =
    ask(listOf(text(text)), options)

/** Asks once on this user's account and stores nothing. */
public suspend fun UserScope.ask(text: String, options: CallOptions = CallOptions()): Reply =
    ask(listOf(text(text)), options)

/** Asks once with these messages, the last of them what is asked now; stores nothing. */
public suspend fun Tertulia.ask(messages: List<NewMessage>, options: CallOptions = CallOptions()): Reply =
    askMessages(messages, options)

/** Asks once with these messages, the last of them what is asked now, on this user's account; stores nothing. */
public suspend fun UserScope.ask(messages: List<NewMessage>, options: CallOptions = CallOptions()): Reply =
    askMessages(messages, options)
