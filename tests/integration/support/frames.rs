//! The wire protocol by hand: one type byte, a number of 32 bits in little-endian, and for most types that many bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use super::{DEADLINE, until};

// The kinds of frames, as `protocol::frame::Kind` has them. Written out again, so that a changed number is noticed.
pub(crate) const DIRECTORY: u8 = 0;
pub(crate) const VARIABLE: u8 = 1;
pub(crate) const ARGUMENT: u8 = 2;
pub(crate) const START: u8 = 3;
pub(crate) const INPUT: u8 = 4;
pub(crate) const OUTPUT: u8 = 5;
pub(crate) const ERROR: u8 = 6;
pub(crate) const TERMINATE: u8 = 7;
pub(crate) const EXIT: u8 = 8;
pub(crate) const HELLO: u8 = 16;
pub(crate) const FAILURE: u8 = 17;
pub(crate) const SIGNALED: u8 = 18;
pub(crate) const STOPPED: u8 = 19;
pub(crate) const SIGNAL: u8 = 20;
pub(crate) const SIZE: u8 = 21;
pub(crate) const INPUT_CREDIT: u8 = 22;
pub(crate) const OUTPUT_CREDIT: u8 = 23;
pub(crate) const ERROR_CREDIT: u8 = 24;
pub(crate) const HANG_UP: u8 = 25;
pub(crate) const TERMINAL: u8 = 26;
pub(crate) const FOREGROUND: u8 = 27;
pub(crate) const PIXELS: u8 = 28;
pub(crate) const MODES: u8 = 29;
pub(crate) const KEYS: u8 = 30;
pub(crate) const WAITING: u8 = 31;
pub(crate) const DELIVERED: u8 = 32;

/// The last kind so far.
pub(crate) const LAST: u8 = DELIVERED;

/// Whether there are frames of this kind.
pub(crate) fn is_known(kind: u8) -> bool {
    matches!(kind, DIRECTORY..=EXIT | HELLO..=DELIVERED)
}

/// Whether the number of such a frame is the length of its body.
fn has_body(kind: u8) -> bool {
    matches!(kind, DIRECTORY..=ERROR | FAILURE | MODES)
}

/// One frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub kind: u8,
    pub number: u32,
    pub body: Vec<u8>,
}

impl Frame {
    /// A frame without a body.
    pub(crate) fn of(kind: u8, number: u32) -> Frame {
        Frame { kind, number, body: Vec::new() }
    }
}

/// The bytes of a frame with a body.
pub(crate) fn data(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = number(kind, u32::try_from(body.len()).expect("a frame's length"));
    bytes.extend_from_slice(body);
    bytes
}

/// The bytes of a frame without a body, or of the header of one with a body.
pub(crate) fn number(kind: u8, number: u32) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes
}

/// A request of protocol 1: directory, variables, arguments, start.
pub(crate) fn request(directory: &str, variables: &[&str], arguments: &[&str], command: &str) -> Vec<u8> {
    let mut bytes = data(DIRECTORY, directory.as_bytes());
    variables.iter().for_each(|word| bytes.extend(data(VARIABLE, word.as_bytes())));
    arguments.iter().for_each(|word| bytes.extend(data(ARGUMENT, word.as_bytes())));
    bytes.extend(data(START, command.as_bytes()));
    bytes
}

/// One end of a connection, played by the test.
pub(crate) struct Peer(pub TcpStream);

impl Peer {
    pub(crate) fn connect(port: u16) -> Peer {
        Peer::new(TcpStream::connect(("127.0.0.1", port)).expect("a connection"))
    }

    fn new(stream: TcpStream) -> Peer {
        stream.set_nonblocking(false).expect("a blocking socket");
        stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
        stream.set_write_timeout(Some(DEADLINE)).expect("a time-out");
        stream.set_nodelay(true).expect("no delay");
        Peer(stream)
    }

    /// Plays a server: the next client on this port.
    pub(crate) fn accept(listener: &TcpListener) -> Peer {
        listener.set_nonblocking(true).expect("a socket that does not block");
        Peer::new(until("a client connects", || listener.accept().ok()).0)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the peer takes it");
    }

    /// Sends bytes on a connection that the other end may have closed already.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) {
        // The test goes on to see what became of the connection.
        _ = self.0.write_all(bytes);
    }

    pub(crate) fn close_sending(&self) {
        // If it is not connected any more, it is closed, too.
        _ = self.0.shutdown(Shutdown::Write);
    }

    /// Reads exactly this many bytes; `None` if the connection ends before.
    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self.0.read(&mut bytes[filled..]) {
                Ok(0) => return None,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => panic!("reading a frame: {error}"),
            }
        }
        Some(bytes)
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) fn frame(&mut self) -> Option<Frame> {
        let header = self.take(5)?;
        let kind = header[0];
        let number = u32::from_le_bytes([header[1], header[2], header[3], header[4]]);
        let length = if has_body(kind) { usize::try_from(number).expect("a length") } else { 0 };
        Some(Frame { kind, number, body: self.take(length)? })
    }

    /// All frames up to the end of the connection.
    pub(crate) fn frames(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.frame()).collect()
    }

    /// What comes instead of frames, as text, up to the end of the connection.
    pub(crate) fn text(&mut self) -> String {
        let mut bytes = Vec::new();
        while let Some(byte) = self.take(1) {
            bytes.extend(byte);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether the other end closes the connection in order, and not by a reset.
    pub(crate) fn is_closed_in_order(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0))
    }

    /// Whether the connection ends, by EOF or a reset, before another byte.
    pub(crate) fn is_over(&mut self) -> bool {
        self.take(1).is_none()
    }
}

/// What the frames of one type carry, one after the other.
pub(crate) fn content(frames: &[Frame], kind: u8) -> Vec<u8> {
    frames.iter().filter(|frame| frame.kind == kind).flat_map(|frame| frame.body.clone()).collect()
}
