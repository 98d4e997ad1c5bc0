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
        // Neighbouring segments share a file page instead of being padded to one each.
        "-Wl,-z,noseparate-code",
        "-Wl,-z,norelro",
    ];
    for argument in arguments {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    println!("cargo::rerun-if-changed=scripts/link.rs");
}
