//! How the kernel schedules this process.

use crate::sys::call::{call, word};
use crate::sys::statics::Global;

/// Whether [`yield_to_wakers`] has changed how this process is scheduled.
static YIELDS: Global<bool> = Global::new(false);

/// Has this process wait for its turn when something wakes it, instead of taking the processor from whoever does
/// (`SCHED_BATCH`, sched(7)): a stub that wakes its worker by each step of a call is quicker at the next one. Under another
/// policy than the usual one it stays as it is. Its children have this policy as well.
pub fn yield_to_wakers() {
    // SAFETY: the call takes a number; 0 is this process.
    let policy = unsafe { call(0, 0, 0, libc::SYS_sched_getscheduler) };
    YIELDS.set(policy == Ok(libc::SCHED_OTHER) && set(libc::SCHED_BATCH));
}

/// In a child: it is scheduled as the process was before that.
pub(super) fn yield_no_more() {
    if YIELDS.get() {
        set(libc::SCHED_OTHER);
    }
}

/// Sets the policy of this process, one of those without a priority. Whether the kernel, or a seccomp profile, allows it.
fn set(policy: i32) -> bool {
    let priority = 0_i32;
    // SAFETY: 0 is this process, and the priority all that is in a `struct sched_param`, which the kernel reads.
    unsafe { call(0, word(policy), (&raw const priority) as usize, libc::SYS_sched_setscheduler) }.is_ok()
}
