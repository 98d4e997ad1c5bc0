//! Fuzz targets. Each gives bytes to a part of the program and checks what comes of them against rules of its own, by the
//! plain stable toolchain:
//!
//! ```text
//! cargo test --test fuzz                                  plays the corpus alone
//! cargo test --test fuzz -- --seconds 30                  every target for so long, two at a time
//! cargo test --test fuzz -- config --seconds 600 --seed 7 one target, from this seed
//! cargo test --test fuzz -- config --input FILE           one input
//! cargo test --test fuzz -- config --seconds 60 --collect adds what behaves in a new way to the corpus
//! ```
//!
//! A target is in a process of its own. Inputs are mutations of the corpus and of what has behaved in a new way since; a
//! seed gives the same ones again. An input that fails is saved, and so is one that takes too long.
//!
//! Some rooms of the program are compiled once more here, from the same files: with smaller [`limits`], so that every
//! capacity is reached, and with a [`diag`] that keeps messages instead of writing them.

mod choices;
mod diag;
mod driver;
mod mutation;
mod options_of_run;
mod targets;

#[path = "../../src/auth/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the library uses the rest of it")]
mod auth;
mod config;
#[path = "../../src/http/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the library uses the rest of it")]
mod http;
mod limits;
#[path = "../../src/options/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the library uses the rest of it")]
mod options;
#[path = "../orders/process.rs"]
mod process;
#[path = "../../src/protocol/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the library uses the rest of it")]
mod protocol;
#[path = "../orders/rules.rs"]
mod rules;
#[path = "../orders/scenes.rs"]
mod scenes;
mod session;
#[path = "../orders/stub.rs"]
mod stub;
#[path = "../orders/wire.rs"]
mod wire;
#[path = "../orders/world.rs"]
mod world;

use k8psh::{add, exit, files, line, secure, sys, text};
use options_of_run::Run;
use std::process::ExitCode;

/// [`k8psh::report`] by this program's [`diag`].
macro_rules! report {
    ($text:expr $(, $part:expr)* $(,)?) => {
        $crate::diag::report($crate::text!($text), &[$($crate::text::line::Show::part(&$part)),*])
    };
}

/// [`k8psh::reported`], likewise.
macro_rules! reported {
    ($text:expr $(, $part:expr)* $(,)?) => {{
        $crate::report!($text $(, $part)*);
        $crate::diag::Reported
    }};
}

pub(crate) use {report, reported};

fn main() -> ExitCode {
    match Run::read(std::env::args().skip(1)) {
        Ok(run) if run.is_child => driver::play(&run),
        Ok(run) => driver::play_all(&run),
        Err(why) => {
            eprintln!("fuzz: {why}");
            ExitCode::from(2)
        }
    }
}
