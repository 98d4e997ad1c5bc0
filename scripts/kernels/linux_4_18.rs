//! Linux 4.18, the kernel of Red Hat Enterprise Linux 8: the oldest that a supported distribution runs Kubernetes on.

use nix::errno::Errno;
use nix::libc;
use seccompiler::BpfProgram;

use crate::denied::{always, filter};
use crate::{argument, only_if};

/// Numbers of the system calls that came since. All architectures number them alike from 424 on, pidfd_send_signal(2) of
/// Linux 5.1 (`scripts/syscall.tbl` in the kernel's source); what 64-bit architectures have below is of 4.18 or older. The
/// kernel does not yet use those at the end.
const NEWER: std::ops::Range<libc::c_long> = libc::SYS_pidfd_send_signal..512;

/// The flag of preadv2(2) and pwritev2(2) that files had then, but neither pipes nor sockets. The filter does not see what a
/// descriptor is, so files do not have it either, as in overlayfs.
const NOWAIT: u64 = 8;

pub(crate) fn filters() -> Vec<BpfProgram> {
    let newer: Vec<_> = NEWER.collect();
    let at_once =
        [libc::SYS_preadv2, libc::SYS_pwritev2].map(|call| (call, vec![only_if(argument(5, NOWAIT, NOWAIT))]));
    vec![filter(always(&newer), Errno::ENOSYS), filter(at_once.into(), Errno::EOPNOTSUPP)]
}
