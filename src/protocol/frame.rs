//! Frames: what travels over a connection, as bytes. Makes no system call and keeps no session's state.
//!
//! ```text
//! +------+----------------+----------------
//! | kind | number, LE u32 | number bytes …      kinds with a body: the number is its length
//! +------+----------------+----------------
//! | kind | number, LE u32 |                     all others: the number is the message
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
//! Where the section has a token, both ends prove to each other that they have it, before anything else and without
//! sending it. The client begins, and it proves first: a stranger who connects learns nothing that depends on the token, and
//! the request goes to nobody who has not proven it.
//!
//! ```text
//!  client                             server
//!  Nonce  c                     ──→
//!                               ←──   Nonce  s
//!  Proof  of c, s, client       ──→
//!                               ←──   Proof  of c, s, server
//!  request                      ──→   Hello …
//! ```

/// The protocol that this program speaks.
pub const PROTOCOL: u32 = 2;

/// Bytes of a frame before its body.
pub const HEADER: usize = 5;

/// What a client sends that only wants to know whether a server is there: the first frame of a request of protocol 2, and
/// then the end of what it sends. The server answers with [`Kind::Hello`] and ends; one of protocol 1 just ends, as with
/// every request that is cut short.
pub const PROBE: &[u8] = b"\x01\x10\0\0\0K8PSH_PROTOCOL=2";

/// The variables in which a client of protocol 2 says what protocol 1 has no frame for. They belong to the request and
/// are never a command's.
pub mod attribute {
    /// The client's protocol, decimal. Comes first.
    pub const PROTOCOL: &[u8] = b"K8PSH_PROTOCOL";
    /// The client's file mode creation mask, octal.
    pub const UMASK: &[u8] = b"K8PSH_UMASK";
    /// The signals that the client ignores: hexadecimal, signal n as bit n - 1.
    pub const IGNORED: &[u8] = b"K8PSH_IGNORED";
    /// The client's terminal, where its stdin and stdout are one: a [`crate::protocol::Terminal`] in hexadecimal.
    pub const TERMINAL: &[u8] = b"K8PSH_TERMINAL";
    /// The number that a descriptor has at the client, decimal: once for each that goes along, in their order.
    pub const DESCRIPTOR: &[u8] = b"K8PSH_DESCRIPTOR";
}

/// Every kind of frame, with its direction and what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Client: the working directory relative to `baseDirectory`. Body.
    Directory = 0,
    /// Client: a variable, `NAME=value`. Body.
    Variable = 1,
    /// Client: an argument, in order. Body.
    Argument = 2,
    /// Client: the command's name; ends the request. Body.
    Start = 3,
    /// Client: bytes for stdin, none: its end. Server: none, the command has closed its stdin. Body.
    Input = 4,
    /// Server: bytes of stdout, none: closed. Body.
    Output = 5,
    /// Server: bytes of stderr, none: closed. Body.
    Error = 6,
    /// Client: stop the command. The number is 0.
    Terminate = 7,
    /// Server: the command's exit code, signed; the last frame.
    Exit = 8,
    /// Server: the protocol that it will speak.
    Hello = 16,
    /// Server: why the command could not be run; [`Kind::Exit`] follows. Body.
    Failure = 17,
    /// Server: the signal that ended the command; the last frame, instead of [`Kind::Exit`].
    Signaled = 18,
    /// Server: the signal that stopped the command.
    Stopped = 19,
    /// Client: a signal for the command's process group. Numbers are those of Linux's generic table.
    Signal = 20,
    /// Client: the terminal's rows in the lower 16 bits, its columns in the upper ones.
    Size = 21,
    /// Server: so many bytes of stdin were passed on.
    InputCredit = 22,
    /// Client: so many bytes of stdout were passed on.
    OutputCredit = 23,
    /// Client: so many bytes of stderr were passed on.
    ErrorCredit = 24,
    /// Client: nobody reads the stream of this kind ([`Kind::Output`] or [`Kind::Error`]) any more.
    HangUp = 25,
    /// Server: whether the command has a terminal (1) or pipes (0). Follows a request with [`attribute::TERMINAL`].
    Terminal = 26,
    /// Client: whether it is in its terminal's foreground (1) or not (0), and so whether the command is in its own's.
    Foreground = 27,
    /// Client: the terminal's width in pixels in the lower 16 bits, its height in the upper ones; [`Kind::Size`] follows.
    Pixels = 28,
    /// Client: the terminal's modes, as in [`crate::protocol::Terminal`]. Body.
    Modes = 29,
    /// Both, the client first: 32 random bytes. They open a connection to a server with a token, ahead of the request.
    Nonce = 30,
    /// Both, the client first: the proof that it has the token, a [`crate::auth::proof`] of 32 bytes. The request follows.
    Proof = 31,
}

/// All of them, to find one by its number.
const KINDS: [Kind; 25] = [
    Kind::Directory,
    Kind::Variable,
    Kind::Argument,
    Kind::Start,
    Kind::Input,
    Kind::Output,
    Kind::Error,
    Kind::Terminate,
    Kind::Exit,
    Kind::Hello,
    Kind::Failure,
    Kind::Signaled,
    Kind::Stopped,
    Kind::Signal,
    Kind::Size,
    Kind::InputCredit,
    Kind::OutputCredit,
    Kind::ErrorCredit,
    Kind::HangUp,
    Kind::Terminal,
    Kind::Foreground,
    Kind::Pixels,
    Kind::Modes,
    Kind::Nonce,
    Kind::Proof,
];

impl Kind {
    /// The kind of this number.
    pub fn of(byte: u8) -> Option<Kind> {
        KINDS.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// Whether the number is the length of what follows.
    pub fn has_body(self) -> bool {
        self as u8 <= Kind::Error as u8 || matches!(self, Kind::Failure | Kind::Modes | Kind::Nonce | Kind::Proof)
    }

    /// The number that a frame carries for this kind, as in [`Kind::HangUp`].
    pub fn number(self) -> u32 {
        u32::from(self as u8)
    }
}

/// The first bytes of a frame.
pub const fn header(kind: Kind, number: u32) -> [u8; HEADER] {
    let [a, b, c, d] = number.to_le_bytes();
    [kind as u8, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_number_and_no_other_is() {
        for kind in KINDS {
            assert_eq!(Kind::of(kind as u8), Some(kind));
        }
        assert_eq!((0..=u8::MAX).filter_map(Kind::of).count(), KINDS.len());
    }

    #[test]
    fn a_probe_is_the_first_frame_of_a_request() {
        let (header, variable) = PROBE.split_at(HEADER);
        assert_eq!(variable, [attribute::PROTOCOL, format!("={PROTOCOL}").as_bytes()].concat());
        assert_eq!(header, super::header(Kind::Variable, u32::try_from(variable.len()).expect("short")));
    }

    #[test]
    fn a_header_is_the_kind_and_a_little_endian_number() {
        assert_eq!(header(Kind::Exit, 0x0102_0304), [8, 4, 3, 2, 1]);
    }
}
