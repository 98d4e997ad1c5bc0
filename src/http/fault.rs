//! What is wrong with a request, as its client is told.

use crate::text::line::{Line, Show};
use crate::text::packed::Text;
use crate::{line, text};

/// A reason not to run anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The first line is none of HTTP.
    Line,
    /// A line of the head is not `Name: value`.
    Field,
    /// There is no `Host`, or more than one.
    Host,
    /// The body's length is not said in one way.
    Lengths,
    /// The body is not in chunks as it should be.
    Chunk,
    /// The token is missing, or another one.
    Token,
    /// There is nothing at this path.
    Path,
    /// The method does not start anything.
    Method,
    /// The head has not come in time.
    Late,
    /// The body's length is not said at all.
    NoLength,
    /// The first line is too long.
    LongLine,
    /// The head is too long.
    LongHead,
    /// The body is coded in a way that is not known here.
    Coding,
    /// The server ends.
    Ending,
    /// The version is not known here.
    Version,
    /// Nothing: the server is there, which is what was asked.
    None,
}

/// For each fault its status code and the reason in words, in their order.
const STATUSES: Text = text!(
    "400 the first line is not METHOD /PATH HTTP/1.1\n\
     400 a header line is not NAME: VALUE\n\
     400 there is not one Host\n\
     400 the length of the body is not clear\n\
     400 a chunk of the body has no length\n\
     401 wrong token, or none\n\
     404 there is no such command\n\
     405 the method is not GET, POST or PUT\n\
     408 the request took too long\n\
     411 the body has no length\n\
     414 the path is too long\n\
     431 the headers are too long\n\
     501 the coding of the body is not chunked\n\
     503 the server ends\n\
     505 the version is not HTTP/1.1 or HTTP/1.0\n\
     200 OK"
);

impl Fault {
    /// Its status code, and the reason in words.
    #[must_use]
    pub fn status(self) -> Text {
        STATUSES.line(self as usize)
    }

    /// The whole answer.
    #[must_use]
    pub fn answer(self) -> Line {
        let header = match self {
            Fault::Token => text!("WWW-Authenticate: Bearer\r\n"),
            Fault::Method => text!("Allow: GET, POST, PUT\r\n"),
            _ => Text::EMPTY,
        };
        let status = self.status();
        line!("HTTP/1.1 {}\r\n{}Connection: close\r\n\r\n{}\n", status, header, status)
    }
}

/// The code and the reason, as in the log.
impl Show for Fault {
    fn show(&self, line: &mut Line) {
        self.status().show(line);
    }
}
