//! The terminal of a session's command: it is kept like the stub's, whose keys it gets when it asks for them.

mod returns;

pub(super) use returns::without_returns;

use super::command::{Event, Look, Step};
use super::event_loop::Session;
use super::status::board::Phase;
use crate::protocol::{Keys, Which};
use crate::sys::clock::Instant;
use crate::sys::fd;
use crate::sys::process::{self, Group};
use crate::sys::signal::{self, Set, name};
use crate::sys::terminal::{self, Modes};
use crate::{debug, sys};
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd};

impl Session<'_> {
    /// The command's terminal, if it has one.
    pub(super) fn terminal(&self) -> Option<BorrowedFd<'_>> {
        self.state.command.streams()?.terminal.as_ref().map(AsFd::as_fd)
    }

    /// The process group that a signal from the stub is for: the command's. Where that is a shell whose job has the terminal,
    /// a key means the job: it was typed before the stub knew of that.
    pub(super) fn target_of(&self, signal: u8, pid: i32) -> i32 {
        let is_key = matches!(signal, name::INT | name::QUIT | name::TSTP);
        let terminal =
            self.terminal().filter(|_| is_key && self.state.command.streams().is_some_and(|one| one.has_keys));
        let foreground = terminal.map_or(0, terminal::foreground);
        if [0, process::id()].contains(&foreground) { pid } else { foreground }
    }

    /// Gives up the command's terminal as its session's leader, so that the next session of this process can have another one.
    /// What the command left in the background of it loses it, too. False where that is not possible.
    pub(super) fn leave_terminal(&self) -> bool {
        let streams = self.state.command.streams().filter(|streams| streams.has_keys);
        let terminal = streams.and_then(|streams| streams.terminal.as_ref());
        terminal.is_none_or(|terminal| terminal::leave(terminal).is_ok())
    }

    /// The stub's terminal has other modes now, and so has the command's.
    pub(super) fn set_modes(&mut self) {
        let Some(modes) = self.server_end.terminal_modes().map(Modes::from_bytes) else { return };
        if let Some(terminal) = self.terminal() {
            let _ = terminal::set_modes(terminal, &modes);
        }
        if let Some(streams) = self.state.command.streams_mut() {
            streams.shared_modes = streams.shared_modes.map(|_| modes);
        }
    }

    /// The stub has come to its terminal's foreground, or left it, and so do the processes in that of the command's. The
    /// kernel stops a background process that reads or sets its terminal, and the stub will hear of it.
    pub(super) fn set_foreground(&mut self, is_foreground: bool) {
        if self.state.command.streams().is_none_or(|streams| !streams.has_keys) {
            return;
        }
        self.on_terminal_event(if is_foreground { Event::Begin } else { Event::End });
        let Some(streams) = self.state.command.streams_mut() else { return };
        let Some(terminal) = &streams.terminal else { return };
        if !is_foreground && streams.background.is_none() {
            streams.background = Some(terminal::foreground(terminal.as_fd()));
            let _ = terminal::set_foreground(terminal.as_fd(), process::id());
        } else if is_foreground && let Some(group) = streams.background.take() {
            let _ = terminal::set_foreground(terminal.as_fd(), group);
        }
    }

    /// The stub says whether something waits at its terminal. Where it was asked for that, it has sent all that there is.
    pub(super) fn on_waiting(&mut self, waits: bool) {
        self.on_terminal_event(if waits { Event::Waiting } else { Event::Answer });
    }

    /// It is time to look at the terminal.
    pub(super) fn look_at_terminal(&mut self) {
        self.look();
        let Some(streams) = self.state.command.streams() else { return };
        let group = self.state.command.pid().filter(|_| streams.keyboard.needs_group()).map(group_status);
        let is_free = group.is_some() && self.terminal().is_some_and(|terminal| !has_input(terminal));
        self.on_terminal_event(Event::Time { is_free, group });
    }

    /// Looks at the modes of a terminal like the stub's, and gives them. While the command has the stub's, they say with the
    /// foreground whose the keys are.
    fn look(&mut self) -> Option<Modes> {
        let streams = self.state.command.streams()?;
        let (terminal, shared) = (streams.terminal.as_ref()?, streams.shared_modes.as_ref()?);
        let modes = terminal::modes(terminal.as_fd()).ok()?;
        if streams.background.is_some() || !streams.has_keys {
            return Some(modes);
        }
        let foreground = terminal::foreground(terminal.as_fd());
        let has_own = modes != *shared;
        // A shell with a line editor ignores TSTP. It is known as one before its first job, between whose start and the next
        // look what is typed would be shown by both terminals.
        let has_jobs = self.state.command.pid().is_some_and(|pid| foreground != pid)
            || has_own && process::reception(foreground).ignored.has(name::TSTP);
        let keys = if has_own {
            // What has jobs of its own gets the signals for them: its keys mean nobody else.
            Keys::of_own_modes(!modes.has_output_of(shared), !has_jobs && modes.has_signals_of(shared))
        } else {
            Keys::None
        };
        self.on_terminal_event(Event::Look(Look { keys, has_jobs }));
        Some(modes)
    }

    /// Whether the terminal puts returns in before line feeds and the stub's does so again: there a job in the background
    /// leaves the modes alone, and one in the foreground as long as it does not want other ones. By the same look as the
    /// stub is told of: what it has on its way decides how it shows what follows.
    pub(super) fn adds_returns(&mut self, which: Which) -> bool {
        if self.state.command.streams().is_none_or(|streams| streams.screen != Some(which)) {
            return false;
        }
        let Some(modes) = self.look() else { return false };
        let Some(streams) = self.state.command.streams() else { return false };
        let has_stubs = || streams.shared_modes.is_some_and(|shared| modes.has_output_of(&shared));
        modes.adds_returns() && (streams.background.is_some() || has_stubs())
    }

    /// Tells the keyboard's state what happens, and does what follows.
    pub(super) fn on_terminal_event(&mut self, event: Event) {
        let Some(streams) = self.state.command.streams_mut() else { return };
        for step in streams.keyboard.handle(event, Instant::now()) {
            self.take(step);
        }
    }

    fn take(&mut self, step: Step) {
        match (step, self.state.command.pid()) {
            // Also of a command that has ended: how its last words are shown depends on it.
            (Step::Tell(keys), _) => self.server_end.keys(keys),
            (_, None) => {}
            (Step::Report(signal), _) => {
                // Not where it is stopped for a moment to see whether it reads.
                self.record.note(Phase::Stopped);
                self.server_end.stopped(signal);
            }
            (Step::Stop, Some(pid)) => drop(signal::send(-pid, name::STOP)),
            (Step::Continue, Some(pid)) => drop(signal::send(-pid, name::CONT)),
            (Step::Bait, _) => self.bait(),
            (Step::Hide | Step::Show | Step::DropBait | Step::Quiet | Step::Loud, Some(pid)) => {
                self.change_terminal(step, pid);
            }
        }
    }

    fn change_terminal(&self, step: Step, pid: i32) {
        let Some(terminal) = self.terminal() else { return };
        let shared = self.state.command.streams().and_then(|streams| streams.shared_modes).unwrap_or_default();
        let _ = match step {
            Step::Hide => terminal::set_foreground(terminal, process::id()),
            Step::Show => terminal::set_foreground(terminal, pid),
            Step::DropBait => terminal::drop_input(terminal),
            Step::Quiet => {
                let mut quiet = shared;
                quiet.make_quiet();
                terminal::set_modes(terminal, &quiet)
            }
            Step::Loud => {
                // What was written is taken by these modes when it is looked for.
                has_input(terminal);
                terminal::set_modes(terminal, &shared)
            }
            _ => Ok(()),
        };
    }

    /// Makes the terminal readable for poll(2), by the character that ends the input: it is not echoed. It cannot be read,
    /// since the kernel stops a background process before that.
    fn bait(&self) {
        let Some(streams) = self.state.command.streams() else { return };
        let (Some(modes), Some(input)) = (&streams.shared_modes, &streams.input) else { return };
        if modes.has_lines() && modes.end_mark() != 0 {
            let _ = fd::write(input, &[modes.end_mark()]);
        }
    }
}

/// Whether something can be read at a terminal.
fn has_input(terminal: BorrowedFd<'_>) -> bool {
    sys::poll::is_ready(terminal, PollFlags::IN, 0)
}

/// The processes of the command. Where they cannot be seen, they get whatever is typed.
fn group_status(pid: i32) -> Group {
    process::group_status(pid).unwrap_or_else(|errno| {
        debug!(Session, "cannot see whether the command reads its terminal: /proc: {}", errno);
        Group { is_stopped: false, has_stopped: false, guarded: Set::ALL }
    })
}
