package dev.tertulia

import android.content.Context
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext

/**
 * Opens an app's engine, with the settings for apps.
 *
 * ```kotlin
 * val tertulia = Tertulia.open(context) { key("anthropic", keyOfTheUser) }
 * ```
 *
 * The store is one of the app's databases. What the app backs up holds it, unless the app's rules for backups leave it out.
 * Certificates are verified by the system, as the app's network security config says.
 *
 * @param context any of the app's; nothing of an activity is kept
 * @param store the database's name, or `memory:`
 * @throws TertuliaException.Invalid for bad settings, providers or models
 * @throws TertuliaException.Storage when the store cannot be opened
 */
public suspend fun Tertulia.Companion.open(
    context: Context,
    store: String = "tertulia.db",
    configure: Opening.() -> Unit = {},
): Tertulia {
    val place = withContext(Dispatchers.IO) {
        Android.trust(context.applicationContext ?: context)
        if (store == "memory:") store else context.getDatabasePath(store).also { it.parentFile?.mkdirs() }.path
    }
    return open(place) {
        settings = Settings.mobile()
        configure()
    }
}

/** What the native library is told of the app. */
internal object Android {
    init {
        System.loadLibrary("tertulia_ffi")
    }

    /** Lets TLS ask the system whom to trust. Again changes nothing. */
    external fun trust(context: Context)
}
