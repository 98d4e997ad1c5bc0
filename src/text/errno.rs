//! The kernel's reasons in words, as strerror(3) gives them.

use rustix::io::Errno;

/// What an error means; `None` for one that no call of this program's fails with.
pub fn text(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::PERM => "Operation not permitted",
        Errno::NOENT => "No such file or directory",
        Errno::INTR => "Interrupted system call",
        Errno::IO => "Input/output error",
        Errno::NXIO => "No such device or address",
        Errno::TOOBIG => "Argument list too long",
        Errno::NOEXEC => "Exec format error",
        Errno::BADF => "Bad file descriptor",
        Errno::AGAIN => "Resource temporarily unavailable",
        Errno::NOMEM => "Cannot allocate memory",
        Errno::ACCESS => "Permission denied",
        Errno::BUSY => "Device or resource busy",
        Errno::EXIST => "File exists",
        Errno::XDEV => "Invalid cross-device link",
        Errno::NODEV => "No such device",
        Errno::NOTDIR => "Not a directory",
        Errno::ISDIR => "Is a directory",
        Errno::INVAL => "Invalid argument",
        Errno::NFILE => "Too many open files in system",
        Errno::MFILE => "Too many open files",
        Errno::NOTTY => "Inappropriate ioctl for device",
        Errno::TXTBSY => "Text file busy",
        Errno::FBIG => "File too large",
        Errno::NOSPC => "No space left on device",
        Errno::ROFS => "Read-only file system",
        Errno::PIPE => "Broken pipe",
        Errno::NAMETOOLONG => "File name too long",
        Errno::NOSYS => "Function not implemented",
        Errno::NOTEMPTY => "Directory not empty",
        Errno::LOOP => "Too many levels of symbolic links",
        Errno::PROTO => "Protocol error",
        Errno::PROTONOSUPPORT => "Protocol not supported",
        Errno::OPNOTSUPP => "Operation not supported",
        Errno::AFNOSUPPORT => "Address family not supported by protocol",
        Errno::ADDRINUSE => "Address already in use",
        Errno::ADDRNOTAVAIL => "Cannot assign requested address",
        Errno::NETDOWN => "Network is down",
        Errno::NETUNREACH => "Network is unreachable",
        Errno::CONNABORTED => "Software caused connection abort",
        Errno::CONNRESET => "Connection reset by peer",
        Errno::NOBUFS => "No buffer space available",
        Errno::NOTCONN => "Transport endpoint is not connected",
        Errno::TIMEDOUT => "Connection timed out",
        Errno::CONNREFUSED => "Connection refused",
        Errno::HOSTDOWN => "Host is down",
        Errno::HOSTUNREACH => "No route to host",
        Errno::INPROGRESS => "Operation now in progress",
        Errno::STALE => "Stale file handle",
        Errno::DQUOT => "Disk quota exceeded",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_system() {
        let mut known = 0;
        for number in 1..=133 {
            let system = std::io::Error::from_raw_os_error(number).to_string();
            if let Some(words) = text(Errno::from_raw_os_error(number)) {
                assert_eq!(system, format!("{words} (os error {number})"));
                known += 1;
            }
        }
        assert_eq!(known, 49);
        assert_eq!(text(Errno::CONNREFUSED), Some("Connection refused"));
        assert_eq!([Errno::DEADLK, Errno::from_raw_os_error(4000)].map(text), [None; 2]);
    }
}
