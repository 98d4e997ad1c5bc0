//! Cargo's build script: how the freestanding binary is linked.
//!
//! The arguments go to the binary alone, so that `cargo test` still builds ordinary test programs.

fn main() {
    let arguments = [
        // The program brings its own `_start` and needs nothing of a C library.
        "-nostartfiles",
        "-nodefaultlibs",
        // No interpreter, but position independent: `sys::start` applies the relocations.
        "-static-pie",
        // Nothing reads the unwind tables (panics abort) nor a build id.
        "-Wl,--no-eh-frame-hdr",
        "-Wl,--build-id=none",
        // One segment to execute and one to write, which stays writable: see the layout.
        "-Wl,-z,norelro",
        // Relocations as a bitmap of a few dozen bytes.
        "-Wl,-z,pack-relative-relocs",
    ];
    for argument in arguments {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it for a build script");
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{root}/scripts/link.ld");
    println!("cargo::rerun-if-changed=scripts/link.rs");
    println!("cargo::rerun-if-changed=scripts/link.ld");
}
