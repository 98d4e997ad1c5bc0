//! riscv64: `ecall`, number in a7, which clobbers nothing but a0 (syscall(2), "Architecture calling conventions").

use core::arch::asm;
use core::ffi::c_void;

use super::number::number;

/// Makes system call `number` and returns the kernel's raw result.
///
/// # Safety
/// The arguments must be what that system call expects; pointers among them must be valid for its duration.
pub(in crate::sys) unsafe fn syscall6(number: usize, arguments: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the registers are those of the kernel's calling convention; the caller answers for what they hold.
    unsafe {
        asm!(
            "ecall",
            in("a7") number,
            inlateout("a0") arguments[0] => result,
            in("a1") arguments[1],
            in("a2") arguments[2],
            in("a3") arguments[3],
            in("a4") arguments[4],
            in("a5") arguments[5],
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
            "ecall",
            "bnez a0, 2f",
            "mv a0, {argument}",
            "jalr {entry}",
            "ebreak",
            "2:",
            in("a7") number(libc::SYS_clone),
            inlateout("a0") flags => result,
            in("a1") top,
            in("a2") 0_usize,
            in("a3") 0_usize,
            in("a4") 0_usize,
            argument = in(reg) argument,
            entry = in(reg) entry,
        );
    }
    result
}
