//! Every capacity and time-out, each with its reason. Exceeding one is an error that says so, never a truncation.
//!
//! The buffers behind the capacities are static and zero: one costs nothing until its pages are touched.

/// Longest path, its terminating NUL included, in bytes: the kernel's `PATH_MAX`.
pub const PATH: usize = 4096;

/// Longest name of a command, in bytes: it becomes a file's name, and the kernel's `NAME_MAX` is 255.
pub const NAME: usize = 255;

/// Largest configuration file, in bytes: a ConfigMap cannot hold more (Kubernetes limits it to 1 MiB).
pub const CONFIG_FILE: usize = 1 << 20;

/// Text of all the configuration's words after expansion, in bytes: as much as the file, once more for what variables add.
pub const CONFIG_TEXT: usize = 2 << 20;

/// Words in the configuration: a file of the largest size with words of 16 bytes.
pub const CONFIG_WORDS: usize = 1 << 16;

/// Commands in the configuration: several full toolchains of a few hundred programs each.
pub const CONFIG_COMMANDS: usize = 4096;

/// Section headers in the configuration. A Pod has a few dozen containers at the most.
pub const CONFIG_SECTIONS: usize = 256;

/// All strings of a request (arguments, environment, names, each with its NUL), in bytes: what execve(2) accepts with
/// the usual 8 MiB stack, a quarter of it.
pub const REQUEST_BYTES: usize = 2 << 20;

/// One string of a request, its NUL included, in bytes: execve's `MAX_ARG_STRLEN`, 32 pages of 4 KiB.
pub const REQUEST_STRING: usize = 128 << 10;

/// Strings in a request. execve charges a pointer for each beside its bytes, so no more than this fit into its limit.
pub const REQUEST_STRINGS: usize = REQUEST_BYTES / 9 + 1;

/// Bytes of one stream that may be on their way before the receiver has passed them on. The receiver has a buffer of
/// this size for each stream, so it never stops reading the connection: signals and status overtake a stream that is
/// stuck. Four times the kernel's pipe keeps both ends busy.
pub const WINDOW: usize = 256 << 10;
/// [`WINDOW`] as credit is counted, which can fall below 0.
pub const WINDOW_CREDIT: i64 = 256 << 10;
const _: () = assert!(WINDOW_CREDIT.unsigned_abs() == WINDOW as u64);

/// Largest data frame that is sent, in bytes: half a window, so that one piece is on its way while the next is made.
pub const FRAME: usize = 128 << 10;

/// Bytes read from the connection at once: two data frames.
pub const INBOX: usize = 256 << 10;

/// Longest message, in bytes: a path of usual length and the reason fit; what is longer ends in an ellipsis.
pub const MESSAGE: usize = 1024;

/// How long a line of the log waits for room on stderr, in milliseconds: who collects it may be a moment behind; where nobody
/// reads, the line is given up.
pub const LOG_MS: u64 = 200;

/// Simultaneous sessions of a server without `--max-sessions`; further connections wait in the backlog.
pub const SESSIONS: usize = 512;

/// Most that `--max-sessions` takes: a process each, and the kernel's default for process numbers is 32768.
pub const MAX_SESSIONS: usize = 4096;

/// Processes that wait for a connection, at the least: one for the next call, one while that is replaced.
pub const SPARES: usize = 2;

/// Processes that wait for a connection, at the most, so that a burst finds those of the last one: a `make -j16`.
pub const SPARES_MOST: usize = 16;

/// How long the ones beyond [`SPARES`] wait, in milliseconds.
pub const SPARE_MS: i32 = 10_000;

/// Bytes of a session's buffers, or of one read, beyond which its process is not kept for the next one: its pages would be.
pub const SPARE_BYTES: usize = 64 << 10;

/// Number of a descriptor from which on a process is not kept for the next session: the kernel keeps a table up to the highest
/// number for as long as the process lives, 8 bytes an entry.
pub const SPARE_DESCRIPTOR: i32 = 1024;

/// Open descriptors that go along with a request: the usual soft limit of open files (`RLIMIT_NOFILE`, getrlimit(2)).
pub const DESCRIPTORS: usize = 1024;

/// Variables of one command; an ordinary environment has a tenth of them.
pub const VARIABLES: usize = 1024;

/// Text of a command's variables whose defaults are expanded when it starts, in bytes.
pub const EXPANSION: usize = 256 << 10;

/// Pause after the system had no process, descriptor or memory for a connection, in milliseconds: it waits in the backlog.
pub const RESOURCE_RETRY_MS: u64 = 100;

/// How long a server that starts waits for its port, in milliseconds: where the one before it was killed, its workers have the
/// port a moment longer.
pub const BIND_MS: u64 = 1000;

/// Pause between two attempts to get the port, in milliseconds.
pub const BIND_RETRY_MS: u64 = 20;

/// Connections that wait to be accepted: the kernel's default `somaxconn` since Linux 5.4.
pub const BACKLOG: i32 = 4096;

