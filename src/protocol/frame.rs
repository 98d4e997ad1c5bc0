//! Frames: what travels over a connection, as bytes. Makes no system call and keeps no session's state.
//!
//! ```text
//! +------+----------------+----------------
//! | type | number, LE u32 | number bytes …      types with a body: the number is its length
//! +------+----------------+----------------
//! | type | number, LE u32 |                     all others: the number is the message
//! +------+----------------+
//! ```
//!
//! A client sends its request (working directory, environment, arguments in any order, then [`Kind::Start`]) and its
//! stdin; the server sends stdout and stderr and, last, how the command ended. That is protocol 1, of k8psh 0.9.
//!
//! Protocol 2 is agreed on first. Its client puts variables of the names in [`attribute`] into the request, which a
//! server of protocol 1 ignores like every variable that its command does not list. A server of protocol 2 answers with
//! [`Kind::Hello`] before anything else; only after that may either side send a kind above [`Kind::Exit`].
//!
//! In protocol 2 each stream has a window of [`crate::limits::WINDOW`] bytes: its sender stops when so many are under
//! way, and goes on when the receiver, having passed some on, gives credit for them. A connection is therefore always
//! read, and a stream that is stuck holds up neither signals nor the other stream.
//!
//! Where the section has a token, all of this goes through [`crate::secure`].

use crate::limits;

/// The protocol that this program speaks.
pub const PROTOCOL: u32 = 2;

/// Bytes of a frame before its body.
pub const HEADER: usize = 5;

/// The variables in which a client of protocol 2 says what protocol 1 has no frame for. They belong to the request and
/// are never a command's.
pub mod attribute {
    /// The client's protocol, decimal. Comes first.
    pub const PROTOCOL: &[u8] = b"K8PSH_PROTOCOL";
    /// The client's file mode creation mask, octal.
    pub const UMASK: &[u8] = b"K8PSH_UMASK";
    /// The signals that the client ignores: hexadecimal, signal n as bit n - 1.
    pub const IGNORED: &[u8] = b"K8PSH_IGNORED";
    /// The client's terminal, where it has one: a [`crate::protocol::Terminal`] in hexadecimal.
    pub const TERMINAL: &[u8] = b"K8PSH_TERMINAL";
    /// 1 where the client's stdout and stderr are one: then the command's are as well, and all of it is output.
    pub const ONE_OUTPUT: &[u8] = b"K8PSH_ONE_OUTPUT";
    /// The number that a descriptor has at the client, decimal: once for each that goes along, in their order.
    pub const DESCRIPTOR: &[u8] = b"K8PSH_DESCRIPTOR";
}

/// Which end sends a type of frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The client.
    Client,
    /// The server.
    Server,
    /// Either.
    Both,
}

/// What follows a frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing: the number is the message.
    Number,
    /// As many bytes as the number says.
    Body,
}

/// One row of the table of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The type.
    pub kind: Kind,
    /// What the protocol's document calls it.
    pub name: &'static str,
    /// Which end sends it.
    pub direction: Direction,
    /// What follows its header.
    pub content: Content,
}

/// Makes [`Kind`], and all that is asked about one, of a table with a line for each type of frame.
macro_rules! frames {
    ($($kind:ident = $number:literal, $name:literal, $direction:ident, $content:ident: $description:literal;)*) => {
        /// The type of a frame.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $(
                #[doc = concat!($description, "\n\nSent by: ", stringify!($direction), ". Content: ", stringify!($content), ".")]
                $kind = $number,
            )*
        }

        impl Kind {
            /// Every type, in the order of their numbers.
            pub const TABLE: &'static [Row] = &[
                $(Row {
                    kind: Kind::$kind,
                    name: $name,
                    direction: Direction::$direction,
                    content: Content::$content,
                }),*
            ];

            /// The type of this number.
            pub const fn of(number: u8) -> Option<Kind> {
                match number {
                    $($number => Some(Kind::$kind),)*
                    _ => None,
                }
            }

            /// What follows the header.
            pub const fn content(self) -> Content {
                match self {
                    $(Kind::$kind => Content::$content,)*
                }
            }
        }
    };
}

