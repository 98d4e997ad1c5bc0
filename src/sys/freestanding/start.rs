//! From the entry point to the program proper: relocation, then the hand-over of the kernel's stack.

use k8psh::sys::program::Program;

/// One entry of the dynamic section: tag and value (`Elf64_Dyn` and `Elf32_Dyn`, elf(5)).
#[repr(C)]
struct Dynamic {
    tag: usize,
    value: usize,
}

/// One relocation (elf(5)). The 32-bit processors have `Elf32_Rel`, whose addend is what the word holds, the 64-bit ones
/// `Elf64_Rela`.
#[repr(C)]
struct Relocation {
    offset: usize,
    information: usize,
    #[cfg(target_pointer_width = "64")]
    addend: usize,
}

/// The end of the dynamic section, and its two tables of relocations with their sizes in bytes (elf(5), and the generic
/// ABI for `DT_RELR`). The plain table is `DT_RELA` or, where the words hold the addends, `DT_REL`; the linker is asked for
/// packed ones, and an older one writes plain ones.
const DT_NULL: usize = 0;
const DT_PLAIN: usize = if cfg!(target_pointer_width = "64") { 7 } else { 17 };
const DT_PLAINSZ: usize = DT_PLAIN + 1;
const DT_RELRSZ: usize = 35;
const DT_RELR: usize = 36;

/// "Add the load address", the only kind in a static position independent file (the ABI of each processor).
const RELATIVE: usize = match () {
    () if cfg!(target_arch = "aarch64") => 1027,
    () if cfg!(target_arch = "arm") => 23,
    () if cfg!(target_arch = "powerpc64") => 22,
    () if cfg!(target_arch = "riscv64") => 3,
    () if cfg!(target_arch = "s390x") => 12,
    () => 8,
};

/// The bits of a relocation's information that are its kind (`ELF64_R_TYPE` and `ELF32_R_TYPE`).
const KIND: usize = if cfg!(target_pointer_width = "64") { 0xffff_ffff } else { 0xff };

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
    let (mut plain, mut plain_size, mut packed, mut packed_size) = (0, 0, 0, 0);
    // SAFETY: the section ends with DT_NULL, and the linker wrote the tables that it names.
    unsafe {
        while (*dynamic).tag != DT_NULL {
            match (*dynamic).tag {
                DT_PLAIN => plain = (*dynamic).value,
                DT_PLAINSZ => plain_size = (*dynamic).value,
                DT_RELR => packed = (*dynamic).value,
                DT_RELRSZ => packed_size = (*dynamic).value,
                _ => {}
            }
            dynamic = dynamic.add(1);
        }
        apply(base, base.wrapping_add(plain) as *const Relocation, plain_size / size_of::<Relocation>());
        apply_packed(base, base.wrapping_add(packed) as *const usize, packed_size / size_of::<usize>());
    }
}

/// Applies plain relocations.
///
/// # Safety
/// `table` is a `DT_RELA` or `DT_REL` table of `count` entries for a file at `base`; every word that it names is in a segment that is
/// writable, which all of them are in this file's layout.
unsafe fn apply(base: usize, table: *const Relocation, count: usize) {
    for index in 0..count {
        // SAFETY: the caller's promise.
        unsafe {
            let relocation = table.add(index);
            if (*relocation).information & KIND == RELATIVE {
                let word = base.wrapping_add((*relocation).offset) as *mut usize;
                #[cfg(target_pointer_width = "64")]
                let addend = (*relocation).addend;
                #[cfg(target_pointer_width = "32")]
                let addend = word.read();
                word.write(base.wrapping_add(addend));
            }
        }
    }
}

/// Applies packed relocations: an even entry is the address of a word; an odd one is a bitmap of the words that follow
/// the last one, as many as an entry has bits besides the lowest.
///
/// # Safety
/// `table` is a `DT_RELR` table of `count` entries for a file at `base`; every word that it names is in a segment that is
/// writable, which all of them are in this file's layout.
unsafe fn apply_packed(base: usize, table: *const usize, count: usize) {
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
