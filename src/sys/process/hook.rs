//! What is to be done before this process goes, whichever way it goes.

use crate::sys::statics::Global;

/// Called on every way out of this process and before it stops; nothing at first.
static EXIT_HOOK: Global<Option<fn()>> = Global::new(None);

/// Has `hook` called before this process exits, dies of a signal or stops by one, as long as it can know of that.
pub fn at_exit(hook: fn()) {
    EXIT_HOOK.set(Some(hook));
}

/// Calls what [`at_exit`] was given.
pub(in crate::sys) fn call_exit_hook() {
    if let Some(hook) = EXIT_HOOK.get() {
        hook();
    }
}
