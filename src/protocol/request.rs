//! A request: what to run, where and with what. Written by the client, collected by the server.

use super::decoder::Chunk;
use super::error::RequestTooLarge;
use super::frame::{Kind, attribute, header};
use super::queue::Queue;
use super::terminal::Terminal;
use crate::limits;
use crate::text::bytes::{after, first, value_of};
use crate::text::number;
use core::ffi::CStr;

/// Bytes of the frames of the largest request: all its strings, without their NULs but with a header each.
pub const FRAMES: usize = limits::REQUEST_BYTES + 4 * limits::REQUEST_STRINGS;

/// Bytes of the buffer that collects the largest request: its strings, and a byte for the kind of each.
pub const COLLECTED: usize = limits::REQUEST_BYTES + limits::REQUEST_STRINGS;

/// Counts a request's strings against execve's limits, the same way at both ends.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct Measure {
    bytes: usize,
    strings: usize,
}

impl Measure {
    /// Adds a string of `length` bytes without its NUL.
    fn add(&mut self, length: usize) -> Result<(), RequestTooLarge> {
        let need = length.saturating_add(1);
        if need > limits::REQUEST_STRING {
            return Err(RequestTooLarge::String(need));
        }
        self.bytes += need;
        self.strings += 1;
        if self.bytes > limits::REQUEST_BYTES {
            return Err(RequestTooLarge::Total(self.bytes));
        }
        if self.strings > limits::REQUEST_STRINGS { Err(RequestTooLarge::Count) } else { Ok(()) }
    }
}

/// Writes a request, frame by frame. Once something does not fit, nothing is added any more.
pub struct Writer<'a> {
    frames: Queue<'a>,
    measure: Measure,
    outcome: Result<(), RequestTooLarge>,
}

impl<'a> Writer<'a> {
    /// Begins a request in this buffer, of [`FRAMES`] bytes.
    pub fn new(buffer: &'a mut [u8]) -> Writer<'a> {
        Writer { frames: Queue::new(buffer), measure: Measure::default(), outcome: Ok(()) }
    }

    /// Adds a frame with this body.
    pub fn add(&mut self, kind: Kind, body: &[u8]) {
        self.begin(kind, body.len());
        self.put(body);
    }

    /// Adds the variable `name` with this value.
    pub fn add_variable(&mut self, name: &[u8], value: &[u8]) {
        self.begin(Kind::Variable, name.len() + 1 + value.len());
        self.put(name);
        self.put(b"=");
        self.put(value);
    }

    /// Begins a frame with a body of that length, of which [`Writer::put`] adds the parts.
    pub fn begin(&mut self, kind: Kind, length: usize) {
        if self.outcome.is_ok() {
            self.outcome = self.measure.add(length);
        }
        self.put(&header(kind, u32::try_from(length).unwrap_or(u32::MAX)));
    }

    /// Adds bytes as they are.
    pub fn put(&mut self, bytes: &[u8]) {
        if self.outcome.is_ok() && self.frames.push(bytes).is_err() {
            self.outcome = Err(RequestTooLarge::Total(self.measure.bytes));
        }
    }

    /// The frames, if all has fitted.
    pub fn finish(self) -> Result<Queue<'a>, RequestTooLarge> {
        self.outcome.map(|()| self.frames)
    }
}

/// What the client says of itself in [`attribute`]s.
#[derive(Clone, Debug, PartialEq, Eq, Default, Hash)]
pub struct Attributes {
    /// Its protocol; 0 for one that does not say: protocol 1.
    pub protocol: u32,
    /// Its file mode creation mask.
    pub umask: Option<u32>,
    /// The signals that it ignores, signal n as bit n - 1.
    pub ignored: u64,
    /// Whether its stdout and stderr are one.
    pub has_one_output: bool,
    /// Its terminal, where it has one.
    pub terminal: Option<Terminal>,
}

impl Attributes {
    /// Whether it has a terminal, in whose background it is.
    pub fn is_background(&self) -> bool {
        self.terminal.as_ref().is_some_and(|terminal| !terminal.has(Terminal::FOREGROUND))
    }

    /// Takes `variable` where it is an attribute; false where it is a variable like any other. A value that is no number
    /// counts as not said.
    fn take(&mut self, variable: &[u8]) -> bool {
        let Some(equals) = variable.iter().position(|byte| *byte == b'=') else { return false };
        let (name, value) = variable.split_at(equals);
        let value = after(value, 1);
        let number = |radix| number::parse(value, radix);
        let small = |radix| number(radix).and_then(|number| u32::try_from(number).ok());
        if name == attribute::PROTOCOL {
            self.protocol = small(10).unwrap_or(0);
        } else if name == attribute::UMASK {
            self.umask = small(8).map(|mask| mask & 0o777);
        } else if name == attribute::IGNORED {
            self.ignored = number(16).unwrap_or(0);
        } else if name == attribute::ONE_OUTPUT {
            self.has_one_output = number(10) == Some(1);
        } else if name == attribute::TERMINAL {
            self.terminal = Terminal::decode(value);
        } else {
            return false;
        }
        true
    }
}

