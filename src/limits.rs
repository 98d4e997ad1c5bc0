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

/// Sizes that a pipe gets through which much flows, in bytes, the first that the kernel grants: what any process may ask for
/// (`/proc/sys/fs/pipe-max-size`), and a window.
pub const PIPES: [usize; 2] = [1 << 20, WINDOW];

/// Largest data frame that is sent, in bytes: half a window, so that one frame is on its way while the next is made.
pub const FRAME: usize = 128 << 10;

/// Smallest part of a window, in bytes, that a read of the source is worth. Less only waits for credit.
pub const WORTHWHILE: u16 = 4096;

/// Bytes of small frames that came together which are written together: what a pipe takes in one piece, so that lines of
/// several writers stay whole (`PIPE_BUF`, pipe(7)).
pub const COALESCE_BYTES: usize = 4096;

/// Bytes read from the connection at once: two data frames.
pub const INBOX: usize = 256 << 10;

/// Bytes of one read, or of one frame, from which on it is worth a few more system calls not to copy what comes next.
pub const BULK: usize = 32 << 10;

/// Longest message, in bytes: a path of usual length and the reason fit; what is longer ends in an ellipsis.
pub const MESSAGE: usize = 1024;

/// How long a line of the log waits for room on stderr, in milliseconds: a collector may be a little behind; if nothing
/// reads, the line is dropped.
pub const LOG_MS: u64 = 200;

/// Simultaneous sessions of a server without `--max-sessions`; further connections wait in the backlog.
pub const SESSIONS: usize = 512;

/// Largest value of `--max-sessions`: each session is a process, and the kernel's default for `pid_max` is 32768.
pub const MAX_SESSIONS: usize = 4096;

/// Idle workers at least: one for the next call, and one while the first is replaced.
pub const IDLE_LEAST: usize = 2;

/// Idle workers at most, so that a burst of calls, such as a `make -j16`, finds the workers of the last one.
pub const IDLE_MOST: usize = 16;

/// How long idle workers beyond [`IDLE_LEAST`] wait for a connection, in milliseconds.
pub const IDLE_MS: i32 = 10_000;

/// Bytes of a session's buffers, or of one read, beyond which its worker is not kept for the next session: it would keep
/// the pages as well.
pub const REUSE_BYTES: usize = 64 << 10;

/// Number of a descriptor from which on a worker is not kept for the next session: the kernel keeps a table up to the
/// highest number as long as the process lives, 8 bytes per entry.
pub const REUSE_DESCRIPTOR: i32 = 1024;

/// Open descriptors that go along with a request: the usual soft limit of open files (`RLIMIT_NOFILE`, getrlimit(2)).
pub const DESCRIPTORS: usize = 1024;

/// Variables of one command; an ordinary environment has a tenth of them.
pub const VARIABLES: usize = 1024;

/// Text of a command's variables whose defaults are expanded when it starts, in bytes.
pub const EXPANSION: usize = 256 << 10;

/// Pause after the system had no process, descriptor or memory for a connection, in milliseconds. The connection waits in
/// the backlog.
pub const RESOURCE_RETRY_MS: u64 = 100;

/// How long a server that starts waits for its port, in milliseconds: if its predecessor was killed, the workers of that
/// have the port a little longer.
pub const BIND_MS: u64 = 1000;

/// Pause between two attempts to get the port, in milliseconds.
pub const BIND_RETRY_MS: u64 = 20;

/// Connections that wait to be accepted: the kernel's default `somaxconn` since Linux 5.4.
pub const BACKLOG: i32 = 4096;

/// How long a trigger waits for a client's first bytes, which show whether it is a stub that came by mistake, in
/// milliseconds. A client that sends nothing waits as long for its command.
pub const SNIFF_MS: u64 = 50;

/// Time for a connection to deliver its request, in milliseconds. A stub sends it at once; only another client is slower.
pub const REQUEST_MS: u64 = 10_000;

/// Time between TERM and KILL for a command whose stub has gone, in milliseconds.
pub const GRACE_MS: u64 = 2_000;

/// Time between the first two rounds of KILL for what is left of a command, in milliseconds: a process that was being
/// forked during one is found in the next. It doubles each time, up to [`KILL_LAST_MS`], for what KILL does not end.
pub const KILL_FIRST_MS: u64 = 50;
/// See [`KILL_FIRST_MS`]: each round reads all of /proc.
pub const KILL_LAST_MS: u64 = 5_000;

/// Time that a connection without a complete request, or whose client has its answer, still has once the server drains or
/// reloads, in milliseconds: what a stub has sent is there by then.
pub const DRAIN_MS: u64 = 250;

/// Further time, in milliseconds, for the request of a stub that has the server's answer by then, and so does not go to
/// another server: a busy machine may keep it from sending at once.
pub const DRAIN_TAKEN_MS: u64 = 1_000;

/// Time that a finished session waits for its client to hang up, once that has acknowledged the last byte, in milliseconds.
pub const LINGER_MS: u64 = 2_000;

