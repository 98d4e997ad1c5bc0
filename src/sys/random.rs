//! Random numbers.

use rustix::io::Result;
use rustix::rand::{GetRandomFlags, getrandom};

/// Fills the buffer, of 256 bytes at most, with random bytes fit for secrets (getrandom(2), which never cuts so few short).
pub fn random(buffer: &mut [u8]) -> Result<()> {
    getrandom(buffer, GetRandomFlags::empty()).map(drop)
}
