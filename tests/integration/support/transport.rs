//! The transports that a test runs by.
//!
//! `K8PSH_TEST_TRANSPORT=direct` or `relay` restricts the tests of both to that one.

use super::Pod;
use super::skip::skipped;

/// The variable that restricts tests of both transports to one.
const VARIABLE: &str = "K8PSH_TEST_TRANSPORT";

/// The transport of a Pod's stubs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// The program chooses: direct where it can be had.
    Auto,
    /// The command gets the caller's own descriptors.
    Direct,
    /// Everything goes over the connection.
    Relay,
}

impl Transport {
    /// The value of `K8PSH_TRANSPORT`, where it is set.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Transport::Auto => None,
            Transport::Direct => Some("direct"),
            Transport::Relay => Some("relay"),
        }
    }

    /// A Pod whose section `box` has these commands.
    pub(crate) fn pod(self, commands: &str) -> Pod {
        self.pod_with_header("", commands)
    }

    /// A Pod with more words in the header of section `box`.
    pub(crate) fn pod_with_header(self, header: &str, commands: &str) -> Pod {
        self.custom_pod(|pod| {
            let section = pod.section(&format!("=PATH= {header}"));
            format!("baseDirectory = work\nconnectTimeoutMs = 20000\n{section}\n{commands}\n[ client ]\n")
        })
    }

    /// A Pod with this configuration file.
    pub(crate) fn custom_pod(self, text: impl FnOnce(&Pod) -> String) -> Pod {
        Pod::by(self, text)
    }

    /// Runs a test by this transport, unless the variable asks for the other one.
    pub(crate) fn run(self, test: fn(Transport)) {
        match std::env::var(VARIABLE) {
            Ok(wanted) if !matches!(&*wanted, "direct" | "relay") => panic!("{VARIABLE}={wanted}: direct or relay"),
            Ok(wanted) if self.name() != Some(&wanted) => skipped(&format!("{VARIABLE} is {wanted}")),
            _ => test(self),
        }
    }
}

/// Stands above a function that takes a [`Transport`] and makes two tests of it, `NAME::direct` and `NAME::relay`.
macro_rules! by_each_transport {
    ($name:ident) => {
        mod $name {
            #[test]
            fn direct() {
                $crate::support::transport::Transport::Direct.run(super::$name);
            }

            #[test]
            fn relay() {
                $crate::support::transport::Transport::Relay.run(super::$name);
            }
        }
    };
}

pub(crate) use by_each_transport;