/// Time for a stub that has come to a trigger by mistake to say so by its first bytes, in milliseconds. It is as long as a
/// client that says nothing has to wait for its command.
pub const SNIFF_MS: u64 = 50;

/// Time for a connection to deliver its request, in milliseconds. A stub sends it at once; only a stranger is slower.
pub const REQUEST_MS: u64 = 10_000;

/// Time between TERM and KILL for a command whose stub has gone, in milliseconds.
pub const GRACE_MS: u64 = 2_000;

/// Time between the first two rounds of KILL for what is left of a command, in milliseconds: a process that was being born
/// during one is found in the next. It doubles each time, up to [`KILL_LAST_MS`], for what KILL does not end.
pub const KILL_FIRST_MS: u64 = 50;
/// See [`KILL_FIRST_MS`]: each round reads all of /proc.
pub const KILL_LAST_MS: u64 = 5_000;

/// Time that a connection without a complete request, or whose client has its answer, still has once the server drains or
/// reloads, in milliseconds: what a stub has sent is there by then.
pub const DRAIN_MS: u64 = 250;

/// Time that a finished session waits for its client to hang up, once that has acknowledged the last byte, in milliseconds.
pub const LINGER_MS: u64 = 2_000;

/// Seconds of silence after which the kernel asks the other end of a TCP connection whether it is there, and between two
/// such questions. A client that has gone without a word is missed after [`KEEPALIVE_COUNT`] of them; one that has closed
/// both ways of its connection stays known to its kernel for a minute (`tcp_fin_timeout`, tcp(7)) and is missed at the next.
pub const KEEPALIVE_S: u64 = 22;
/// Questions without an answer that make the other end gone: after 22 + 3 x 22 seconds.
pub const KEEPALIVE_COUNT: u32 = 3;

/// How long frames that nobody waits for (a greeting, the end of a stream) are kept for company, in milliseconds: most
/// commands have ended by then, and the stub is woken once.
pub const COALESCE_MS: u64 = 2;

/// How long a signal is kept for a server that has not greeted yet, in milliseconds. One of protocol 2 greets as soon as it
/// has accepted; one of protocol 1 never does, and one whose backlog is full will not for long.
pub const GREETING_MS: u64 = 1_000;

/// How long a stub waits for its server without a word where somebody sits at a terminal, in milliseconds: longer than a
/// server that is just starting needs, and shorter than a person's patience.
pub const NOTICE_MS: u64 = 1_000;

/// How long a probe waits for all the servers that it asks, in milliseconds: the usual time-out of a container's probe.
pub const PROBE_MS: u64 = 1_000;

/// Bytes of output that are written at once: a few lines.
pub const OUTPUT: usize = 1024;

/// Longest token, in bytes: a page, four times that of a service account.
pub const TOKEN: usize = 4096;

/// Connections that may wait to prove that they have the token, or for room for their sessions. No process each, but 100
/// bytes and a descriptor: with the listener's own they stay below 1024, the usual soft limit of open files. Beyond that
/// limit nobody would get in, where the oldest silent one is to go instead.
pub const GATE: usize = 1000;

/// Connections of one address among these from which on a further one takes the place of another of its own, where there is
/// no free one: an eighth, so that who crowds the queue crowds out itself.
pub const GATE_SHARE: usize = GATE / 8;

/// Time for a connection to prove that it has the token, in milliseconds, and again for its first record, which shows that it
/// is no recording. Who has the token sends both at once.
pub const PROOF_MS: u64 = 5_000;

/// Addresses whose failures to prove it are remembered. With 10 s between two guesses each, they bound the guesses of any
/// number of addresses to 26 a second.
pub const FAILURES: usize = 256;

/// How long a connection waits to be judged after the first failure of its address, in milliseconds: twice as long after
/// each further one, up to [`PENALTY_LAST_MS`].
pub const PENALTY_FIRST_MS: u64 = 100;
/// See [`PENALTY_FIRST_MS`]: a million guesses take four months.
pub const PENALTY_LAST_MS: u64 = 10_000;

/// When the failures of an address that has none any more are forgotten, in milliseconds.
pub const FORGET_MS: u64 = 60_000;

/// How long the other end of a connection beyond this host may leave [such a question](KEEPALIVE_S) unanswered, or bytes
/// unacknowledged or unread, in milliseconds: then its node is taken to have vanished.
pub const TCP_USER_TIMEOUT_MS: u32 = 40_000;

/// First and longest pause between two attempts to connect, in milliseconds: a server that is up a moment later costs
/// a moment; one that is down costs next to nothing.
pub const RETRY_FIRST_MS: u64 = 1;
/// See [`RETRY_FIRST_MS`].
pub const RETRY_LAST_MS: u64 = 100;

/// How long a client keeps trying to connect where the configuration does not say, in milliseconds.
pub const CONNECT_MS: i64 = 30_000;

/// The port of the first section that names none.
pub const FIRST_PORT: u16 = 1120;
