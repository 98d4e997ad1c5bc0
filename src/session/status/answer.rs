//! What a client that asks is told: two tables for people, objects for programs. Each row is a frame of its own.

use super::board::{COUNTERS, Note};
use crate::add;
use crate::exit::{self, End};
use crate::protocol::frame::Kind;
use crate::protocol::server::ServerEnd;
use crate::session::connection::Peer;
use crate::session::event_loop::Session;
use crate::text::bytes::{after, first, until};
use crate::text::line::{Line, Part, Show};

/// The columns of the table of one row, which are the names in its object.
const TOTALS: &[u8] =
    b"section     connected idle  exit  signal refused timeout gone  terminated fault server in         out\n";
/// Those of the table of sessions.
const SESSION: &[u8] =
    b"section     session              since                    state     pid     transport peer            command\n";

impl Session<'_> {
    /// Tells what the server runs, and how what it has run has ended.
    pub(in crate::session) fn tell_status(&mut self, is_json: bool) {
        let (service, out) = (self.service, &mut self.server_end);
        let section = Part::Json(service.server.name().to_bytes());
        let [idle, mut waiting] = (service.workers)();
        let mut has_heads = is_json;
        service.board.visit(&mut |_, phase, note| {
            if !has_heads {
                has_heads = true;
                out.push_body(Kind::Output, &[SESSION]);
            }
            waiting = waiting.saturating_sub(1);
            print_session(section, phase, note, is_json, out);
        });
        if !is_json {
            out.push_body(Kind::Output, &[TOTALS]);
        }
        let mut values = [section; 3 + COUNTERS];
        // The worker that answers serves a connection, too.
        values[1] = Part::Number(waiting.saturating_sub(1) as u64);
        values[2] = Part::Number(idle as u64);
        for (value, count) in values[3..].iter_mut().zip(service.board.counts()) {
            *value = Part::Number(count as u64);
        }
        print_row(TOTALS, &values, b"", is_json, out);
        out.finish(End::Code(exit::SUCCESS));
        self.begin_linger();
    }
}

/// Prints a session, with its arguments if they may be shown.
fn print_session(section: Part<'_>, phase: &'static [u8], note: &Note, is_json: bool, out: &mut ServerEnd<'_>) {
    let name = until(&note.text, 0);
    let values = [
        section,
        Part::Other(note),
        Part::Time(note.number),
        Part::Words(phase),
        Part::Signed(note.processes[1]),
        Part::Words(if matches!(note.peer, Peer::User(_)) { b"direct" } else { b"relay" }),
        Part::Other(&note.peer),
        Part::Json(name),
    ];
    let arguments = until(after(&note.text, name.len() + 1), 0);
    print_row(SESSION, &values, arguments, is_json, out);
}

/// Shown by the name of its session, as the log has it.
impl Show for Note {
    fn show(&self, line: &mut Line) {
        add!(line, "{}-{}", self.processes[0], self.number);
    }
}

/// Prints values below these heads, or behind them as names in an object, whose first bracket is the client's; and behind
/// them a list of JSON's, if there is one.
fn print_row(mut heads: &[u8], values: &[Part<'_>], arguments: &[u8], is_json: bool, out: &mut ServerEnd<'_>) {
    let (mut line, mut end) = (Line::new(), 0);
    for value in values {
        let name = first(heads, heads.iter().position(|byte| *byte <= b' ').unwrap_or_default());
        let blanks = after(heads, name.len()).iter().take_while(|byte| **byte == b' ').count();
        if is_json {
            let is_bare = matches!(value, Part::Number(_) | Part::Signed(_) | Part::Json(_));
            let quote: &[u8] = if is_bare { b"" } else { b"\"" };
            for part in [if end == 0 { b"\"" } else { &b",\""[..] }, name, b"\":", quote] {
                line.add(part);
            }
            value.show(&mut line);
            line.add(quote);
        } else {
            // One blank at least.
            line.add(if end == 0 { b"" } else { b" " });
            while line.bytes().len() < end {
                line.add(b" ");
            }
            let text = if let Part::Json(text) = value { Part::Bytes(text) } else { *value };
            text.show(&mut line);
        }
        end += name.len() + blanks;
        heads = after(heads, name.len() + blanks);
    }
    let before: &[u8] = match (arguments, is_json) {
        ([], _) => b"",
        (_, true) => b",\"arguments\":",
        (_, false) => b" ",
    };
    out.push_body(Kind::Output, &[line.bytes(), before, arguments, if is_json { b"}\n" } else { b"\n" }]);
}
