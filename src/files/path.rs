//! Paths as bytes, without a look at any file: joined, and `.` and `..` resolved.

use core::ffi::CStr;

use heapless::Vec;
use rustix::io::{Errno, Result};

use crate::limits::PATH;
use crate::text::bytes::after;

/// A normal path: no empty component, no `.` unless that is all, and `..` only at the front of a relative path.
pub struct Path {
    /// The path and a NUL; empty before the first [`Path::join`].
    bytes: Vec<u8, PATH>,
    /// Whether something did not fit.
    is_cut: bool,
}

impl Default for Path {
    fn default() -> Self {
        Self::new()
    }
}

impl Path {
    /// No path yet.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), is_cut: false }
    }

    /// Becomes `path` as seen from `base`: `path` itself if it is absolute. `ENAMETOOLONG` if it does not fit into
    /// [`PATH`] bytes with its NUL.
    pub fn join(&mut self, base: &[u8], path: &[u8]) -> Result<()> {
        self.bytes.clear();
        self.is_cut = false;
        if !is_absolute(path) {
            self.walk(base);
        }
        self.walk(path);
        if self.bytes.is_empty() {
            self.append(b".");
        }
        self.append(b"\0");
        if self.is_cut { Err(Errno::NAMETOOLONG) } else { Ok(()) }
    }

    /// Goes on along `path`; from the root, where nothing else is yet, if it is absolute.
    fn walk(&mut self, path: &[u8]) {
        if is_absolute(path) {
            self.append(b"/");
        }
        for component in path.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => self.ascend(),
                name => self.descend(name),
            }
        }
    }

    /// The path as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.as_c_str().to_bytes()
    }

    /// The path as a system call takes it.
    pub fn as_c_str(&self) -> &CStr {
        crate::text::bytes::c_str(&self.bytes).unwrap_or_default()
    }

    fn descend(&mut self, name: &[u8]) {
        if !matches!(self.bytes.last(), None | Some(b'/')) {
            self.append(b"/");
        }
        self.append(name);
    }

    /// Drops the last component. Above the root is the root; a relative path may lead above where it starts.
    fn ascend(&mut self) {
        let start = directory(&self.bytes).len();
        let last = after(&self.bytes, start);
        if self.bytes.is_empty() || last == b".." {
            return self.descend(b"..");
        }
        // The slash before it goes too, unless it is the root.
        self.bytes.truncate(if start > 1 { start - 1 } else { start });
    }

    fn append(&mut self, bytes: &[u8]) {
        self.is_cut |= self.bytes.extend_from_slice(bytes).is_err();
    }
}

/// How to get to `path` from the directory `base`, both normal and both absolute: `.` for the directory itself, `None`
/// for a path outside of it.
pub fn relative<'p>(base: &[u8], path: &'p [u8]) -> Option<&'p [u8]> {
    let rest = path.strip_prefix(base)?;
    match rest {
        b"" => Some(b"."),
        _ if base == b"/" => Some(rest),
        [b'/', below @ ..] => Some(below),
        _ => None,
    }
}

/// A path up to its last slash, which is included; empty if it has none.
pub fn directory(path: &[u8]) -> &[u8] {
    let mut end = path.len();
    while end > 0 && path[end - 1] != b'/' {
        end -= 1;
    }
    &path[..end]
}

fn is_absolute(path: &[u8]) -> bool {
    path.first() == Some(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str, path: &str) -> Result<String> {
        let mut out = Path::new();
        out.join(base.as_bytes(), path.as_bytes())?;
        Ok(String::from_utf8(out.as_bytes().to_vec()).expect("ASCII"))
    }

    #[test]
    fn joins_and_normalises() {
        for (base, path, expected) in [
            ("", "", "."),
            ("", ".", "."),
            ("/", "", "/"),
            ("/", "..", "/"),
            ("/a", "../../..", "/"),
            ("/a", "../../b", "/b"),
            ("/a/b", "../c", "/a/c"),
            ("/a//b/", "./c//d/.", "/a/b/c/d"),
            ("/a", "/b", "/b"),
            ("a", "/b/../c", "/c"),
            ("a", "b", "a/b"),
            ("a", "..", "."),
            ("a", "../..", ".."),
            ("a", "../../..", "../.."),
            ("a", "../../b", "../b"),
            ("a/b", "../..", "."),
            ("..", "..", "../.."),
            ("../a", "..", ".."),
            ("/..a", "...", "/..a/..."),
            ("/a", "..b/..", "/a"),
        ] {
            assert_eq!(joined(base, path).as_deref(), Ok(expected), "{base:?} {path:?}");
        }
    }

    #[test]
    fn no_path_is_ever_cut() {
        let longest = "/".to_owned() + &"a".repeat(PATH - 2);
        assert_eq!(joined("/", &longest).as_deref(), Ok(&*longest));
        assert_eq!(joined("/", &(longest.clone() + "a")), Err(Errno::NAMETOOLONG));
        assert_eq!(joined(&longest, "b"), Err(Errno::NAMETOOLONG));
        assert_eq!(joined("", &"a".repeat(PATH)), Err(Errno::NAMETOOLONG));
        assert_eq!(joined("", &"../".repeat(PATH)), Err(Errno::NAMETOOLONG));
    }

    #[test]
    fn empty_before_the_first_join_and_reusable() {
        let mut path = Path::new();
        assert_eq!(path.as_c_str(), c"");
        for _ in 0..2 {
            path.join(b"/a", b"b").expect("short");
            assert_eq!(path.as_c_str(), c"/a/b");
        }
    }

    #[test]
    fn relative_to_a_directory() {
        for (base, path, expected) in [
            ("/", "/", Some(".")),
            ("/", "/a/b", Some("a/b")),
            ("/a", "/a", Some(".")),
            ("/a", "/a/b/c", Some("b/c")),
            ("/a", "/ab", None),
            ("/a", "/", None),
            ("/a/b", "/a/c", None),
        ] {
            assert_eq!(relative(base.as_bytes(), path.as_bytes()), expected.map(str::as_bytes), "{base} {path}");
        }
    }
}
