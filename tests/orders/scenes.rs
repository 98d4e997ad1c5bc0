//! Scenes: what can happen in each, in any order. All of it together would have too many.

use crate::sys::signal::name;

/// What can happen.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    /// Frames' worth of stdin, and of stdout and stderr.
    pub(crate) input: usize,
    pub(crate) output: [usize; 2],
    /// The signals that the stub gets, one after the other.
    pub(crate) signals: &'static [u8],
    /// Whether what is read of the connection may end anywhere.
    pub(crate) cuts_frames: bool,
    /// Whether the stub's outputs take what comes only later.
    pub(crate) is_slow: bool,
    pub(crate) can_hang_up: bool,
    pub(crate) greeting_can_be_late: bool,
    pub(crate) stub_can_die: bool,
    pub(crate) can_be_cut: bool,
    pub(crate) has_timeout: bool,
    pub(crate) can_drain: bool,
    pub(crate) server_can_end: bool,
    pub(crate) command_closes: bool,
    pub(crate) command_stops: bool,
    pub(crate) command_exits: bool,
    pub(crate) command_crashes: bool,
    /// Whether the command ignores signals.
    pub(crate) guards: bool,
    /// Whether it leaves a process behind, which holds its outputs.
    pub(crate) has_orphan: bool,
    /// Whether the stub speaks protocol 1.
    pub(crate) is_plain: bool,
}

/// A command that does nothing but end.
const QUIET: Scene = Scene {
    name: "quiet",
    input: 0,
    output: [0; 2],
    signals: &[],
    cuts_frames: false,
    is_slow: false,
    can_hang_up: false,
    greeting_can_be_late: false,
    stub_can_die: false,
    can_be_cut: false,
    has_timeout: false,
    can_drain: false,
    server_can_end: false,
    command_closes: false,
    command_stops: false,
    command_exits: true,
    command_crashes: false,
    guards: false,
    has_orphan: false,
    is_plain: false,
};

/// All of them.
pub(crate) const ALL: &[Scene] = &[
    Scene { name: "frames", cuts_frames: true, output: [1, 0], ..QUIET },
    Scene { name: "output", output: [3, 0], is_slow: true, can_hang_up: true, ..QUIET },
    Scene { name: "outputs", output: [1, 1], is_slow: true, command_closes: true, ..QUIET },
    Scene { name: "input", input: 3, command_closes: true, ..QUIET },
    Scene { name: "late-greeting", input: 6, output: [1, 0], greeting_can_be_late: true, ..QUIET },
    Scene { name: "signals", signals: &[name::INT, name::TERM], output: [1, 0], command_crashes: true, ..QUIET },
    Scene { name: "guarded", signals: &[name::INT, name::TERM], output: [1, 0], guards: true, ..QUIET },
    Scene {
        name: "stops",
        signals: &[name::TSTP, name::CONT, name::CONT, name::INT],
        output: [1, 0],
        command_stops: true,
        ..QUIET
    },
    Scene {
        name: "ends",
        output: [1, 0],
        has_timeout: true,
        can_drain: true,
        server_can_end: true,
        command_crashes: true,
        ..QUIET
    },
    Scene { name: "ends-guarded", has_timeout: true, can_drain: true, server_can_end: true, guards: true, ..QUIET },
    Scene {
        name: "lost",
        input: 1,
        output: [1, 1],
        stub_can_die: true,
        can_be_cut: true,
        command_stops: true,
        ..QUIET
    },
    Scene {
        name: "lost-guarded",
        output: [1, 0],
        stub_can_die: true,
        can_be_cut: true,
        server_can_end: true,
        guards: true,
        has_orphan: true,
        ..QUIET
    },
    Scene { name: "orphan", output: [3, 0], has_orphan: true, is_slow: true, signals: &[name::INT], ..QUIET },
    Scene { name: "plain", is_plain: true, input: 2, output: [2, 1], command_crashes: true, ..QUIET },
    Scene {
        name: "all",
        input: 1,
        output: [1, 1],
        signals: &[name::TSTP, name::CONT, name::INT],
        is_slow: true,
        can_hang_up: true,
        stub_can_die: true,
        can_be_cut: true,
        has_timeout: true,
        can_drain: true,
        server_can_end: true,
        command_closes: true,
        command_stops: true,
        command_crashes: true,
        ..QUIET
    },
];
