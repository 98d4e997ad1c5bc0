//! The caller's own descriptors, which go along with a request by the direct transport, so that the command has the very
//! files, pipes and devices of its caller. Their flags, modes and offsets are the caller's: nothing here changes them.

use crate::client::connect::Connection;
use crate::diag::Reported;
use crate::options::value::Transport;
use crate::sys::statics::StaticCell;
use crate::sys::{fd, process};
use crate::{limits, reported};

/// The numbers of descriptors that go along, and one more where there are too many.
pub(in crate::client) type Numbers = heapless::Vec<i32, { limits::DESCRIPTORS + 1 }>;

/// The numbers of the descriptors that this program was started with: all that are open before it opens its own. Empty
/// where the transport cannot pass any.
pub(in crate::client) fn inherited(transport: Transport) -> &'static mut Numbers {
    static INHERITED: StaticCell<Numbers> = StaticCell::new(Numbers::new());
    let inherited = INHERITED.take();
    if transport == Transport::Relay {
        return inherited;
    }
    if fd::are_low() || process::open_descriptors(&mut |number| _ = inherited.push(number)).is_err() {
        // Without /proc, high ones are not known.
        inherited.clear();
        fd::each_low(&mut |number| _ = inherited.push(number));
    }
    inherited
}

/// Keeps those that go along with this connection.
pub(in crate::client) fn restrict(inherited: &mut Numbers, connection: &Connection) -> Result<(), Reported> {
    if !connection.is_direct {
        inherited.clear();
    } else if inherited.is_full() {
        const TEXT: &str = "more than {} open descriptors; K8PSH_TRANSPORT=relay passes the first three";
        return Err(reported!(TEXT, limits::DESCRIPTORS));
    }
    Ok(())
}
