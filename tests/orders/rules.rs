//! What holds in every state, and that every state comes to an end.

use crate::exit::End;
use crate::limits;
use crate::protocol::Which;
use crate::stub::Over;
use crate::world::{Action, World};

/// Steps in which everything has to end once nothing unusual happens any more.
const STEPS: usize = 400;

/// Checks a state.
pub(crate) fn check(world: &World<'_>) {
    check_credit(world);
    check_input(world);
    if let Some(over) = world.stub.over {
        check_end(world, over);
    }
}

/// Credit is given for what was passed on alone, and what a sender has of it is between nothing and the window.
fn check_credit(world: &World<'_>) {
    let (stub, server, counts) = (&world.stub, &world.server, &world.counts);
    for which in Which::BOTH {
        let index = which as usize;
        let passed = stub.sinks[index].passed;
        assert!(counts.given[1 + index] <= passed, "{which:?}: credit for what was not passed on");
        let under_way = server.passed_on[index].checked_sub(counts.come[1 + index]).expect("a window above its size");
        let holds = world.is_negotiated() && !stub.has_overflowed;
        assert!(!holds || under_way <= limits::WINDOW, "{which:?}: a window below zero: {under_way} bytes under way");
    }
    let pipe = &server.process.input;
    let passed = if pipe.has_reader && pipe.has_writer { pipe.written } else { usize::MAX };
    assert!(counts.given[0] <= passed, "stdin: credit for what was not passed on");
    let under_way = stub.typed.checked_sub(counts.come[0]).expect("a window above its size");
    assert!(world.scene.is_plain || stub.has_overflowed || under_way <= limits::WINDOW, "stdin: a window below zero");
}

/// The end of stdin comes behind all of it.
fn check_input(world: &World<'_>) {
    let (server, pipe) = (&world.server, &world.server.process.input);
    let has_end = !pipe.has_writer && pipe.has_reader && server.process.is_alive;
    if has_end && server.is_relaying() && !server.is_ending() {
        assert!(!world.stub.has_input && pipe.written == world.stub.typed, "stdin ends before its last byte");
    }
}

/// The stub ends as the command did, with everything that it wrote.
fn check_end(world: &World<'_>, over: Over) {
    let (stub, server) = (&world.stub, &world.server);
    let process = &server.process;
    match over {
        Over::Killed => {}
        Over::Failed => {
            let is_untold = world.scene.is_plain && matches!(process.end, Some(End::Signal(_)));
            assert!(world.is_lost || server.is_excused || is_untold, "the stub never learns the end");
        }
        Over::Ended(end) => {
            let ended = process.end.expect("the command has ended before its end is told");
            let is_own = end == ended || server.is_cut || stub.has_deadly && matches!(end, End::Signal(_));
            assert!(is_own, "the command ends with {ended:?}, its stub with {end:?}");
            for which in Which::BOTH {
                let (sink, had_written) = (&stub.sinks[which as usize], process.had_written[which as usize]);
                let may_be_dropped = sink.has_no_reader || server.has_late_signal;
                assert!(
                    may_be_dropped || sink.passed >= had_written,
                    "{which:?} is lost: {} of {had_written}",
                    sink.passed
                );
            }
        }
    }
}

/// Whatever has happened, it ends: the stub and the session, and the command with the lease.
pub(crate) fn finish(world: &mut World<'_>, path: &mut Vec<Action>) {
    let mut actions = Vec::new();
    for _ in 0..STEPS {
        if world.is_over() {
            return check_lease(world);
        }
        world.enabled(&mut actions);
        let action = next(world, &actions).unwrap_or_else(|| panic!("nothing can happen any more"));
        path.push(action);
        world.act(action);
        check(world);
    }
    panic!("it does not end");
}

/// A command whose connection has gone before its own end has ended as well, with all that it has started.
fn check_lease(world: &World<'_>) {
    let process = &world.server.process;
    let has_run = world.server.has_command();
    assert!(!has_run || !process.is_alive, "the lease has ended, and the command has not");
    assert!(!world.server.is_ending() || !process.has_orphan, "the lease has ended, and a process is left");
}

/// What happens next where nothing unusual does: everything that both ends can do, then the command's end, then time.
fn next(world: &World<'_>, actions: &[Action]) -> Option<Action> {
    use Action::{
        EndInput, Exit, Flush, PassesInput, PassesOutput, Read, Reaps, Receives, Sends, StubReceives, StubSends,
        TimePasses, Type,
    };
    let process = &world.server.process;
    let is_possible = |action: &&Action| actions.contains(action);
    let of_ends = [
        Reaps,
        StubReceives(usize::MAX),
        Flush(Which::Output),
        Flush(Which::Error),
        Receives(usize::MAX),
        PassesOutput(Which::Output),
        PassesOutput(Which::Error),
        PassesInput,
        Sends,
        StubSends,
        Read,
        Type,
        EndInput,
    ];
    if let Some(action) = of_ends.iter().find(is_possible) {
        return Some(*action);
    }
    let is_leased = world.server.is_connected() && !world.is_lost && !world.server.is_ending();
    if process.is_stopped && is_leased && world.is_negotiated() && world.stub.runs() {
        assert!(!world.server.is_relaying(), "the command is stopped for good, and its stub does not know it");
    }
    if world.stub.is_stopped && world.stub.over.is_none() {
        return Some(Action::Resume);
    }
    if is_leased && process.is_alive && process.is_stopped {
        return Some(Action::ResumeCommand);
    }
    if is_leased && world.server.has_command() && process.runs() {
        return Some(Exit);
    }
    [TimePasses].iter().find(is_possible).copied()
}
