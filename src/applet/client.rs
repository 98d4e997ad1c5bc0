//! `k8psh`: runs a command by name, installs the program, or turns into the server.

use super::options::{Spec, Word, next};
use super::{install, print, server, stub};
use crate::sys::program::{Program, Strings};
use crate::{exit, fail};

/// What `--help` prints.
const USAGE: &str = "\
Usage: k8psh [options] command [arguments...]

Runs a command in the container that the configuration names for it, as though
it were installed here. Called by any other name than k8psh or k8pshd, as the
stubs are that k8pshd makes, the program runs the command of that name.

Options:
  -c, --config FILE   the configuration file; default: $K8PSH_CONFIG, else
                      k8psh.conf in the working directory
  -h, --help          print this and exit
      --install FILE  put this program at FILE and exit; where FILE is a
                      directory: as k8psh, and as k8pshd beside it
  -s, --server        be the server, with all the arguments (see k8pshd --help)
  -v, --version       print the version and exit

Exit status: the command's own. A command that a signal ended ends k8psh by the
same signal. 127: no such program; 126: it cannot be executed; 125: k8psh itself
failed, which a line on stderr explains.
";

/// The options.
#[derive(Clone, Copy)]
enum Id {
    Config,
    Help,
    Install,
    Server,
    Version,
}

static OPTIONS: [Spec<Id>; 5] = [
    Spec::value(b'c', "config", Id::Config),
    Spec::flag(b'h', "help", Id::Help),
    Spec::value(0, "install", Id::Install),
    Spec::flag(b's', "server", Id::Server),
    Spec::flag(b'v', "version", Id::Version),
];

/// Plays the role.
pub(super) fn main(program: &Program, arguments: Strings) -> ! {
    let mut words = arguments;
    let mut config = None;
    loop {
        match next(&OPTIONS, &mut words) {
            Some(Ok(Word::Given(Id::Config, file))) => config = Some(file),
            Some(Ok(Word::Given(Id::Help, _))) => print(USAGE),
            Some(Ok(Word::Given(Id::Version, _))) => print(concat!("k8psh ", env!("CARGO_PKG_VERSION"), "\n")),
            Some(Ok(Word::Given(Id::Install, file))) => install::main(program, file),
            Some(Ok(Word::Given(Id::Server, _))) => server::main(program, arguments),
            Some(Ok(Word::Plain(command))) => stub::main(program, config, command.to_bytes(), words),
            // An option of the server's may come before the one that says so.
            Some(Err(_)) if { words }.any(|word| word == c"-s" || word == c"--server") => {
                server::main(program, arguments)
            }
            Some(Err(misuse)) => fail!(exit::UNAVAILABLE, "{}; see k8psh --help", misuse),
            None => fail!(exit::UNAVAILABLE, "no command given; see k8psh --help"),
        }
    }
}
