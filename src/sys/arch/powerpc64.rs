//! powerpc64: `sc`, number in r0, which clobbers r9 to r12, ctr, xer and cr0 and marks an error by cr0's overflow bit
//! (syscall(2), "Architecture calling conventions"; `Documentation/arch/powerpc/syscall64-abi.rst`).

use core::arch::asm;
use core::ffi::c_void;

use super::number::number;

/// Makes system call `number` and returns the kernel's raw result; an error as the negative number that it is elsewhere.
///
/// # Safety
/// The arguments must be what that system call expects; pointers among them must be valid for its duration.
pub(in crate::sys) unsafe fn syscall6(number: usize, arguments: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the registers are those of the kernel's calling convention; the caller answers for what they hold.
    unsafe {
        asm!(
            "sc",
            "bns+ 2f",
            "neg 3, 3",
            "2:",
            inlateout("r0") number => _,
            inlateout("r3") arguments[0] => result,
            inlateout("r4") arguments[1] => _,
            inlateout("r5") arguments[2] => _,
            inlateout("r6") arguments[3] => _,
            inlateout("r7") arguments[4] => _,
            inlateout("r8") arguments[5] => _,
            out("r9") _,
            out("r10") _,
            out("r11") _,
            out("r12") _,
            out("cr0") _,
            out("ctr") _,
            out("xer") _,
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
    // the label with its registers as the kernel kept them. Both pointers are in registers that the kernel preserves.
    // `entry` finds its table of contents by its own address in r12 (ELFv2 ABI), and the 32 bytes are a caller's frame.
    unsafe {
        asm!(
            "sc",
            "bns+ 2f",
            "neg 3, 3",
            "2: cmpdi 3, 0",
            "bne 3f",
            "li 0, 0",
            "stdu 0, -32(1)",
            "mr 3, {argument}",
            "mr 12, {entry}",
            "mtctr 12",
            "bctrl",
            "trap",
            "3:",
            inlateout("r0") number(libc::SYS_clone) => _,
            inlateout("r3") flags => result,
            inlateout("r4") top => _,
            inlateout("r5") 0_usize => _,
            inlateout("r6") 0_usize => _,
            inlateout("r7") 0_usize => _,
            out("r8") _,
            out("r9") _,
            out("r10") _,
            out("r11") _,
            out("r12") _,
            out("cr0") _,
            out("ctr") _,
            out("xer") _,
            argument = in(reg_nonzero) argument,
            entry = in(reg_nonzero) entry,
        );
    }
    result
}
