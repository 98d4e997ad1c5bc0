//! The direct transport: where a server is found within the network namespace that the containers of a Pod share.

use crate::line;
use crate::text::line::Line;

/// The abstract name of the socket on which the server of a port hears its direct connections (unix(7)).
pub fn direct_name(port: u16) -> Line {
    line!("k8psh:{}", port)
}
