//! How long each address has to wait after it has failed to prove that it has the token.
//!
//! A penalty is never forgotten while it lasts, however many addresses come: if no entry is free, a newcomer takes over
//! the one whose penalty ended first, with its delay (the space-saving algorithm of Metwally, Agrawal and El Abbadi).
//! While all penalties last, an address without an entry waits for the first to end. So the number of entries bounds how
//! fast all addresses together can guess: in the end, one guess per entry and [`limits::PENALTY_LAST_MS`].

use crate::limits;
use crate::sys::clock::Instant;
use crate::text::address;
use core::net::IpAddr;

/// What failures are counted by: an IPv4 address, or an IPv6 network of 64 bits, which one host may have for itself (RFC
/// 4291, 2.5.4).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Network([u8; 16]);

impl Network {
    /// The network of an address.
    pub(super) fn of(address: &IpAddr) -> Network {
        let mut bytes = address::bytes(address);
        if address.is_ipv6() {
            bytes[8..].fill(0);
        }
        Network(bytes)
    }
}

/// The failures of a network.
#[derive(Clone, Copy)]
struct Entry {
    network: Network,
    /// How long it had to wait after the last failure, in milliseconds; 0: the entry is free.
    delay: u64,
    /// When the next connection from there is verified.
    until: Instant,
}

/// The failures of all networks that have had some lately.
pub(super) struct Penalties([Entry; limits::FAILURES]);

impl Penalties {
    /// No failures. All zero, so that the table takes no room in the file.
    pub(super) const NONE: Penalties =
        Penalties([Entry { network: Network([0; 16]), delay: 0, until: Instant::PAST }; limits::FAILURES]);

    /// When a connection from this network may be verified; in the past: at once.
    pub(super) fn verifiable_at(&self, network: Network, now: Instant) -> Instant {
        self.find(network, now).map_or_else(|| self.0[self.oldest()].until, |entry| entry.until)
    }

    /// Counts a failure: the next connection from this network waits twice as long as the last one.
    pub(super) fn count(&mut self, network: Network, now: Instant) {
        let known = self.0.iter().position(|entry| entry.holds(network, now));
        let place =
            known.or_else(|| self.0.iter().position(|entry| entry.is_free(now))).unwrap_or_else(|| self.oldest());
        let entry = &mut self.0[place];
        let before = if entry.is_free(now) { 0 } else { entry.delay };
        let delay = (2 * before).clamp(limits::PENALTY_FIRST_MS, limits::PENALTY_LAST_MS);
        *entry = Entry { network, delay, until: now.plus(delay) };
    }

    /// Forgets the failures of a network that has the token after all.
    pub(super) fn forgive(&mut self, network: Network) {
        for entry in self.0.iter_mut().filter(|entry| entry.network == network) {
            (entry.delay, entry.until) = (0, Instant::PAST);
        }
    }

    /// The entry of a network, else a free one, in which no penalty lasts.
    fn find(&self, network: Network, now: Instant) -> Option<&Entry> {
        let known = self.0.iter().find(|entry| entry.holds(network, now));
        known.or_else(|| self.0.iter().find(|entry| entry.is_free(now)))
    }

    /// The entry whose penalty ends first.
    fn oldest(&self) -> usize {
        let ends = self.0.iter().enumerate().min_by_key(|(_, entry)| entry.until);
        ends.map_or(0, |(place, _)| place)
    }
}

impl Entry {
    /// Whether it holds failures of this network.
    fn holds(&self, network: Network, now: Instant) -> bool {
        self.network == network && !self.is_free(now)
    }

    /// Whether it holds no failures, or only old ones.
    fn is_free(&self, now: Instant) -> bool {
        self.delay == 0 || self.until.plus(limits::FORGET_MS) < now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u16) -> Network {
        let [high, low] = last.to_be_bytes();
        Network::of(&IpAddr::from([10, 0, high, low]))
    }

    /// An instant at which nothing from the clock's beginning is remembered.
    fn start() -> Instant {
        Instant::PAST.plus(1_000_000)
    }

    #[test]
    fn each_failure_doubles_the_delay_up_to_the_last_and_a_success_ends_it() {
        let (mut penalties, mut now) = (Penalties::NONE, start());
        for wanted in [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] {
            assert!(penalties.verifiable_at(v4(1), now) <= now);
            penalties.count(v4(1), now);
            assert_eq!(penalties.verifiable_at(v4(1), now), now.plus(wanted));
            assert!(penalties.verifiable_at(v4(2), now) <= now, "others never wait for it");
            now = now.plus(wanted);
        }
        penalties.forgive(v4(1));
        penalties.count(v4(1), now);
        assert_eq!(penalties.verifiable_at(v4(1), now), now.plus(100));
    }

    #[test]
    fn failures_are_forgotten_after_a_minute_without_any() {
        let (mut penalties, now) = (Penalties::NONE, start());
        penalties.count(v4(1), now);
        let later = now.plus(100 + limits::FORGET_MS + 1);
        penalties.count(v4(1), later);
        assert_eq!(penalties.verifiable_at(v4(1), later), later.plus(100));
    }

    #[test]
    fn no_number_of_addresses_switches_the_delay_of_one_off() {
        let (mut penalties, now) = (Penalties::NONE, start());
        let entries = u16::try_from(limits::FAILURES).expect("a few");
        for address in 0..entries {
            assert!(penalties.verifiable_at(v4(address), now) <= now);
            penalties.count(v4(address), now);
        }
        for address in 0..entries {
            assert!(penalties.verifiable_at(v4(address), now) > now, "{address} serves its penalty");
        }
        assert!(penalties.verifiable_at(v4(entries), now) > now, "a newcomer waits while all are served");
    }

    #[test]
    fn many_addresses_together_do_not_guess_faster_than_the_entries_allow() {
        let (mut penalties, mut now) = (Penalties::NONE, start());
        let mut guesses = 0;
        for step in 0_u16..60_000 {
            let network = v4(step % 5000);
            if penalties.verifiable_at(network, now) <= now {
                penalties.count(network, now);
                guesses += 1;
            }
            now = now.plus(1);
        }
        // Each entry has seven delays that are shorter than the last one, which add up to 12.7 s; the minute has five more.
        assert!(guesses <= limits::FAILURES * 13, "{guesses}");
    }

    #[test]
    fn the_addresses_of_one_network_of_ipv6_are_one() {
        let address = |network: u8, host: u8| {
            let mut bytes = [0x20; 16];
            (bytes[7], bytes[15]) = (network, host);
            Network::of(&IpAddr::from(bytes))
        };
        assert!(address(1, 1) == address(1, 2));
        assert!(address(1, 1) != address(2, 1));
        assert!(v4(1) != v4(2));
    }
}
