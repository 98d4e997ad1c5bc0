//! Peers that are no stubs: some say nothing, some a byte at a time, and some break off.

use std::fmt::{self, Display};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt};

use crate::{Result, number};

/// The beginning of a request of protocol 2: a variable, and then a type that announces a longer argument.
const WORDS: &[u8] = b"\x01\x10\0\0\0K8PSH_PROTOCOL=2\x02\xff\0\0\0an argument that does not end";

/// How a stranger behaves.
#[derive(Clone, Copy)]
enum Manner {
    Silent,
    Slow,
    Resetting,
}

const MANNERS: [Manner; 3] = [Manner::Silent, Manner::Slow, Manner::Resetting];

/// How many connections were made in each manner.
#[derive(Default)]
pub(crate) struct Visits([u64; MANNERS.len()]);

impl Display for Visits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.map(number).join(", "))
    }
}

struct Stranger {
    stream: TcpStream,
    /// How much of its words it has said.
    said: usize,
}

impl Stranger {
    /// Connects from an address of its own kind: a server with a token has addresses pay for their own failures.
    fn come(port: u16) -> nix::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let made = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
        bind(made.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 9, 0))?;
        connect(made.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, port))?;
        fcntl(&made, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self { stream: made.into(), said: 0 })
    }

    /// Does what it does; false: it is gone.
    fn act(&mut self, manner: Manner) -> std::io::Result<bool> {
        match manner {
            Manner::Silent => {}
            Manner::Slow => self.say(1)?,
            Manner::Resetting => {
                self.say(fastrand::usize(1..WORDS.len()))?;
                self.reset()?;
                return Ok(false);
            }
        }
        self.is_welcome()
    }

    fn say(&mut self, count: usize) -> std::io::Result<()> {
        let rest = WORDS.get(self.said..).unwrap_or_default();
        self.said += self.stream.write(&rest[..count.min(rest.len())])?;
        Ok(())
    }

    /// Has the connection be reset when it is closed.
    fn reset(&self) -> std::io::Result<()> {
        Ok(setsockopt(&self.stream, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })?)
    }

    /// Whether the server still has the connection.
    fn is_welcome(&mut self) -> std::io::Result<bool> {
        match self.stream.read(&mut [0; 4096]) {
            Ok(0) => Ok(false),
            Err(error) if error.kind() != ErrorKind::WouldBlock => Ok(false),
            _ => Ok(true),
        }
    }
}

/// So many strangers at a time, a third of each manner, until it is over. One whose connection has ended comes again.
pub(crate) fn visit(port: u16, count: usize, is_over: &AtomicBool) -> Result<Visits> {
    let mut visits = Visits::default();
    let mut strangers: Vec<Option<Stranger>> = (0..count).map(|_| None).collect();
    while !is_over.load(Ordering::Relaxed) {
        for (index, place) in strangers.iter_mut().enumerate() {
            let manner = index % MANNERS.len();
            // One that is not let in, or whose connection ends while it acts, comes again.
            *place = match place.take() {
                None => Stranger::come(port).ok().inspect(|_| visits.0[manner] += 1),
                Some(mut stranger) => stranger.act(MANNERS[manner]).unwrap_or(false).then_some(stranger),
            };
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(visits)
}