frames! {
    Directory = 0, "working directory", Client, Body: "The working directory relative to `baseDirectory`.";
    Variable = 1, "variable", Client, Body: "A variable, `NAME=value`.";
    Argument = 2, "argument", Client, Body: "An argument, in order.";
    Start = 3, "start", Client, Body: "The command's name; ends the request.";
    Input = 4, "stdin", Both, Body: "Client: bytes for stdin; an empty body is its end. Server: always empty, the command has closed its stdin.";
    Output = 5, "stdout", Server, Body: "Bytes of stdout; an empty body is its end.";
    Error = 6, "stderr", Server, Body: "Bytes of stderr; an empty body is its end.";
    Terminate = 7, "terminate", Client, Number: "End the command. The number is 0.";
    Exit = 8, "exit", Server, Number: "The command's exit code, signed; the last frame.";
    Hello = 16, "hello", Server, Number: "The protocol that the server will speak.";
    Failure = 17, "failure", Server, Body: "Why the command could not be run, with [`Kind::Exit`] to follow; or a warning.";
    Signaled = 18, "signaled", Server, Number: "The signal that ended the command; the last frame, instead of [`Kind::Exit`].";
    Stopped = 19, "stopped", Server, Number: "The signal that stopped the command in the lower 8 bits; above, how many of the client's signals it had got by then.";
    Signal = 20, "signal", Client, Number: "A signal for the command's process group. Numbers are those of Linux's generic table.";
    Size = 21, "size", Client, Number: "The terminal's rows in the lower 16 bits, its columns in the upper ones.";
    InputCredit = 22, "stdin credit", Server, Number: "So many bytes of stdin were passed on.";
    OutputCredit = 23, "stdout credit", Client, Number: "So many bytes of stdout were passed on.";
    ErrorCredit = 24, "stderr credit", Client, Number: "So many bytes of stderr were passed on.";
    HangUp = 25, "hang up", Client, Number: "The stream of this type ([`Kind::Output`] or [`Kind::Error`]) has no reader any more.";
    Terminal = 26, "terminal", Server, Number: "Whether the command has a terminal like the client's (1), another one (2) or none (0). Follows a request with [`attribute::TERMINAL`].";
    Foreground = 27, "foreground", Client, Number: "Whether the client is in its terminal's foreground (1) or not (0), and so whether the command is in that of its own.";
    Pixels = 28, "pixels", Client, Number: "The terminal's width in pixels in the lower 16 bits, its height in the upper ones; [`Kind::Size`] follows.";
    Modes = 29, "modes", Client, Body: "The terminal's modes, as in [`crate::protocol::Terminal`].";
    Keys = 30, "keys", Server, Number: "What the command does with the terminal's keys: a [`crate::protocol::Keys`].";
    Waiting = 31, "waiting", Client, Number: "Whether something waits to be read at the terminal (1). 0 ends the answer to [`crate::protocol::Keys::Once`].";
    Delivered = 32, "delivered", Server, Number: "How many of the client's signals the command lived to get. Precedes its end, where there are any.";
}

impl Kind {
    /// Whether the number is the length of what follows.
    pub const fn has_body(self) -> bool {
        matches!(self.content(), Content::Body)
    }

    /// The number that a frame carries for this type, as in [`Kind::HangUp`].
    pub const fn number(self) -> u32 {
        self as u32
    }
}

/// The first bytes of a frame.
pub const fn header(kind: Kind, number: u32) -> [u8; HEADER] {
    let [a, b, c, d] = number.to_le_bytes();
    [kind as u8, a, b, c, d]
}

/// Parts one behind the other, for frames that are known when this program is built. `LENGTH` is that of all of them.
///
/// # Panics
/// Where it is not; in a constant, that is an error of the compiler's.
pub const fn join<const LENGTH: usize>(parts: &[&[u8]]) -> [u8; LENGTH] {
    let (mut joined, mut end, mut part) = ([0; LENGTH], 0, 0);
    while part < parts.len() {
        let mut index = 0;
        while index < parts[part].len() {
            joined[end] = parts[part][index];
            (end, index) = (end + 1, index + 1);
        }
        part += 1;
    }
    assert!(end == LENGTH, "the parts have another length");
    joined
}

