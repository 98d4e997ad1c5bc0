//! i386: `int 0x80`, number in eax, which clobbers nothing but eax (syscall(2), "Architecture calling conventions").

use core::arch::asm;
use core::ffi::c_void;

use super::number::number;

/// Makes system call `number` and returns the kernel's raw result.
///
/// The call takes every register but the stack pointer, and the compiler lends out neither esi nor ebp: all of them are
/// loaded from memory here, and those two are put back.
///
/// # Safety
/// The arguments must be what that system call expects; pointers among them must be valid for its duration.
pub(in crate::sys) unsafe fn syscall6(number: usize, arguments: [usize; 6]) -> isize {
    let [first, second, third, fourth, fifth, sixth] = arguments;
    let words = [number, first, second, third, fourth, fifth, sixth];
    let result: isize;
    // SAFETY: the registers are those of the kernel's calling convention; the caller answers for what they hold. `words`
    // is read before the call is made.
    unsafe {
        asm!(
            "push esi",
            "push ebp",
            "mov ebx, [eax + 4]",
            "mov ecx, [eax + 8]",
            "mov edx, [eax + 12]",
            "mov esi, [eax + 16]",
            "mov edi, [eax + 20]",
            "mov ebp, [eax + 24]",
            "mov eax, [eax]",
            "int 0x80",
            "pop ebp",
            "pop esi",
            inlateout("eax") words.as_ptr() => result,
            out("ebx") _,
            out("ecx") _,
            out("edx") _,
            out("edi") _,
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
    // SAFETY: the child leaves through `entry`, which never returns, on a stack of its own that is aligned at the call as
    // the ABI wants it; the parent goes on behind the label with its registers as the kernel kept them. What edx, esi and
    // edi hold is of no meaning to a clone with these flags.
    unsafe {
        asm!(
            "int 0x80",
            "test eax, eax",
            "jnz 2f",
            "sub esp, 12",
            "push edx",
            "call edi",
            "ud2",
            "2:",
            inlateout("eax") number(libc::SYS_clone) => result,
            in("ebx") flags,
            in("ecx") top,
            in("edx") argument,
            in("edi") entry,
        );
    }
    result
}
