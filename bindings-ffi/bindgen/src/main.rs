//! Writes the Kotlin and the Swift of the native library: `tools/border.py` calls it.

fn main() {
    uniffi::uniffi_bindgen_main();
}
