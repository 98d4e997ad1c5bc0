//! The options that make hands down in variables (GNU make's manual, "Communicating Options to a Sub-make" and "POSIX
//! Jobserver"), word by word. Pure: the files that they name are opened elsewhere.

use crate::text::bytes::{after, first};
use crate::text::line::Line;
use crate::{add, limits};

/// The variables that hold such options: make's own, and the one that Cargo sets for what it starts.
const VARIABLES: [&[u8]; 3] = [b"MAKEFLAGS=", b"MFLAGS=", b"CARGO_MAKEFLAGS="];

/// Options that name a jobserver: today's, the one of GNU make below 4.2, which Cargo writes too, and the abbreviation that
/// [`jobserver_value`] adds.
const JOBSERVERS: [&[u8]; 3] = [b"--jobserver-auth=", b"--jobserver-fds=", b"--jobserver-a="];

/// The option that names a file which the makes of `make -O` lock while they print.
const MUTEX: &[u8] = b"--sync-mutex=";

/// A path and its NUL.
pub(super) type Path = heapless::Vec<u8, { limits::PATH }>;

/// What a word names. Paths are still quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named<'w> {
    Nothing,
    /// `-j`, `-jN`: how many jobs; the jobserver's number where there is one.
    Jobs,
    /// A jobserver by descriptors.
    Descriptors,
    /// A jobserver by the path of its FIFO.
    Fifo(&'w [u8]),
    Mutex(&'w [u8]),
}

/// A word of the options, with the blanks before it.
struct Word<'w> {
    text: &'w [u8],
    named: Named<'w>,
}

impl Word<'_> {
    /// Blanks, option and `=` in front of a value of `length` bytes.
    fn option(&self, length: usize) -> &[u8] {
        first(self.text, self.text.len() - length)
    }
}

/// The words of a variable's value. From `--` on it holds definitions of variables, which are one word here.
struct Words<'w>(&'w [u8]);

impl<'w> Iterator for Words<'w> {
    type Item = Word<'w>;

    fn next(&mut self) -> Option<Word<'w>> {
        let blanks = self.0.iter().take_while(|byte| is_blank(**byte)).count();
        let word = first(after(self.0, blanks), word_length(after(self.0, blanks)));
        let length = if word == b"--" { self.0.len() } else { blanks + word.len() };
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        (!text.is_empty()).then(|| Word { text, named: named(word) })
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The length of the word in front. A backslash quotes the byte behind it.
fn word_length(text: &[u8]) -> usize {
    let mut length = 0;
    while text.get(length).is_some_and(|byte| !is_blank(*byte)) {
        length += if text[length] == b'\\' { 2 } else { 1 };
    }
    length.min(text.len())
}

fn named(word: &[u8]) -> Named<'_> {
    if let Some(value) = JOBSERVERS.iter().find_map(|option| word.strip_prefix(*option)) {
        return value.strip_prefix(b"fifo:").map_or(Named::Descriptors, Named::Fifo);
    }
    if let Some(value) = word.strip_prefix(MUTEX) {
        return Named::Mutex(value.strip_prefix(b"fnm:").unwrap_or_default());
    }
    let is_jobs = word.strip_prefix(b"-j").is_some_and(|count| count.iter().all(u8::is_ascii_digit));
    if is_jobs { Named::Jobs } else { Named::Nothing }
}

/// The options in an environment entry; `None` in one of any other variable.
pub(super) fn options(entry: &[u8]) -> Option<&[u8]> {
    VARIABLES.iter().find_map(|variable| entry.strip_prefix(*variable))
}

/// Whether the options name a jobserver.
pub(super) fn has_jobserver(options: &[u8]) -> bool {
    Words(options).any(|word| matches!(word.named, Named::Descriptors | Named::Fifo(_)))
}

/// The path of the jobserver's FIFO. Only the last jobserver counts (GNU make's manual).
pub(super) fn fifo(options: &[u8]) -> Option<Path> {
    let names = Words(options).filter_map(|word| match word.named {
        Named::Fifo(path) => Some(Some(path)),
        Named::Descriptors => Some(None),
        _ => None,
    });
    unquoted(names.last()??)
}

/// The path of the mutex.
pub(super) fn mutex(options: &[u8]) -> Option<Path> {
    let paths = Words(options).filter_map(|word| if let Named::Mutex(path) = word.named { Some(path) } else { None });
    unquoted(paths.last()?)
}

/// A path without its quoting; `None` for one that is too long.
fn unquoted(quoted: &[u8]) -> Option<Path> {
    let mut path = Path::new();
    let mut bytes = quoted.iter();
    while let Some(byte) = bytes.next() {
        let plain = if *byte == b'\\' { bytes.next().unwrap_or(byte) } else { byte };
        path.push(*plain).ok()?;
    }
    path.push(0).ok()?;
    Some(path)
}

