//! From the entry point to the program proper: relocation, then the hand-over of the kernel's stack.

use k8psh::sys::program::Program;

/// One entry of the dynamic section: tag and value (`Elf64_Dyn`, elf(5)).
#[repr(C)]
struct Dynamic {
    tag: usize,
    value: usize,
}

/// The end of the dynamic section; the table of packed relative relocations and its size in bytes (the generic ABI's
/// `DT_RELR`, which the linker is told to use: see the build script).
const DT_NULL: usize = 0;
const DT_RELRSZ: usize = 35;
const DT_RELR: usize = 36;

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
    // SAFETY: the section ends with DT_NULL, and the linker wrote the table that it names.
    unsafe {
        while (*dynamic).tag != DT_NULL {
            match (*dynamic).tag {
                DT_RELR => table = base.wrapping_add((*dynamic).value),
                DT_RELRSZ => size = (*dynamic).value,
                _ => {}
            }
            dynamic = dynamic.add(1);
        }
        apply(base, table as *const usize, size / size_of::<usize>());
    }
}

/// Applies packed relocations: an even entry is the address of a word; an odd one is a bitmap of the words that follow
/// the last one, as many as an entry has bits besides the lowest.
///
/// # Safety
/// `table` is a `DT_RELR` table of `count` entries for a file at `base`; every word that it names is in a segment that is
/// writable, which all of them are in this file's layout.
unsafe fn apply(base: usize, table: *const usize, count: usize) {
    let mut next: *mut usize = core::ptr::null_mut();
    for index in 0..count {
        // SAFETY: the caller's promise.
        unsafe {
            let entry = *table.add(index);
            if entry & 1 == 0 {
                let word = base.wrapping_add(entry) as *mut usize;
                word.write(word.read().wrapping_add(base));
                next = word.add(1);
                continue;
            }
            let mut bits = entry >> 1;
            let mut word = next;
            while bits != 0 {
                if bits & 1 == 1 {
                    word.write(word.read().wrapping_add(base));
                }
                bits >>= 1;
                word = word.add(1);
            }
            next = next.add(usize::BITS as usize - 1);
        }
    }
}
