//! The program's limits, but for capacities: these are small, so that short inputs reach them.

pub(crate) use k8psh::limits::*;

pub(crate) const WINDOW: usize = 96;
pub(crate) const WINDOW_CREDIT: i64 = 96;
pub(crate) const FRAME: usize = 48;
pub(crate) const INBOX: usize = 96;
pub(crate) const WORTHWHILE: u16 = 8;

pub(crate) const REQUEST_BYTES: usize = 256;
pub(crate) const REQUEST_STRING: usize = 64;
pub(crate) const REQUEST_STRINGS: usize = 12;

pub(crate) const PRE_AUTH: usize = 6;
pub(crate) const PRE_AUTH_SHARE: usize = 3;

/// None: failures are what is looked for here. `auth::penalties` has tests of its own.
pub(crate) const PENALTY_FIRST_MS: u64 = 0;
pub(crate) const PENALTY_LAST_MS: u64 = 0;
pub(crate) const REFUSAL_MS: u64 = 0;