/// Seconds of silence after which the kernel sends a keepalive probe on a TCP connection, and between two probes. A
/// client that has vanished is noticed after [`KEEPALIVE_COUNT`] of them; one that has closed both directions of its
/// connection stays known to its kernel for a minute (`tcp_fin_timeout`, tcp(7)), and is noticed at the next probe after
/// that.
pub const KEEPALIVE_S: u64 = 22;
/// Probes without an answer after which the connection is ended: 22 + 3 x 22 seconds after the last sign of life.
pub const KEEPALIVE_COUNT: u32 = 3;

/// How long frames that can wait (a greeting, the end of a stream) are held back to be sent with the next ones, in
/// milliseconds: most commands have ended by then, and the stub is woken once.
pub const COALESCE_MS: u64 = 2;

/// How long a line feed may take to come behind its return, in milliseconds. A return that stands alone waits as long.
pub const PAIR_MS: u64 = 10;

/// How often the modes of a command's terminal are looked at, in milliseconds, at the least: nobody tells of a change, and a
/// key that comes sooner is echoed. They are looked at as well whenever the command writes, as it does before it asks a
/// person for something. And how long its processes may take to stop while it is found out whether it reads.
pub const TERMINAL_MS: u64 = 50;

/// How long a key that stops a command may take to do so, in milliseconds, before it is looked at whether that reads.
pub const SETTLE_MS: u64 = 100;

/// How long a signal is kept for a server that has not greeted yet, in milliseconds. One of protocol 2 greets as soon as it
/// has accepted; one of protocol 1 never does, and one whose backlog is full takes long to do so.
pub const GREETING_MS: u64 = 1_000;

/// How long a stub at a terminal waits for its server without a message, in milliseconds: longer than a server takes to
/// start, and shorter than a person's patience.
pub const NOTICE_MS: u64 = 1_000;

/// How long a probe waits for all the servers that it asks, in milliseconds: the usual time-out of a container's probe.
pub const PROBE_MS: u64 = 1_000;

/// Bytes of output that are written at once: a few lines.
pub const OUTPUT: usize = 1024;

/// Longest token, in bytes: a page, four times that of a service account.
pub const TOKEN: usize = 4096;

/// Bytes of the longest head of a request by HTTP: its first line and its header lines.
pub const HEAD: usize = 8192;

/// Connections that may wait to prove that they have the token, or for a worker. Each takes no process, but 100 bytes and
/// a descriptor: with the listener's own these stay below 1024, the usual soft limit of open files. At that limit none
/// could be accepted, but the oldest silent one is to be closed for a new one.
pub const PRE_AUTH: usize = 1000;

/// Connections of one address in a full queue from which on a further one replaces one of the same address: an eighth, so
/// that an address that floods the queue crowds out only itself.
pub const PRE_AUTH_SHARE: usize = PRE_AUTH / 8;

/// Time for a connection to prove that it has the token, in milliseconds, and again for its first record, which shows
/// that it is not a replay. A client that has the token sends both at once.
pub const PROOF_MS: u64 = 5_000;

/// Time from a stub's first message to EOF if the server refuses it, in milliseconds. If the connection ends earlier,
/// that was a server that ends, or a load balancer without a server, and the stub tries again.
pub const REFUSAL_MS: u64 = 50;

/// Addresses whose failures to prove the token are remembered: more than the connections that may wait. With 10 s between
/// two guesses each, they bound the guesses of any number of addresses to 103 a second.
pub const FAILURES: usize = 1024;

/// How long a connection waits before it is verified after the first failure of its address, in milliseconds: twice as
/// long after each further one, up to [`PENALTY_LAST_MS`].
pub const PENALTY_FIRST_MS: u64 = 100;
/// See [`PENALTY_FIRST_MS`]: a million guesses of one address take four months.
pub const PENALTY_LAST_MS: u64 = 10_000;

/// How long after its last penalty the failures of an address are forgotten, in milliseconds.
pub const FORGET_MS: u64 = 60_000;

/// How long the other end of a connection beyond this host may leave [keepalive probes](KEEPALIVE_S) unanswered, or bytes
/// unacknowledged or unread, in milliseconds: then its node is taken to have vanished.
pub const TCP_USER_TIMEOUT_MS: u32 = 40_000;

/// First and longest pause between two attempts to connect, in milliseconds: a server that is up a moment later costs
/// a moment; one that is down costs next to nothing.
pub const RETRY_FIRST_MS: u64 = 1;
/// See [`RETRY_FIRST_MS`].
pub const RETRY_LAST_MS: u64 = 100;

/// How often a request begins anew, at the most, whose connection within this host ends before a server has taken it: that
/// may have another reason than a server that ends, as a user that it does not accept.
pub const ATTEMPTS: u32 = 4;

/// How long a client keeps trying to connect where the configuration does not say, in milliseconds.
pub const CONNECT_MS: i64 = 30_000;

/// The port of the first section that names none.
pub const FIRST_PORT: u16 = 1120;
