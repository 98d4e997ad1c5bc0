//! From the entry point to the program proper: relocation, then the hand-over of the kernel's stack.

use k8psh::sys::program::Program;

/// One entry of the dynamic section: tag and value (`Elf64_Dyn`, elf(5)).
#[repr(C)]
struct Dynamic {
    tag: usize,
    value: usize,
}

/// One relocation with addend (`Elf64_Rela`, elf(5)).
#[repr(C)]
struct Relocation {
    offset: usize,
    information: usize,
    addend: usize,
}

/// The end of the dynamic section, the table of relocations and its size in bytes (elf(5)).
const DT_NULL: usize = 0;
const DT_RELA: usize = 7;
const DT_RELASZ: usize = 8;

/// "Add the load address", the only kind in a static position independent file (the ABI of each processor).
#[cfg(target_arch = "x86_64")]
const RELATIVE: usize = 8;
#[cfg(target_arch = "aarch64")]
const RELATIVE: usize = 1027;

/// Called by `_start` alone.
///
/// # Safety
/// `stack` is the stack pointer that the kernel entered the process with, `base` the load address of this file, and
/// `dynamic` its dynamic section.
pub(super) unsafe extern "C" fn begin(stack: *const usize, base: usize, dynamic: *const usize) -> ! {
    // SAFETY: `_start` passes what this function asks for; relocating comes first, since statics may hold addresses.
    let program = unsafe {
        relocate(base, dynamic.cast());
        Program::new(stack)
    };
    k8psh::applet::main(program)
}

/// Adds the load address wherever the file's relocations ask for it. Uses no static table itself.
///
/// # Safety
/// As for [`begin`].
unsafe fn relocate(base: usize, mut dynamic: *const Dynamic) {
    let mut table = base;
    let mut size = 0;
    // SAFETY: the section ends with DT_NULL, and the linker wrote the table that it names; every offset in it is a word
    // of this file's writable segment (`-z norelro` keeps all of them writable).
    unsafe {
        while (*dynamic).tag != DT_NULL {
            match (*dynamic).tag {
                DT_RELA => table = base.wrapping_add((*dynamic).value),
                DT_RELASZ => size = (*dynamic).value,
                _ => {}
            }
            dynamic = dynamic.add(1);
        }
        let mut relocation = table as *const Relocation;
        let end = table.wrapping_add(size);
        while (relocation as usize) < end {
            if (*relocation).information & 0xffff_ffff == RELATIVE {
                let target = base.wrapping_add((*relocation).offset) as *mut usize;
                target.write(base.wrapping_add((*relocation).addend));
            }
            relocation = relocation.add(1);
        }
    }
}
