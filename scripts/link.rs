//! Cargo's build script: how the freestanding binary is linked.
//!
//! The arguments go to the binary alone, so that `cargo test` still builds ordinary test programs.

use std::env;
use std::fs;
use std::path::Path;

fn main() {
    let linker = env::var("RUSTC_LINKER").unwrap_or_default();
    // A linker that is called directly, as rustc tells it by the name, or a C compiler that calls one.
    let stem = Path::new(&linker).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_direct = stem == "ld" || stem.ends_with("-ld") || stem.ends_with("lld");

    if !is_direct {
        // The program brings its own `_start` and needs nothing of a C library.
        for argument in ["-nostartfiles", "-nodefaultlibs", "-static-pie"] {
            println!("cargo::rustc-link-arg-bins={argument}");
        }
    }
    let layout = format!("{}/scripts/link.ld", variable("CARGO_MANIFEST_DIR"));
    let arguments = [
        // No interpreter, but position independent: `sys/freestanding` applies the relocations. Not every C compiler
        // knows a static file of that kind, so the linker is told as well.
        &["--no-dynamic-linker"][..],
        // Nothing reads the unwind tables (panics abort) nor a build id.
        &["--no-eh-frame-hdr"],
        &["--build-id=none"],
        // One segment to execute and one to write, which stays writable: see the layout.
        &["-z", "norelro"],
        // Relocations as a bitmap of a few dozen bytes.
        &["-z", "pack-relative-relocs"],
        &["-T", &layout],
        // A table of sections, which leads to what a debugger wants to know. An older linker writes one all the same.
        if variable("DEBUG") == "false" { &["-z", "nosectionheader"] } else { &[] },
    ];
    for words in arguments.into_iter().filter(|words| !words.is_empty()) {
        if is_direct {
            words.iter().for_each(|word| println!("cargo::rustc-link-arg-bins={word}"));
        } else {
            println!("cargo::rustc-link-arg-bins=-Wl,{}", words.join(","));
        }
    }
    replace_libraries();
    println!("cargo::rerun-if-changed=scripts/link.rs");
    println!("cargo::rerun-if-changed=scripts/link.ld");
    // From where cargo may have what it tells as RUSTC_LINKER.
    let target = variable("TARGET").to_uppercase().replace(['-', '.'], "_");
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_{target}_LINKER");
}

/// Puts empty libraries before those of the C library that the `libc` package names: nothing of them is used, and a
/// machine that can link for another architecture need not have them for it.
fn replace_libraries() {
    let directory = variable("OUT_DIR");
    for name in ["c", "dl", "m", "pthread", "rt", "util"] {
        let path = Path::new(&directory).join(format!("lib{name}.a"));
        fs::write(path, "!<arch>\n").expect("cargo made the directory for this");
    }
    println!("cargo::rustc-link-arg-bins=-L{directory}");
}

/// What cargo sets for a build script.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for a build script"))
}
