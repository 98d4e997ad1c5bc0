//! From the entry point to the program proper: relocation, then the hand-over of the kernel's stack.

use k8psh::sys::program::Program;

/// Where the layout (`scripts/link.ld`) says that the relocations are: offsets from the load address. An older linker does
/// not know packed ones and writes them all as plain ones.
#[repr(C)]
pub(super) struct Relocations {
    plain: u32,
    packed: u32,
    packed_end: u32,
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
/// `relocations` what its layout tells of them.
pub(super) unsafe extern "C" fn begin(stack: *const usize, base: usize, relocations: &Relocations) -> ! {
    // SAFETY: `_start` passes what this function asks for; relocating comes first, since statics may hold addresses.
    let program = unsafe {
        relocate(base, relocations);
        Program::new(stack)
    };
    crate::run(program)
}

/// Adds the load address wherever the file's relocations ask for it. Uses no static table itself.
///
/// # Safety
/// As for [`begin`].
unsafe fn relocate(base: usize, relocations: &Relocations) {
    let at = |offset: u32| base.wrapping_add(offset as usize);
    // SAFETY: the linker wrote the tables there, one behind the other.
    unsafe {
        apply(base, at(relocations.plain) as *const Relocation, at(relocations.packed) as *const Relocation);
        apply_packed(base, at(relocations.packed) as *const usize, at(relocations.packed_end) as *const usize);
    }
}

/// Applies plain relocations.
///
/// # Safety
/// From `next` to `end` is a `.rela.dyn` or `.rel.dyn` table (elf(5)) of a file at `base`; every word that it names is in a
/// segment that is writable, which all of them are in this file's layout.
unsafe fn apply(base: usize, mut next: *const Relocation, end: *const Relocation) {
    while next < end {
        // SAFETY: the caller's promise.
        unsafe {
            if (*next).information & KIND == RELATIVE {
                let word = base.wrapping_add((*next).offset) as *mut usize;
                #[cfg(target_pointer_width = "64")]
                let addend = (*next).addend;
                #[cfg(target_pointer_width = "32")]
                let addend = word.read();
                word.write(base.wrapping_add(addend));
            }
            next = next.add(1);
        }
    }
}

/// Applies packed relocations: an even entry is the address of a word; an odd one is a bitmap of the words that follow
/// the last one, as many as an entry has bits besides the lowest.
///
/// # Safety
/// From `next` to `end` is a `.relr.dyn` table (generic ABI, `DT_RELR`) of a file at `base`; every word that it names is in
/// a segment that is writable, which all of them are in this file's layout.
unsafe fn apply_packed(base: usize, mut next: *const usize, end: *const usize) {
    let mut following: *mut usize = core::ptr::null_mut();
    while next < end {
        // SAFETY: the caller's promise.
        unsafe {
            let entry = *next;
            next = next.add(1);
            if entry & 1 == 0 {
                let word = base.wrapping_add(entry) as *mut usize;
                word.write(word.read().wrapping_add(base));
                following = word.add(1);
                continue;
            }
            let mut bits = entry >> 1;
            let mut word = following;
            while bits != 0 {
                if bits & 1 == 1 {
                    word.write(word.read().wrapping_add(base));
                }
                bits >>= 1;
                word = word.add(1);
            }
            following = following.add(usize::BITS as usize - 1);
        }
    }
}
