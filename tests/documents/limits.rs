//! The tables of limits, against the constants that the program uses: the same rows, the same values.

use k8psh::{http, limits};

use crate::document::{Document, Row, Table};

/// What a table has to say: the limit and its value.
fn known() -> Vec<(&'static str, String)> {
    vec![
        ("path", bytes(limits::PATH)),
        ("name of a command", bytes(limits::NAME)),
        ("configuration file", bytes(limits::CONFIG_FILE)),
        ("its text after expansion", bytes(limits::CONFIG_TEXT)),
        ("its words", limits::CONFIG_WORDS.to_string()),
        ("its commands", limits::CONFIG_COMMANDS.to_string()),
        ("its sections", limits::CONFIG_SECTIONS.to_string()),
        ("variables of a command", limits::VARIABLES.to_string()),
        ("their text, expanded at the start", bytes(limits::EXPANSION)),
        ("arguments and environment of a call", bytes(limits::REQUEST_BYTES)),
        ("one string of them", bytes(limits::REQUEST_STRING)),
        ("number of these strings", limits::REQUEST_STRINGS.to_string()),
        ("descriptors passed with a call", limits::DESCRIPTORS.to_string()),
        ("bytes of a stream under way", bytes(limits::WINDOW)),
        ("message", bytes(limits::MESSAGE)),
        ("sessions at once", limits::SESSIONS.to_string()),
        ("sessions at once, at most", limits::MAX_SESSIONS.to_string()),
        ("idle workers", format!("{} to {}", limits::IDLE_LEAST, limits::IDLE_MOST)),
        ("connections waiting to be accepted", limits::BACKLOG.to_string()),
        ("first default port", limits::FIRST_PORT.to_string()),
        ("connecting to a server", time(limits::CONNECT_MS.unsigned_abs())),
        ("pause between two attempts", format!("{} to {}", time(limits::RETRY_FIRST_MS), time(limits::RETRY_LAST_MS))),
        ("waiting for a server at a terminal without a word", time(limits::NOTICE_MS)),
        ("delivering a request", time(limits::REQUEST_MS)),
        ("a probe", time(limits::PROBE_MS)),
        ("from TERM to KILL", time(limits::GRACE_MS)),
        ("a session's wait for its stub at the end", time(limits::LINGER_MS)),
        ("a log line's wait for room", time(limits::LOG_MS)),
        ("a trigger's wait for a client's first byte", time(limits::SNIFF_MS)),
        ("keepalive of a TCP connection", format!("{} s, {} probes", limits::KEEPALIVE_S, limits::KEEPALIVE_COUNT)),
        ("unacknowledged data beyond the host", time(limits::TCP_USER_TIMEOUT_MS.into())),
        ("head of a request by HTTP", bytes(limits::HEAD)),
        ("output in an answer with the status", bytes(http::answer::OUTPUT)),
        ("token", bytes(limits::TOKEN)),
        ("connections without a proven token", limits::PRE_AUTH.to_string()),
        ("proving the token", time(limits::PROOF_MS)),
        (
            "delay after failed proofs",
            format!("{} to {}", time(limits::PENALTY_FIRST_MS), time(limits::PENALTY_LAST_MS)),
        ),
        ("until failed proofs are forgotten", time(limits::FORGET_MS)),
    ]
}

fn bytes(count: usize) -> String {
    match count {
        _ if count.is_multiple_of(1 << 20) => format!("{} MiB", count >> 20),
        _ if count.is_multiple_of(1 << 10) && count > 4096 => format!("{} KiB", count >> 10),
        _ => format!("{count} B"),
    }
}

fn time(ms: u64) -> String {
    if ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { format!("{ms} ms") }
}

/// Rows of tables of limits that are unknown or have another value, and limits that the table leaves out.
pub(crate) fn check(document: &Document) -> Vec<String> {
    let known = known();
    let tables = document.tables.iter().filter(|table| table[0].cells[0] == "limit");
    tables.flat_map(|table| check_table(document, table, &known)).collect()
}

fn check_table(document: &Document, table: &Table, known: &[(&str, String)]) -> Vec<String> {
    let has = |row: &Row, (limit, value): &(&str, String)| row.cells[0] == *limit && row.cells[1] == *value;
    let wrong = table[1..].iter().filter(|row| !known.iter().any(|limit| has(row, limit)));
    let wrong =
        wrong.map(|row| document.problem(row.line, &format!("the program has another value: {}", row.cells[0])));
    let missing = known.iter().filter(|limit| !table.iter().any(|row| has(row, limit)));
    let missing = missing.map(|limit| document.problem(table[0].line, &format!("missing: {limit:?}")));
    wrong.chain(missing).collect()
}
