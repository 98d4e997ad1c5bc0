//! `k8psh`: runs a command by name, installs the program, or turns into the server.

use super::options::{Word, is_among, next};
use super::{install, print, server, stub};
use crate::sys::program::{Program, Strings};
use crate::{exit, fail};

/// What `--help` prints.
const USAGE: &str = "\
Usage: k8psh [options] command [arguments...]

Runs a command in the container that the configuration names for it, as though
it were installed here. Called by another name, as stubs are, it runs the
command of that name.

Options:
  -c, --config FILE  the configuration file; default: $K8PSH_CONFIG, else
      k8psh.conf in the working directory
  -h, --help  print this
      --install FILE  put this program at FILE and exit; where FILE is a
      directory: as k8psh, and as k8pshd beside it
  -s, --server  be the server, with all the arguments (see k8pshd --help)
  -v, --version  print the version

Exit status: the command's own. A command that a signal ended ends k8psh by the
same signal. 127: no such program; 126: cannot be executed; 125: k8psh failed.
";

/// The options, numbered as [`USAGE`] lists them.
mod option {
    pub(super) const CONFIG: usize = 0;
    pub(super) const HELP: usize = 1;
    pub(super) const INSTALL: usize = 2;
    pub(super) const SERVER: usize = 3;
    pub(super) const VERSION: usize = 4;
}

/// Plays the role.
pub(super) fn main(program: &Program, arguments: Strings) -> ! {
    let mut words = arguments;
    let mut config = None;
    loop {
        match next(USAGE, &mut words) {
            Some(Ok(Word::Given(given, value))) => match given.number {
                option::CONFIG => config = Some(value),
                option::HELP => print(USAGE),
                option::VERSION => print(concat!("k8psh ", env!("CARGO_PKG_VERSION"), "\n")),
                option::INSTALL => install::main(program, value),
                option::SERVER => server::main(program, arguments),
                _ => {}
            },
            Some(Ok(Word::Plain(command))) => stub::main(program, config, command.to_bytes(), words),
            // An option of the server's may come before the one that says so.
            Some(Err(_)) if is_among(words, USAGE, option::SERVER) => server::main(program, arguments),
            Some(Err(misuse)) => fail!(exit::UNAVAILABLE, "{}; see k8psh --help", misuse),
            None => fail!(exit::UNAVAILABLE, "no command given; see k8psh --help"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{USAGE, option};
    use crate::applet::options::find;

    #[test]
    fn the_numbers_are_those_of_the_usage() {
        for (number, name) in [
            (option::CONFIG, "-c"),
            (option::HELP, "-h"),
            (option::INSTALL, "--install"),
            (option::SERVER, "-s"),
            (option::VERSION, "-v"),
        ] {
            assert_eq!(find(USAGE, name.as_bytes()).map(|found| found.number), Some(number), "{name}");
        }
    }
}
