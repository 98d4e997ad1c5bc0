//! System calls' numbers.

/// A system call's number as the architecture's table has it, in the register's type.
#[allow(clippy::cast_possible_truncation, reason = "the type is as wide as a register")]
pub(in crate::sys) const fn number(call: libc::c_long) -> usize {
    call.unsigned_abs() as usize
}