/// What becomes of the jobserver that the options name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Jobserver {
    Kept,
    /// Left out, and the number of jobs with it: without a jobserver each make would run as many.
    LeftOut,
    /// A FIFO goes along as these descriptors, one to read and one to write. `can_reopen`: the command may also open it
    /// by their names in `/proc`.
    Passed {
        read: i32,
        write: i32,
        can_reopen: bool,
    },
}

/// What becomes of the mutex that the options name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutex {
    Kept,
    LeftOut,
    /// It goes along as this descriptor. make opens it anew, by its name in `/proc`: locks are of the file, not of the
    /// descriptor (fcntl(2)).
    Passed(i32),
}

/// Gives the options, as the command is to get them, to `put`, piece by piece.
pub(super) fn rewrite(options: &[u8], jobserver: Jobserver, mutex: Mutex, put: &mut dyn FnMut(&[u8])) {
    for word in Words(options) {
        match (word.named, jobserver, mutex) {
            (Named::Jobs | Named::Descriptors | Named::Fifo(_), Jobserver::LeftOut, _) => {}
            (Named::Mutex(_), _, Mutex::LeftOut) => {}
            (Named::Fifo(path), Jobserver::Passed { read, write, can_reopen }, _) => {
                put(word.option(path.len() + b"fifo:".len()));
                put(jobserver_value(read, write, can_reopen).bytes());
            }
            (Named::Mutex(path), _, Mutex::Passed(number)) => {
                put(word.option(path.len()));
                put(named_in_proc(number).bytes());
            }
            _ => put(word.text),
        }
    }
}

/// Descriptors as the value of an option that names a jobserver.
///
/// Of a FIFO make below 4.4 and gcc below 13 understand nothing else, while Ninja understands nothing but a path. So
/// where the path can be opened there are both, such that each takes its own: gcc the first `--jobserver-auth=`, Ninja and
/// Cargo the last, and make the last of all, abbreviated, which only make's getopt_long(3) knows.
fn jobserver_value(read: i32, write: i32, can_reopen: bool) -> Line {
    let mut value = Line::new();
    add!(&mut value, "{},{}", read, write);
    if can_reopen {
        add!(&mut value, " --jobserver-auth=fifo:/proc/self/fd/{} --jobserver-a={},{}", read, read, write);
    }
    value
}

/// The name of a process's own descriptor as a file (proc_pid_fd(5)).
fn named_in_proc(number: i32) -> Line {
    let mut name = Line::new();
    add!(&mut name, "/proc/self/fd/{}", number);
    name
}

#[cfg(test)]
mod tests {
    use super::{Jobserver, Mutex, Words, fifo, has_jobserver, mutex, options, rewrite};

    const PASSED: Jobserver = Jobserver::Passed { read: 7, write: 8, can_reopen: false };
    const REOPENED: Jobserver = Jobserver::Passed { read: 7, write: 8, can_reopen: true };

    fn rewritten(options: &str, jobserver: Jobserver, mutex: Mutex) -> String {
        let mut text = Vec::new();
        rewrite(options.as_bytes(), jobserver, mutex, &mut |piece| text.extend_from_slice(piece));
        String::from_utf8(text).expect("text")
    }

    fn fifo_of(options: &str) -> Option<String> {
        fifo(options.as_bytes()).map(|path| String::from_utf8_lossy(&path).into_owned())
    }

