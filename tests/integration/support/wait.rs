//! Waiting for conditions.
//!
//! `scripts/endurance` has this file too.

use std::thread;
use std::time::{Duration, Instant};

/// How long a condition may take before the test fails. Far more than it needs, for machines under load.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Calls `condition` until it returns something, or fails the test with `what` after [`DEADLINE`].
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(result) = condition() {
            return result;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Waits until `condition` holds.
pub(crate) fn until_true(what: &str, mut condition: impl FnMut() -> bool) {
    until(what, || condition().then_some(()));
}
