//! A request and its answer: what a session keeps of both.

use super::answer::{Answer, Buffer};
use super::body::Body;

/// A request and its answer. Nothing of either where the client does not speak HTTP.
pub struct Exchange<'b> {
    /// What is left of the request.
    pub body: Body,
    /// Whether the client does not wait for the command.
    pub is_async: bool,
    /// Whether the command's stdin was told its end.
    pub has_ended: bool,
    /// Whether the client waits for a word before it sends the body.
    pub waits: bool,
    /// The answer.
    pub answer: Answer<'b>,
}

impl<'b> Exchange<'b> {
    /// That of a client which has said nothing.
    pub fn new(buffer: &'b mut Buffer) -> Exchange<'b> {
        Exchange { body: Body::NONE, is_async: false, has_ended: false, waits: false, answer: Answer::new(buffer) }
    }
}
