//! The exit hook: what has to be done before this process ends, whichever way it ends.

use crate::sys::statics::Global;

/// Called before this process ends or stops; none at first.
static EXIT_HOOK: Global<Option<fn()>> = Global::new(None);

/// Has `hook` called before this process exits, or ends or stops by a signal that it has read. KILL and STOP leave no
/// time for that.
pub fn at_exit(hook: fn()) {
    EXIT_HOOK.set(Some(hook));
}

/// Calls what [`at_exit`] was given.
pub(in crate::sys) fn call_exit_hook() {
    if let Some(hook) = EXIT_HOOK.get() {
        hook();
    }
}
