//! The kernel's reasons in words, as strerror(3) gives them; one text, so that no table of addresses has to be relocated.

use crate::text::bytes;

/// The words for errors 1 and up, a line each, in the order of `asm-generic/errno-base.h` and `asm-generic/errno.h`. Those
/// of no call that this program makes are left empty.
const TEXTS: &[u8] = b"\
Operation not permitted\n\
No such file or directory\n\
\n\
Interrupted system call\n\
Input/output error\n\
No such device or address\n\
Argument list too long\n\
Exec format error\n\
Bad file descriptor\n\
\n\
Resource temporarily unavailable\n\
Cannot allocate memory\n\
Permission denied\n\
\n\
\n\
Device or resource busy\n\
File exists\n\
Invalid cross-device link\n\
No such device\n\
Not a directory\n\
Is a directory\n\
Invalid argument\n\
Too many open files in system\n\
Too many open files\n\
Inappropriate ioctl for device\n\
Text file busy\n\
File too large\n\
No space left on device\n\
\n\
Read-only file system\n\
\n\
Broken pipe\n\
\n\
\n\
\n\
File name too long\n\
\n\
Function not implemented\n\
Directory not empty\n\
Too many levels of symbolic links\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
Protocol error\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
\n\
Protocol not supported\n\
\n\
Operation not supported\n\
\n\
Address family not supported by protocol\n\
Address already in use\n\
Cannot assign requested address\n\
Network is down\n\
Network is unreachable\n\
\n\
Software caused connection abort\n\
Connection reset by peer\n\
No buffer space available\n\
\n\
Transport endpoint is not connected\n\
\n\
\n\
Connection timed out\n\
Connection refused\n\
Host is down\n\
No route to host\n\
\n\
Operation now in progress\n\
Stale file handle\n\
\n\
\n\
\n\
\n\
\n\
Disk quota exceeded";

/// What an error means; `None` for a number that has no words.
pub fn text(number: i32) -> Option<&'static [u8]> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    Some(bytes::line(TEXTS, index)).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn the_words_are_those_of_the_system() {
        for (number, words) in [(1, "Operation not permitted"), (13, "Permission denied"), (111, "Connection refused")]
        {
            assert_eq!(text(number), Some(words.as_bytes()));
        }
        for number in 1..=133 {
            let system = std::io::Error::from_raw_os_error(number).to_string();
            if let Some(words) = text(number) {
                assert_eq!(system, format!("{} (os error {number})", String::from_utf8_lossy(words)));
            }
        }
        assert_eq!([text(0), text(-1), text(41), text(123)], [None; 4]);
    }
}
