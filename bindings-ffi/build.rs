//! How the native library is linked, wherever and by whatever it is built.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Android, and Linux, where what apps on Android get is measured.
    if matches!(env::var("CARGO_CFG_TARGET_OS").as_deref(), Ok("android" | "linux")) {
        // Phones with pages of 16 KiB load nothing that is laid out for smaller ones.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,max-page-size=16384");
        // By this name it is found again by whoever asks for it a second time: JNA does, after the system.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libtertulia_ffi.so");
    }
}
