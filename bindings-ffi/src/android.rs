//! What the Kotlin package tells the library on Android: `src/android` of `bindings-kotlin` is its other end.

use jni::EnvUnowned;
use jni::errors::ThrowRuntimeExAndDefault;
use jni::objects::JObject;

/// `dev.tertulia.Android.trust(context)`. Throws what Java threw, else a `RuntimeException`.
#[expect(unsafe_code, reason = "Java finds a function by its name")]
#[unsafe(no_mangle)]
extern "system" fn Java_dev_tertulia_Android_trust<'local>(
    mut env: EnvUnowned<'local>,
    _this: JObject<'local>,
    context: JObject<'local>,
) {
    env.with_env(|env| tertulia::net::trust_android(env, context)).resolve::<ThrowRuntimeExAndDefault>();
}
