//! What a server tells of itself: tables for people, an object for programs.

use super::board::{OUTCOMES, Running};
use crate::protocol::request::Request;
use crate::session::connection::Peer;
use crate::session::service::Service;
use crate::text::bytes::first;
use crate::text::line::{Line, Part, Show};
use crate::{add, diag, line};

/// How fields are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Their names, in columns.
    Heads,
    /// Their values, in columns.
    Row,
    /// Both, in an object.
    Object,
}

/// Fields that are being put together.
struct Fields {
    form: Form,
    line: Line,
    /// Where the last column ends.
    end: usize,
}

/// Prints what the server is at. What the request has for an argument stands before the object that it is to be then.
pub(in crate::session) fn print(service: &Service<'_>, request: &Request<'_>) {
    let mut out = diag::output();
    let before = request.arguments().next();
    let (form, end) = if before.is_some() { (Form::Object, "}") } else { (Form::Row, "\n") };
    if form == Form::Row {
        add!(&mut out, "{}\n", totals(service, Form::Heads));
    }
    let sessions = if form == Form::Row { "\n" } else { ",\"sessions\":[" };
    add!(&mut out, "{}{}{}", Part::Words(before.unwrap_or_default().to_bytes()), totals(service, form), sessions);
    let mut is_first = true;
    service.board.visit(&mut |state, session| {
        match form {
            Form::Row if is_first => add!(&mut out, "{}\n", row(state, session, Form::Heads)),
            Form::Object if !is_first => out.add(b","),
            _ => {}
        }
        is_first = false;
        add!(&mut out, "{}{}", row(state, session, form), end);
    });
    out.add(if form == Form::Row { b"" } else { b"]}\n" });
    out.flush();
}

/// How many processes are at what, and what has run since the server began.
fn totals(service: &Service<'_>, form: Form) -> Line {
    let (board, [idle, busy]) = (service.board, (service.workers)());
    let mut fields = Fields { form, line: Line::new(), end: 0 };
    fields.add_name("section", 16, service.server.name().to_bytes());
    // The process that answers is one of the busy ones.
    fields.add_number("connected", busy.saturating_sub(board.count() + 1) as u64);
    fields.add_number("idle", idle as u64);
    for (index, outcome) in OUTCOMES.into_iter().enumerate() {
        fields.add_number(outcome, board.outcome(index));
    }
    fields.add_number("in", board.bytes(0));
    fields.add_number("out", board.bytes(1));
    fields.line
}

/// A session.
fn row(state: &str, session: &Running, form: Form) -> Line {
    let Running { number, processes: [process, command], peer, name: (name, length) } = session;
    let mut fields = Fields { form, line: Line::new(), end: 0 };
    fields.add("session", 22, line!("{}-{}", *process, *number).part());
    fields.add("since", 25, Part::Time(*number));
    fields.add("state", 10, state.part());
    fields.add("pid", 8, Part::Signed(*command));
    fields.add("transport", 10, if matches!(peer, Peer::User(_)) { "direct" } else { "relay" }.part());
    fields.add("peer", 16, peer.part());
    fields.add_name("command", 0, first(name, usize::from(*length)));
    fields.line
}

impl Fields {
    /// A number, in a column as wide as its name and a few digits.
    fn add_number(&mut self, name: &str, number: u64) {
        self.add(name, name.len().max(4) + 1, Part::Number(number));
    }

    /// A name of the configuration's.
    fn add_name(&mut self, name: &str, width: usize, value: &[u8]) {
        self.add(name, width, if self.form == Form::Object { Part::Json(value) } else { Part::Bytes(value) });
    }

    /// A field. Numbers and what is JSON already need no quotes in an object.
    fn add(&mut self, name: &str, width: usize, value: Part<'_>) {
        let line = &mut self.line;
        if self.form == Form::Object {
            let separator = if line.bytes().is_empty() { "{" } else { "," };
            let is_bare = matches!(value, Part::Number(_) | Part::Signed(_) | Part::Json(_));
            let quote = if is_bare { "" } else { "\"" };
            return add!(line, "{}\"{}\":{}{}{}", separator, name, quote, value, quote);
        }
        if self.end > 0 {
            line.add(b" ");
        }
        while line.bytes().len() < self.end {
            line.add(b" ");
        }
        if self.form == Form::Heads { name.part() } else { value }.show(line);
        self.end += width;
    }
}
