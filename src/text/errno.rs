//! The kernel's reasons in words, as strerror(3) gives them.

use super::packed::Text;
use crate::text;
use rustix::io::Errno;

/// A number for each error, and a text with a line for each: a `match` would have a jump and three instructions for each.
macro_rules! errors {
    ($($name:ident => $text:literal,)*) => {
        const ERRORS: &[Errno] = &[$(Errno::$name),*];
        const TEXTS: &str = concat!($($text, "\n"),*);
    };
}

errors! {
    PERM => "Operation not permitted",
    NOENT => "No such file or directory",
    INTR => "Interrupted system call",
    IO => "Input/output error",
    NXIO => "No such device or address",
    TOOBIG => "Argument list too long",
    NOEXEC => "Exec format error",
    BADF => "Bad file descriptor",
    AGAIN => "Resource temporarily unavailable",
    NOMEM => "Cannot allocate memory",
    ACCESS => "Permission denied",
    BUSY => "Device or resource busy",
    EXIST => "File exists",
    XDEV => "Invalid cross-device link",
    NODEV => "No such device",
    NOTDIR => "Not a directory",
    ISDIR => "Is a directory",
    INVAL => "Invalid argument",
    NFILE => "Too many open files in system",
    MFILE => "Too many open files",
    NOTTY => "Inappropriate ioctl for device",
    TXTBSY => "Text file busy",
    FBIG => "File too large",
    NOSPC => "No space left on device",
    ROFS => "Read-only file system",
    PIPE => "Broken pipe",
    NAMETOOLONG => "File name too long",
    NOSYS => "Function not implemented",
    NOTEMPTY => "Directory not empty",
    LOOP => "Too many levels of symbolic links",
    PROTO => "Protocol error",
    PROTONOSUPPORT => "Protocol not supported",
    OPNOTSUPP => "Operation not supported",
    AFNOSUPPORT => "Address family not supported by protocol",
    ADDRINUSE => "Address already in use",
    ADDRNOTAVAIL => "Cannot assign requested address",
    NETDOWN => "Network is down",
    NETUNREACH => "Network is unreachable",
    CONNABORTED => "Software caused connection abort",
    CONNRESET => "Connection reset by peer",
    NOBUFS => "No buffer space available",
    NOTCONN => "Transport endpoint is not connected",
    TIMEDOUT => "Connection timed out",
    CONNREFUSED => "Connection refused",
    HOSTDOWN => "Host is down",
    HOSTUNREACH => "No route to host",
    INPROGRESS => "Operation now in progress",
    STALE => "Stale file handle",
    DQUOT => "Disk quota exceeded",
}

/// What an error means; `None` for one that no call of this program's fails with.
pub fn text(errno: Errno) -> Option<Text> {
    let number = ERRORS.iter().position(|known| *known == errno)?;
    Some(text!(TEXTS).line(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(words: Text) -> String {
        crate::line!("{}", words).bytes().escape_ascii().to_string()
    }

    #[test]
    fn the_words_are_those_of_the_system() {
        let mut known = 0;
        for number in 1..=133 {
            let system = std::io::Error::from_raw_os_error(number).to_string();
            if let Some(words) = text(Errno::from_raw_os_error(number)) {
                assert_eq!(system, format!("{} (os error {number})", unpacked(words)));
                known += 1;
            }
        }
        assert_eq!(known, 49);
        assert_eq!(text(Errno::CONNREFUSED), Some(text!("Connection refused")));
        assert_eq!([Errno::DEADLK, Errno::from_raw_os_error(4000)].map(text), [None; 2]);
    }
}
