//! x86_64: `syscall`, which clobbers rcx and r11 (syscall(2), "Architecture calling conventions").

use core::arch::asm;
use core::ffi::c_void;

use super::number::number;

/// Makes system call `number`, which takes three arguments at most, and returns the kernel's raw result.
///
/// # Safety
/// The arguments must be what that system call expects; pointers among them must be valid for its duration.
pub(in crate::sys) unsafe fn syscall(number: usize, arguments: [usize; 3]) -> isize {
    let result: isize;
    // SAFETY: the registers are those of the kernel's calling convention; the caller answers for what they hold.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result
}

/// [`syscall`] for one that takes up to six arguments.
///
/// # Safety
/// As for [`syscall`].
pub(in crate::sys) unsafe fn syscall6(number: usize, arguments: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: as in `syscall`.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            in("r8") arguments[4],
            in("r9") arguments[5],
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result
}

/// clone(2) whose child runs `entry(argument)` on the stack that ends at `top`. Returns in the parent only.
///
/// # Safety
/// `top` is 16-byte aligned and above enough stack for `entry`; with `CLONE_VM` in `flags` the parent must not touch
/// what the child uses until the child has let go of its memory (`CLONE_VFORK`).
pub(in crate::sys) unsafe fn clone_onto(
    flags: usize,
    top: *mut c_void,
    entry: extern "C" fn(*mut c_void) -> !,
    argument: *mut c_void,
) -> isize {
    let result: isize;
    // SAFETY: the child leaves through `entry`, which never returns, on a stack of its own; the parent goes on behind
    // the label with its registers as the kernel kept them.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "mov rdi, {argument}",
            "call {entry}",
            "ud2",
            "2:",
            inlateout("rax") number(libc::SYS_clone) => result,
            in("rdi") flags,
            in("rsi") top,
            in("rdx") 0_usize,
            in("r10") 0_usize,
            in("r8") 0_usize,
            argument = in(reg) argument,
            entry = in(reg) entry,
            out("rcx") _,
            out("r11") _,
        );
    }
    result
}