    #[test]
    fn options_are_in_three_variables() {
        assert_eq!(options(b"MAKEFLAGS= -j2"), Some(&b" -j2"[..]));
        assert_eq!(options(b"MFLAGS=-j2"), Some(&b"-j2"[..]));
        assert_eq!(options(b"CARGO_MAKEFLAGS="), Some(&b""[..]));
        for other in ["MAKEFLAG=", "GNUMAKEFLAGS=-j2", "XMAKEFLAGS=", "MAKEFLAGS"] {
            assert_eq!(options(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn words_are_whole_with_their_quoting_and_blanks() {
        let words =
            |text: &str| Words(text.as_bytes()).map(|word| String::from_utf8_lossy(word.text).into_owned()).collect();
        let cases: [(&str, &[&str]); 8] = [
            ("", &[]),
            ("  ", &["  "]),
            ("ks", &["ks"]),
            (" -j2\t-Otarget ", &[" -j2", "\t-Otarget", " "]),
            (r" -I/a\ b -k", &[r" -I/a\ b", " -k"]),
            (r"a\", &[r"a\"]),
            (" -j2 -- A=1 --jobserver-auth=3,4", &[" -j2", " -- A=1 --jobserver-auth=3,4"]),
            (" --x -- ", &[" --x", " -- "]),
        ];
        for (text, expected) in cases {
            let found: Vec<String> = words(text);
            assert_eq!(found, expected, "{text}");
            assert_eq!(found.concat(), text);
        }
    }

    #[test]
    fn of_several_jobservers_the_last_counts() {
        assert_eq!(fifo_of(" -j2 --jobserver-auth=fifo:/tmp/GMfifo1").as_deref(), Some("/tmp/GMfifo1\0"));
        assert_eq!(fifo_of("--jobserver-fds=fifo:/a --jobserver-auth=fifo:/b -k").as_deref(), Some("/b\0"));
        assert_eq!(fifo_of(r"--jobserver-auth=fifo:/a\ b\\c").as_deref(), Some("/a b\\c\0"));
        let long = format!("--jobserver-auth=fifo:/{}", "x/".repeat(4000));
        let without =
            ["", "-j2", "--jobserver-auth=3,4", "--jobserver-auth=fifo:/a --jobserver-auth=-2,-2", "-- fifo:/", &long];
        for options in without {
            assert_eq!(fifo_of(options), None, "{options}");
        }
    }

    #[test]
    fn a_mutex_is_a_path_or_nothing_that_is_known() {
        assert_eq!(mutex(b" -Otarget --sync-mutex=fnm:/tmp/GmX").as_deref(), Some(&b"/tmp/GmX\0"[..]));
        assert_eq!(mutex(b" -Otarget -- A=--sync-mutex=fnm:/tmp/GmX"), None);
        assert_eq!(mutex(b" --sync-mutex=0x1c").as_deref(), Some(&b"\0"[..]));
    }

    #[test]
    fn what_is_left_out_takes_the_number_of_jobs_with_it() {
        let cases = [
            (" -j2 --jobserver-auth=3,4", ""),
            ("ks -j2 -l3 --jobserver-auth=fifo:/a -- -j=1 A=-j2", "ks -l3 -- -j=1 A=-j2"),
            ("-j --jobserver-fds=3,4 --jobserver-auth=3,4", ""),
            ("w -j3 --jobserver-auth=3,4 --jobserver-auth=-2,-2 --no-print-directory", "w --no-print-directory"),
            (" -j2 --jobserver-auth=3,4 --jobserver-auth=fifo:/proc/self/fd/3 --jobserver-a=3,4 -k", " -k"),
            (" -joe -j2 --jobserver --jobserver-style=fifo", " -joe --jobserver --jobserver-style=fifo"),
        ];
        for (options, expected) in cases {
            assert_eq!(rewritten(options, Jobserver::LeftOut, Mutex::Kept), expected);
        }
        let options = " -j2 -Otarget --sync-mutex=fnm:/tmp/a\\ b --jobserver-auth=3,4 -- A=1";
        assert_eq!(rewritten(options, Jobserver::LeftOut, Mutex::LeftOut), " -Otarget -- A=1");
        assert_eq!(rewritten(options, Jobserver::Kept, Mutex::LeftOut), " -j2 -Otarget --jobserver-auth=3,4 -- A=1");
    }

    #[test]
    fn what_goes_along_is_named_by_its_descriptors() {
        let options = "k -j2 --jobserver-auth=fifo:/a\\ b -Otarget --sync-mutex=fnm:/tmp/GmX -- A=fifo:/a";
        assert_eq!(
            rewritten(options, PASSED, Mutex::Passed(9)),
            "k -j2 --jobserver-auth=7,8 -Otarget --sync-mutex=fnm:/proc/self/fd/9 -- A=fifo:/a"
        );
        assert_eq!(
            rewritten("--jobserver-auth=fifo:/a", REOPENED, Mutex::Kept),
            "--jobserver-auth=7,8 --jobserver-auth=fifo:/proc/self/fd/7 --jobserver-a=7,8"
        );
        assert_eq!(rewritten("--jobserver-fds=fifo:/a -k", PASSED, Mutex::Kept), "--jobserver-fds=7,8 -k");
        assert_eq!(rewritten(options, Jobserver::Kept, Mutex::Kept), options);
    }

    #[test]
    fn only_options_can_name_a_jobserver() {
        assert!(has_jobserver(b" -j2 --jobserver-auth=-2,-2"));
        assert!(has_jobserver(b"--jobserver-fds=3,4"));
        assert!(!has_jobserver(b" -j2 -- A=1 --jobserver-auth=3,4"));
        assert!(!has_jobserver(br" -I/a\ --jobserver-auth=3,4"));
    }
}
