//! aarch64: `svc 0`, number in x8, which clobbers nothing but x0 (syscall(2), "Architecture calling conventions").

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
            "svc 0",
            in("x8") number,
            inlateout("x0") arguments[0] => result,
            in("x1") arguments[1],
            in("x2") arguments[2],
            in("x3") arguments[3],
            in("x4") arguments[4],
            in("x5") arguments[5],
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
            "svc 0",
            "cbnz x0, 2f",
            "mov x0, {argument}",
            "blr {entry}",
            "brk 1",
            "2:",
            in("x8") number(libc::SYS_clone),
            inlateout("x0") flags => result,
            in("x1") top,
            in("x2") 0_usize,
            in("x3") 0_usize,
            in("x4") 0_usize,
            argument = in(reg) argument,
            entry = in(reg) entry,
        );
    }
    result
}
