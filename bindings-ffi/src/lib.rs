//! The native library that Kotlin and Swift load. All that it holds is the facade of the crate `tertulia`.

tertulia::uniffi_reexport_scaffolding!();