/// Collects a request from the pieces of its frames.
#[derive(Hash)]
pub struct Collector<'a> {
    /// Strings one behind the other: the byte of its kind, its text, a NUL.
    bytes: &'a mut [u8],
    used: usize,
    /// Where the text of the string under way begins.
    text: usize,
    measure: Measure,
    attributes: Attributes,
}

impl<'a> Collector<'a> {
    /// Collects into this buffer, of [`COLLECTED`] bytes.
    pub fn new(bytes: &'a mut [u8]) -> Collector<'a> {
        Collector { bytes, used: 0, text: 0, measure: Measure::default(), attributes: Attributes::default() }
    }

    /// Takes a chunk of one of a request's frames; true when the request is complete.
    pub fn take(&mut self, chunk: &Chunk<'_>) -> Result<bool, RequestTooLarge> {
        if chunk.first {
            self.measure.add(usize::try_from(chunk.number).unwrap_or(usize::MAX))?;
            self.append(&[chunk.kind as u8])?;
            self.text = self.used;
        }
        if crate::text::bytes::has(chunk.bytes, 0) {
            return Err(RequestTooLarge::Nul);
        }
        self.append(chunk.bytes)?;
        if chunk.last {
            self.end_string(chunk.kind)?;
        }
        Ok(chunk.last && chunk.kind == Kind::Start)
    }

    /// Ends the string under way. An attribute is taken out again.
    fn end_string(&mut self, kind: Kind) -> Result<(), RequestTooLarge> {
        let text = self.bytes.get(self.text..self.used).unwrap_or_default();
        if kind == Kind::Variable && self.attributes.take(text) {
            self.used = self.text - 1;
            return Ok(());
        }
        self.append(&[0])
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), RequestTooLarge> {
        let space =
            self.bytes.get_mut(self.used..self.used + bytes.len()).ok_or(RequestTooLarge::Total(self.measure.bytes))?;
        space.copy_from_slice(bytes);
        self.used += bytes.len();
        Ok(())
    }

    /// Bytes collected so far.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether nothing of a request has arrived, but for what the client says of itself: a probe is no more than that.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// What the client has said of itself so far.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The request.
    pub fn finish(self) -> Request<'a> {
        let bytes: &'a [u8] = self.bytes;
        Request { strings: first(bytes, self.used), attributes: self.attributes }
    }
}

/// A request as it was received.
pub struct Request<'a> {
    /// One behind the other: the byte of its kind, its text, a NUL.
    strings: &'a [u8],
    attributes: Attributes,
}

impl<'a> Request<'a> {
    /// What the client said of itself.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// A request for the same command without arguments, variables and attributes.
    #[must_use]
    pub fn bare(&self) -> Request<'a> {
        // The last string: the byte of its kind, the name, a NUL.
        let length = self.command().count_bytes() + 2;
        let attributes = Attributes { protocol: self.attributes.protocol, ..Attributes::default() };
        Request { strings: after(self.strings, self.strings.len().saturating_sub(length)), attributes }
    }

    /// The command's name.
    pub fn command(&self) -> &'a CStr {
        self.of(Kind::Start).last().unwrap_or_default()
    }

    /// The working directory relative to `baseDirectory`.
    pub fn directory(&self) -> &'a CStr {
        self.of(Kind::Directory).last().unwrap_or_default()
    }

    /// The arguments, without the program's name.
    pub fn arguments(&self) -> impl Iterator<Item = &'a CStr> + use<'a> {
        self.of(Kind::Argument)
    }

    /// The entries, `NAME=value`, of the variables that the client sent, in their order; the last one of a name counts.
    pub fn variables(&self) -> impl Iterator<Item = &'a CStr> + use<'a> {
        self.of(Kind::Variable)
    }

    /// The entry of the variable `name`. Goes through all of them.
    pub fn variable(&self, name: &[u8]) -> Option<&'a CStr> {
        self.variables().filter(|entry| value_of(entry, name).is_some()).last()
    }

    /// The numbers of the descriptors that go along, in their order.
    pub fn descriptors(&self) -> impl Iterator<Item = i32> + use<'a> {
        self.variables().filter_map(|entry| {
            let number = number::parse(value_of(entry, attribute::DESCRIPTOR)?, 10)?;
            i32::try_from(number).ok()
        })
    }

    fn of(&self, kind: Kind) -> Strings<'a> {
        Strings { kind, rest: self.strings }
    }
}

