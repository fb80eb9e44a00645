//! On Android the system alone verifies certificates, and it is asked through the app's Java machine.

use std::sync::atomic::{AtomicBool, Ordering};

use jni::Env;
use jni::objects::JObject;

static TOLD: AtomicBool = AtomicBool::new(false);

/// Tells the library of the app, so that TLS can ask Android whom to trust: before the first call, once in a process. To do
/// so again changes nothing.
///
/// The app must bring the classes of `org.rustls.platformverifier` along: its package for Android depends on them.
///
/// # Errors
/// Whatever Java threw, or when `context` is no `android.content.Context`.
pub fn trust_android(env: &mut Env<'_>, context: JObject<'_>) -> jni::errors::Result<()> {
    rustls_platform_verifier::android::init_with_env(env, context)?;
    TOLD.store(true, Ordering::Release);
    Ok(())
}

/// Whether there is an app to ask through.
pub(super) fn is_told() -> bool {
    TOLD.load(Ordering::Acquire)
}
