//! as-kernel KERNEL PROGRAM ARGUMENT...: runs a program, and all that it starts, with a kernel that lacks or denies system
//! calls. `scripts/check-kernels` runs the tests by it.
//!
//! A filter refuses the calls; how the remaining ones behave does not change. So this shows that nothing newer is needed, and
//! not that the older kernel has no fault.

#[path = "../../tests/integration/support/denied.rs"]
#[expect(dead_code, reason = "the tests deny single calls")]
mod denied;
mod docker;
mod linux_4_18;

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use seccompiler::{BpfProgram, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

/// A kernel by its name, and the filters that deny what it has not.
type Kernel = (&'static str, fn() -> Vec<BpfProgram>);

const KERNELS: &[Kernel] = &[("4.18", linux_4_18::filters), ("docker", docker::filters)];

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let kernel = words.next().and_then(|name| KERNELS.iter().find(|(known, _)| name == *known));
    let (Some((_, filters)), Some(program)) = (kernel, words.next()) else {
        let names: Vec<_> = KERNELS.iter().map(|(name, _)| *name).collect();
        eprintln!("as-kernel: usage: as-kernel {} PROGRAM ARGUMENT...", names.join("|"));
        return ExitCode::from(2);
    };
    let mut command = Command::new(&program);
    command.args(words);
    // The thread that has the filters becomes the program; it returns only if that fails.
    let error = denied::with_filters(&filters(), || command.exec());
    eprintln!("as-kernel: {}: {error}", program.display());
    ExitCode::from(127)
}

/// The condition that an argument has a value in the bits of a mask. Arguments count from 0.
fn argument(index: u8, mask: u64, value: u64) -> SeccompCondition {
    let compare = SeccompCmpOp::MaskedEq(mask);
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, compare, value).expect("a condition")
}

/// The rule of one condition.
fn only_if(condition: SeccompCondition) -> SeccompRule {
    SeccompRule::new(vec![condition]).expect("a rule")
}
