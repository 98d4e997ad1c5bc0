//! Docker's default seccomp profile, as of version 25: `profiles/seccomp/default.json` in github.com/moby/moby, for a
//! container without additional capabilities. containerd's and podman's are alike; Kubernetes has it by
//! `seccompProfile: {type: RuntimeDefault}`.
//!
//! The profile lists what is allowed. These are the calls that it does not list, of those that programs may well make.

use nix::errno::Errno;
use nix::libc;
use seccompiler::BpfProgram;

use crate::denied::{Rules, always, filter};
use crate::{argument, only_if};

/// Denied whatever their arguments.
const ALWAYS: &[libc::c_long] = &[
    // CAP_SYS_PTRACE
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_madvise,
    // CAP_SYS_ADMIN
    libc::SYS_bpf,
    libc::SYS_fanotify_init,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_quotactl,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    // Other capabilities
    libc::SYS_acct,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_get_mempolicy,
    libc::SYS_init_module,
    libc::SYS_mbind,
    libc::SYS_open_by_handle_at,
    libc::SYS_reboot,
    libc::SYS_set_mempolicy,
    libc::SYS_settimeofday,
    libc::SYS_vhangup,
    // Nobody
    libc::SYS_add_key,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_pivot_root,
    libc::SYS_request_key,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_userfaultfd,
];

/// The flags of clone(2) that make namespaces, each of which is denied.
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

/// The socket family of virtual machines, the only one that is denied.
const VSOCK: u64 = 40;

pub(crate) fn filters() -> Vec<BpfProgram> {
    let mut rules: Rules = always(ALWAYS);
    let flags = NAMESPACES.map(|flag| u64::from(flag.unsigned_abs()));
    rules.insert(libc::SYS_clone, flags.map(|flag| only_if(argument(0, flag, flag))).into());
    rules.insert(libc::SYS_socket, vec![only_if(argument(0, u32::MAX.into(), VSOCK))]);
    // Its flags are in memory, where no filter sees them; programs then call clone.
    let clone3 = always(&[libc::SYS_clone3]);
    vec![filter(rules, Errno::EPERM), filter(clone3, Errno::ENOSYS)]
}