/// The strings of one kind.
struct Strings<'a> {
    kind: Kind,
    rest: &'a [u8],
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a CStr;

    fn next(&mut self) -> Option<&'a CStr> {
        loop {
            let (kind, rest) = self.rest.split_first()?;
            let text = crate::text::bytes::c_str(rest)?;
            self.rest = rest.get(text.count_bytes() + 1..)?;
            if *kind == self.kind as u8 {
                return Some(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::decoder::Decoder;

    /// Collects what `frames` hold, cut into parts of `size` bytes, and gives what `look` says of it.
    fn collect<T>(
        frames: &[u8],
        size: usize,
        look: impl FnOnce(Request<'_>) -> T,
    ) -> Result<Option<T>, RequestTooLarge> {
        let mut buffer = vec![0; COLLECTED];
        let mut collector = Collector::new(&mut buffer);
        let mut decoder = Decoder::new();
        for mut part in frames.chunks(size) {
            while let Some(chunk) = decoder.next(&mut part).expect("known kinds") {
                if collector.take(&chunk)? {
                    return Ok(Some(look(collector.finish())));
                }
            }
        }
        Ok(None)
    }

    fn ignore(_: Request<'_>) {}

    fn write(parts: &[(Kind, &[u8])]) -> Vec<u8> {
        let mut buffer = vec![0; FRAMES];
        let mut writer = Writer::new(&mut buffer);
        for (kind, text) in parts {
            writer.begin(*kind, text.len());
            writer.put(&text[..text.len() / 2]);
            writer.put(&text[text.len() / 2..]);
        }
        writer.finish().expect("within the limits").waiting().to_vec()
    }

    #[test]
    fn a_request_arrives_as_it_was_written_wherever_it_is_cut() {
        let frames = write(&[
            (Kind::Variable, b"K8PSH_PROTOCOL=2"),
            (Kind::Variable, b"K8PSH_UMASK=0027"),
            (Kind::Variable, b"K8PSH_IGNORED=8001"),
            (Kind::Variable, b"K8PSH_ONE_OUTPUT=1"),
            (Kind::Directory, b"src/\xff"),
            (Kind::Variable, b"LANG=C"),
            (Kind::Argument, b"-c"),
            (Kind::Argument, b""),
            (Kind::Variable, b"LANGUAGE="),
            (Kind::Argument, b"a=b"),
            (Kind::Variable, b"LANG=de"),
            (Kind::Start, b"gcc"),
        ]);
        for size in 1..=frames.len() {
            let seen = collect(&frames, size, |request| {
                let attributes = Attributes {
                    protocol: 2,
                    umask: Some(0o27),
                    ignored: 0x8001,
                    has_one_output: true,
                    terminal: None,
                };
                assert_eq!(request.attributes(), &attributes);
                assert_eq!((request.command(), request.directory()), (c"gcc", c"src/\xff"));
                assert_eq!(request.arguments().collect::<Vec<_>>(), [c"-c", c"", c"a=b"]);
                assert_eq!(request.variable(b"LANG"), Some(c"LANG=de"));
                assert_eq!(request.variable(b"LANGUAGE"), Some(c"LANGUAGE="));
                assert_eq!(request.variable(b"K8PSH_UMASK"), None);
                assert_eq!(request.variable(b"LAN"), None);
            });
            assert_eq!(seen, Ok(Some(())));
        }
        for end in 0..frames.len() {
            assert_eq!(collect(&frames[..end], 7, ignore), Ok(None), "cut at {end}");
        }
    }

    #[test]
    fn each_limit_is_told_with_what_was_needed() {
        let long = |length: usize| {
            [header(Kind::Argument, u32::try_from(length).expect("small")).to_vec(), vec![b'x'; length]].concat()
        };
        let most = long(limits::REQUEST_STRING - 1);
        assert_eq!(collect(&most, 4096, ignore), Ok(None));
        let one = collect(&header(Kind::Argument, u32::MAX), 5, ignore);
        assert_eq!(one, Ok(None), "a header alone is no chunk yet");
        let over = long(limits::REQUEST_STRING);
        assert_eq!(collect(&over, 4096, ignore), Err(RequestTooLarge::String(limits::REQUEST_STRING + 1)));
        let many = most.repeat(limits::REQUEST_BYTES / limits::REQUEST_STRING);
        assert_eq!(collect(&many, 4096, ignore), Ok(None));
        let more = [many, long(0)].concat();
        assert_eq!(collect(&more, 4096, ignore), Err(RequestTooLarge::Total(limits::REQUEST_BYTES + 1)));
        let empty = long(0).repeat(limits::REQUEST_STRINGS + 1);
        assert_eq!(collect(&empty, 4096, ignore), Err(RequestTooLarge::Count));
        let nul = [&header(Kind::Start, 3)[..], b"a\0b"].concat();
        assert_eq!(collect(&nul, 4096, ignore), Err(RequestTooLarge::Nul));
    }

    #[test]
    fn the_writer_refuses_what_the_collector_would() {
        let mut buffer = vec![0; FRAMES];
        let mut writer = Writer::new(&mut buffer);
        writer.add(Kind::Argument, &vec![b'x'; limits::REQUEST_STRING]);
        writer.add(Kind::Argument, b"what comes behind it changes nothing");
        assert_eq!(writer.finish().err(), Some(RequestTooLarge::String(limits::REQUEST_STRING + 1)));
        let mut writer = Writer::new(&mut buffer);
        while writer.measure.strings < limits::REQUEST_STRINGS {
            writer.add(Kind::Argument, b"");
        }
        assert_eq!(writer.outcome, Ok(()));
        writer.add(Kind::Argument, b"");
        assert_eq!(writer.finish().err(), Some(RequestTooLarge::Count));
    }

    #[test]
    fn a_bare_request_has_the_command_and_the_protocol_alone() {
        let frames = write(&[
            (Kind::Variable, b"K8PSH_PROTOCOL=2"),
            (Kind::Variable, b"K8PSH_UMASK=0027"),
            (Kind::Directory, b"src"),
            (Kind::Argument, b"-c"),
            (Kind::Variable, b"LANG=C"),
            (Kind::Start, b"gcc"),
        ]);
        let seen = collect(&frames, 7, |request| {
            let bare = request.bare();
            assert_eq!((bare.command(), bare.directory(), bare.strings), (c"gcc", c"", &b"\x03gcc\0"[..]));
            assert_eq!(bare.attributes(), &Attributes { protocol: 2, ..Attributes::default() });
        });
        assert_eq!(seen, Ok(Some(())));
    }

    #[test]
    fn a_client_without_a_terminal_is_in_no_background() {
        let attributes = |flags: Option<u8>| Attributes {
            terminal: flags.map(|flags| Terminal::new(flags, 0, &[0; 36])),
            ..Attributes::default()
        };
        assert!(!attributes(None).is_background());
        assert!(!attributes(Some(Terminal::FOREGROUND)).is_background());
        assert!(attributes(Some(Terminal::ERROR)).is_background());
    }

    #[test]
    fn a_variable_is_one_frame_of_its_name_and_its_value() {
        let mut buffer = vec![0; FRAMES];
        let mut writer = Writer::new(&mut buffer);
        writer.add_variable(b"LANG", b"de");
        assert_eq!(writer.finish().expect("within the limits").waiting(), b"\x01\x07\0\0\0LANG=de");
    }

    #[test]
    fn the_largest_request_of_all_fits_at_both_ends() {
        let mut buffer = vec![0; FRAMES];
        let mut writer = Writer::new(&mut buffer);
        let strings = limits::REQUEST_STRINGS;
        for number in 0..strings {
            // As many bytes as there are, divided among all; one of each is its NUL.
            let share = (limits::REQUEST_BYTES + number) / strings;
            let kind = if number + 1 < strings { Kind::Argument } else { Kind::Start };
            writer.add(kind, &vec![b'x'; share - 1]);
        }
        let frames = writer.finish().expect("within the limits").waiting().to_vec();
        assert_eq!(frames.len(), FRAMES);
        let count = collect(&frames, 1 << 16, |request| request.arguments().count());
        assert_eq!(count, Ok(Some(strings - 1)));
    }

    #[test]
    fn descriptors_go_along_by_their_numbers() {
        let frames = write(&[
            (Kind::Variable, b"K8PSH_DESCRIPTOR=2"),
            (Kind::Variable, b"LANG=C"),
            (Kind::Variable, b"K8PSH_DESCRIPTOR=0"),
            (Kind::Variable, b"K8PSH_DESCRIPTOR=x"),
            (Kind::Variable, b"K8PSH_DESCRIPTOR=2147483648"),
            (Kind::Start, b"cc"),
        ]);
        let numbers = collect(&frames, 7, |request| request.descriptors().collect::<Vec<_>>());
        assert_eq!(numbers, Ok(Some(vec![2, 0])));
    }
}
