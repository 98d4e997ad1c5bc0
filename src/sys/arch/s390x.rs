//! s390x: `svc 0`, number in r1, which clobbers nothing but r2 (syscall(2), "Architecture calling conventions").

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
            in("r1") number,
            inlateout("r2") arguments[0] => result,
            in("r3") arguments[1],
            in("r4") arguments[2],
            in("r5") arguments[3],
            in("r6") arguments[4],
            in("r7") arguments[5],
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
    // the label with its registers as the kernel kept them. The child's 160 bytes are the area in which a function may
    // save its caller's registers, with the end of the chain of callers at its start (ELF ABI, "The Stack Frame").
    unsafe {
        asm!(
            "svc 0",
            "ltgr %r2, %r2",
            "jnz 2f",
            "aghi %r15, -160",
            "stg %r2, 0(%r15)",
            "lgr %r2, {argument}",
            "basr %r14, {entry}",
            "j .+2",
            "2:",
            in("r1") number(libc::SYS_clone),
            // The stack comes first here, unlike everywhere else.
            inlateout("r2") top => result,
            in("r3") flags,
            in("r4") 0_usize,
            in("r5") 0_usize,
            in("r6") 0_usize,
            argument = in(reg_addr) argument,
            entry = in(reg_addr) entry,
        );
    }
    result
}
