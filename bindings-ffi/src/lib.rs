//! The native library that Kotlin and Swift load. All that it holds is the facade of the crate `tertulia`,
//! and what Android has to be told.

#[cfg(target_os = "android")]
mod android;

tertulia::uniffi_reexport_scaffolding!();
