//! Files, programs and streams.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;

use super::{Run, until};

/// Reads everything up to EOF.
pub(crate) fn read_all(mut source: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes).expect("the output");
    bytes
}

/// Reads one line, byte by byte so that nothing behind it is taken.
pub(crate) fn read_line(source: &mut impl Read) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.last() != Some(&b'\n') && source.read(&mut byte).expect("a line") == 1 {
        line.push(byte[0]);
    }
    String::from_utf8_lossy(&line).into_owned()
}

/// Copies a program. A child does it: were the new file open for writing in this process, another test's child could
/// hold it at the moment when it is executed ("text file busy").
pub(crate) fn copy_program(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let status = Command::new("cp").arg(from.as_ref()).arg(to.as_ref()).status().expect("cp");
    assert!(status.success(), "cp failed");
}

/// Writes an executable file, likewise.
pub(crate) fn write_program(path: impl AsRef<Path>, text: &str) {
    let script = "cat >\"$1\" && chmod 755 \"$1\"";
    let status = Command::new("sh").args(["-c", script, "sh"]).arg(path.as_ref()).run_with(text.as_bytes()).status;
    assert!(status.success(), "no program at {}", path.as_ref().display());
}

/// Waits for a file that another process writes with one call; returns its text.
pub(crate) fn wait_for_file(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    until(&format!("{} has text", path.display()), || fs::read_to_string(path).ok().filter(|text| !text.is_empty()))
}

/// The names in a directory, in order.
pub(crate) fn names_in(directory: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<_> = entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Checks that two streams are the same without showing them.
#[track_caller]
pub(crate) fn assert_same(found: &[u8], wanted: &[u8]) {
    let same = found.iter().zip(wanted).take_while(|(found, wanted)| found == wanted).count();
    assert!(found == wanted, "{} bytes instead of {}, the same up to {same}", found.len(), wanted.len());
}

/// Whether the descriptor is ready for these within half a second.
pub(crate) fn is_ready(descriptor: &impl AsFd, events: PollFlags) -> bool {
    let mut set = [PollFd::new(descriptor.as_fd(), events)];
    poll(&mut set, PollTimeout::from(500_u16)).expect("poll") > 0
}