/// A frame with this body, likewise. `LENGTH` is [`HEADER`] and that of the body.
pub const fn frame<const LENGTH: usize>(kind: Kind, body: &[u8]) -> [u8; LENGTH] {
    assert!(kind.has_body() && body.len() <= limits::FRAME);
    #[allow(clippy::cast_possible_truncation, reason = "a frame's length was checked")]
    let header = header(kind, body.len() as u32);
    join(&[&header, body])
}

/// The first frame of a request of protocol 2.
const FIRST: [u8; HEADER + 16] = frame(Kind::Variable, b"K8PSH_PROTOCOL=2");

/// What a client sends that only wants to know whether a server is there: the first frame of a request of protocol 2, and
/// then the end of its stream. The server answers with [`Kind::Hello`] and ends; one of protocol 1 just ends, as with
/// every request that is cut short.
pub const PROBE: &[u8] = &FIRST;

/// The name by which a server is asked for its status as tables. No command has it: a name has no `/`.
pub const TABLE: &[u8] = b"/table";

/// The same as an array of objects.
pub const ARRAY: &[u8] = b"/array";

/// What a client sends that asks for the one or the other: a request of protocol 1, so that the server does not wait for
/// credit.
pub const STATUS: [[u8; HEADER + TABLE.len()]; 2] = [frame(Kind::Start, TABLE), frame(Kind::Start, ARRAY)];

/// Bytes that the request of a stub of protocol 2 and later begins with, whatever its protocol: all of [`PROBE`] but the number.
pub const STUB: usize = PROBE.len() - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_number_and_no_other_is() {
        for row in Kind::TABLE {
            assert_eq!(Kind::of(row.kind as u8), Some(row.kind), "{}", row.name);
            assert_eq!(row.kind.has_body(), row.content == Content::Body, "{}", row.name);
        }
        assert_eq!((0..=u8::MAX).filter_map(Kind::of).count(), Kind::TABLE.len());
        assert!(Kind::TABLE.is_sorted_by_key(|row| row.kind as u8));
    }

    #[test]
    fn the_document_has_the_same_table() {
        let document = include_str!("README.md");
        let rows: Vec<Vec<&str>> = document
            .lines()
            .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
            .filter(|cells| cells.len() == 6 && cells[1].parse::<u8>().is_ok())
            .collect();
        assert_eq!(rows.len(), Kind::TABLE.len());
        for (row, cells) in Kind::TABLE.iter().zip(rows) {
            let direction = match row.direction {
                Direction::Client => "client → server",
                Direction::Server => "server → client",
                Direction::Both => "both",
            };
            assert_eq!(cells[1..4], [&*(row.kind as u8).to_string(), row.name, direction]);
        }
        let with_body = (0..=u8::MAX).filter(|byte| Kind::of(*byte).is_some_and(Kind::has_body)).collect::<Vec<_>>();
        assert_eq!(with_body, [0, 1, 2, 3, 4, 5, 6, 17, 29]);
        assert!(document.contains("number bytes of body      types 0 to 6, 17 and 29"));
    }

    #[test]
    fn a_probe_is_the_first_frame_of_a_request() {
        let (header, variable) = PROBE.split_at(HEADER);
        assert_eq!(variable, [attribute::PROTOCOL, format!("={PROTOCOL}").as_bytes()].concat());
        assert_eq!(header, super::header(Kind::Variable, u32::try_from(variable.len()).expect("short")));
        assert_eq!(
            PROBE[STUB..],
            *PROTOCOL.to_string().as_bytes(),
            "what stubs of other protocols have, too, ends here"
        );
    }

    #[test]
    fn a_header_is_the_type_and_a_little_endian_number() {
        assert_eq!(header(Kind::Exit, 0x0102_0304), [8, 4, 3, 2, 1]);
    }
}
