//! A stranger between a stub and a server, who sees everything and changes one thing.

use super::*;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToServer,
    ToStub,
}

/// What is changed on one way. A unit is the message of the handshake, or a record.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Nothing,
    /// One bit of the byte that so many come before.
    Flip(usize),
    /// All that comes after so many bytes goes nowhere, and the connection ends.
    Cut(usize),
    /// What comes after so many bytes comes later, all the same.
    Split(usize),
    /// The unit of this number.
    Drop(usize),
    Repeat(usize),
    /// The unit of this number comes after the next one.
    Swap(usize),
}

/// What went over a connection as it was sent, and whether something was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub to_server: Vec<u8>,
    pub to_stub: Vec<u8>,
    pub has_changed: bool,
}

/// A stub's configuration for a port, behind which another one is: a relay for one connection at a time.
pub(super) struct Relay {
    listener: TcpListener,
    to: u16,
}

/// How long a connection that was changed may say nothing: then the stranger gives up, as whoever makes an end wait for bytes
/// that never come.
const SILENCE: Duration = Duration::from_millis(300);

impl Relay {
    pub(super) fn to(pod: &Pod) -> Relay {
        Relay { listener: TcpListener::bind(("127.0.0.1", 0)).expect("a port"), to: pod.port() }
    }

    /// A stub whose connection goes through here.
    pub(super) fn stub(&self, pod: &Pod, name: &str) -> Command {
        let own = self.listener.local_addr().expect("an address").port();
        let text = fs::read_to_string(pod.config()).expect("the configuration");
        let text = text.replace(&format!("box:{}", self.to), &format!("box:{own}"));
        let config = pod.path("through.conf");
        let base = format!("baseDirectory = {}", pod.work().display());
        fs::write(&config, text.replace("baseDirectory = work", &base)).expect("another configuration");
        let mut stub = pod.stub(name);
        stub.env("K8PSH_CONFIG", config);
        stub
    }

    /// Relays one connection while `run` lasts, with this change on this way.
    pub(super) fn during<T>(&self, way: Way, change: Change, run: impl FnOnce() -> T) -> (T, Record) {
        let record = Mutex::new(Record::default());
        let result = thread::scope(|scope| {
            scope.spawn(|| self.relay(way, change, &record));
            run()
        });
        (result, record.into_inner().expect("the record"))
    }

    /// Drops the connections that nobody relays: a stub has begun anew.
    pub(super) fn drop_waiting(&self) {
        self.listener.set_nonblocking(true).expect("a listener");
        while self.listener.accept().is_ok() {}
        self.listener.set_nonblocking(false).expect("a listener");
    }

    fn relay(&self, way: Way, change: Change, record: &Mutex<Record>) {
        let stub = self.listener.accept().expect("the stub").0;
        let server = silent(self.to);
        let ends = [stub.try_clone().expect("a socket"), server.try_clone().expect("a socket")];
        let (activity, news) = channel();
        thread::scope(|scope| {
            for (here, from, into) in [(Way::ToServer, &stub, &server), (Way::ToStub, &server, &stub)] {
                let change = if here == way { change } else { Change::Nothing };
                let activity = activity.clone();
                scope.spawn(move || carry(here, change, (from, into), record, &activity));
            }
            drop(activity);
            watch(&news, record);
            ends.iter().for_each(|end| _ = end.shutdown(Shutdown::Both));
        });
    }
}

/// Waits for the end of a way, or for a connection that was changed to fall silent.
fn watch(news: &Receiver<bool>, record: &Mutex<Record>) {
    loop {
        match news.recv_timeout(SILENCE) {
            Ok(true) => {}
            Err(RecvTimeoutError::Timeout) if !record.lock().expect("the record").has_changed => {}
            _ => return,
        }
    }
}

/// Carries one way to its end.
fn carry(
    way: Way,
    change: Change,
    (mut from, mut into): (&TcpStream, &TcpStream),
    record: &Mutex<Record>,
    activity: &Sender<bool>,
) {
    let mut line = Line { change, units: 0, count: 0, held: None, has_changed: false };
    let (mut waiting, mut buffer) = (Vec::new(), [0; 1 << 16]);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        waiting.extend_from_slice(&buffer[..count]);
        while let Some(unit) = line.next(&mut waiting) {
            {
                let mut record = record.lock().expect("the record");
                let side = if way == Way::ToServer { &mut record.to_server } else { &mut record.to_stub };
                side.extend_from_slice(&unit);
            }
            for part in line.alter(unit) {
                record.lock().expect("the record").has_changed |= line.has_changed;
                // It may have been closed because of what it was sent.
                _ = into.write_all(&part);
                if matches!(change, Change::Split(_)) {
                    // Most probably the other end reads it by itself. It must not matter.
                    thread::sleep(Duration::from_millis(2));
                }
            }
            record.lock().expect("the record").has_changed |= line.has_changed;
            if line.is_cut() {
                _ = activity.send(false);
                return;
            }
        }
        _ = activity.send(true);
    }
    _ = activity.send(false);
}

/// One way, cut into its units.
struct Line {
    change: Change,
    units: usize,
    /// Bytes of the units before.
    count: usize,
    held: Option<Vec<u8>>,
    has_changed: bool,
}

impl Line {
    /// The next unit that is all there.
    fn next(&self, waiting: &mut Vec<u8>) -> Option<Vec<u8>> {
        let size = match (self.units, &waiting[..]) {
            (0, _) => GUESS.len(),
            (_, [high, low, ..]) => 2 + usize::from(u16::from_be_bytes([*high, *low])),
            _ => return None,
        };
        (waiting.len() >= size).then(|| waiting.drain(..size).collect())
    }

    /// What becomes of a unit.
    fn alter(&mut self, mut unit: Vec<u8>) -> Vec<Vec<u8>> {
        let (number, before) = (self.units, self.count);
        self.units += 1;
        self.count += unit.len();
        let holds = |at: usize| (before..before + unit.len()).contains(&at);
        let concerns = match self.change {
            Change::Nothing => false,
            Change::Flip(at) | Change::Cut(at) | Change::Split(at) => holds(at),
            Change::Drop(at) | Change::Repeat(at) => at == number,
            Change::Swap(at) => at == number || at + 1 == number,
        };
        if !concerns {
            return vec![unit];
        }
        self.has_changed = !matches!(self.change, Change::Split(_));
        match self.change {
            Change::Nothing => vec![unit],
            Change::Flip(at) => {
                unit[at - before] ^= 1 << (at % 8);
                vec![unit]
            }
            Change::Cut(at) => vec![unit[..at - before].to_vec()],
            Change::Split(at) => {
                let (before, after) = unit.split_at(at - before);
                vec![before.to_vec(), after.to_vec()]
            }
            Change::Drop(_) => Vec::new(),
            Change::Repeat(_) => vec![unit.clone(), unit],
            Change::Swap(at) if at == number => {
                self.held = Some(unit);
                Vec::new()
            }
            Change::Swap(_) => [unit].into_iter().chain(self.held.take()).collect(),
        }
    }

    /// Whether nothing more goes this way.
    fn is_cut(&self) -> bool {
        self.has_changed && matches!(self.change, Change::Cut(_))
    }
}
