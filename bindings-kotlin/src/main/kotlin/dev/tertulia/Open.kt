package dev.tertulia

import kotlinx.coroutines.flow.Flow

/**
 * Opens an engine.
 *
 * ```kotlin
 * val tertulia = Tertulia.open("chat.db") { model = "anthropic/claude-sonnet-4-5" }
 * ```
 *
 * @param store a path (SQLite) or `memory:`. Left out: the platform's folder for application data; Android has none.
 * @throws TertuliaException.Invalid for bad settings, providers or models
 * @throws TertuliaException.Storage when the store cannot be opened
 */
public suspend fun Tertulia.Companion.open(store: String? = null, configure: Opening.() -> Unit = {}): Tertulia =
    Opening(store).apply(configure).let { openTertulia(it.options(), it.keySource, it.own) }

/** How an engine is opened. */
public class Opening internal constructor(private val store: String?) {
    /** The model that is asked when neither call nor conversation names one, as `provider/model`. */
    public var model: String? = null

    /** The models to go on to, in this order, when that one fails. Left out: as the settings say. */
    public var fallback: List<String>? = null

    /** All settings. */
    public var settings: Settings = Settings.server()

    /** Where keys are asked for, by user and provider: a keystore, a vault. */
    public var keySource: KeySource? = null

    private val keys = mutableMapOf<String, String>()
    private val providers = mutableListOf<ProviderSpec>()
    internal val own = mutableListOf<Provider>()

    /** A provider's key. Left out: the environment variable that the catalogue names. */
    public fun key(provider: String, key: String) {
        keys[provider] = key
    }

    /**
     * Where keys are asked for, in a few words. The user is nothing when the key is the application's own.
     *
     * ```kotlin
     * Tertulia.open("chat.db") { keySource { user, provider -> vault.key(user, provider) } }
     * ```
     */
    public fun keySource(ask: suspend (user: String?, provider: String) -> String?) {
        keySource = object : KeySource {
            override suspend fun key(user: String?, provider: String): String? = ask(user, provider)
        }
    }

    /** A provider of your own, as data. */
    public fun provider(spec: ProviderSpec) {
        providers += spec
    }

    /** A provider of your own, as code. It takes the place of a provider of the catalogue with the same name. */
    public fun provider(provider: Provider) {
        own += provider
    }

    /** A provider of your own, as code: see the function of the same name. */
    public fun provider(
        name: String,
        models: String? = null,
        answer: suspend (request: ChatRequest) -> Flow<StreamEventKind>,
    ) {
        provider(dev.tertulia.provider(name, models, answer))
    }

    internal fun options() = OpenOptions(store, model, fallback, keys.toMap(), providers.toList(), settings.json)
}

/**
 * Settings, as JSON.
 *
 * @property json A `profile`, and areas with the fields that differ from it.
 */
@JvmInline
public value class Settings(public val json: String) {
    public companion object {
        /** For services: the defaults. */
        public fun server(): Settings = Settings("""{"profile": "server"}""")

        /** For programs on a desk. */
        public fun desktop(): Settings = Settings("""{"profile": "desktop"}""")

        /** For apps: fewer connections and readers. */
        public fun mobile(): Settings = Settings("""{"profile": "mobile"}""")
    }
}
