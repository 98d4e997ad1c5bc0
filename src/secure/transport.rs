//! Both ends' state after the handshake.

use super::record::{Opener, Sealer};

/// Both directions of a connection after its handshake. They know nothing of each other, so they can be used at once.
pub struct Transport {
    /// For what is to be sent.
    pub sealer: Sealer,
    /// For what has come.
    pub opener: Opener,
}
