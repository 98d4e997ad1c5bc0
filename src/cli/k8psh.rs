//! `k8psh`: runs a command by name, installs the program, or turns into the server.

use super::{inspection, install};
use crate::client::probe;
use crate::diag::print_and_exit as print;
use crate::options::words::{UsageError, Word, next, value};
use crate::server;
use crate::sys::process::exit;
use crate::sys::program::{Program, Strings};
use crate::text::line::Show;
use crate::text::number::parse;
use crate::{exit, fail, limits};

/// What `--help` prints.
const USAGE: &str = "\
Usage: k8psh [options] command [arguments...]

Runs a command in the container that the configuration names for it, as though
it were installed here. Called by another name, as stubs are, it runs the
command of that name.

Options:
      --check  print all errors in the configuration; exit with 1 if any
  -c, --config FILE  the configuration file; default: $K8PSH_CONFIG, else
      k8psh.conf in the working directory
  -h, --help  print this
      --install FILE  put this program at FILE and exit; where FILE is a
      directory: as k8psh, and as k8pshd beside it
      --json  --check and --list print JSON
      --list  print all commands, their servers, ports and arguments
      --probe [NAME]  exit with 0 if that server, or every one, answers
  -s, --server  be the server, with all the arguments (see k8pshd --help)
      --timeout MS  of --probe; default: 1000
  -v, --version  print the version

Exit status: the command's own. A command that a signal ended ends k8psh by the
same signal. 127: no such program; 126: cannot be executed; 125: k8psh failed.
";

/// The options, numbered as [`USAGE`] lists them.
mod option {
    pub(super) const CHECK: usize = 0;
    pub(super) const CONFIG: usize = 1;
    pub(super) const HELP: usize = 2;
    pub(super) const INSTALL: usize = 3;
    pub(super) const JSON: usize = 4;
    pub(super) const LIST: usize = 5;
    pub(super) const PROBE: usize = 6;
    pub(super) const SERVER: usize = 7;
    pub(super) const TIMEOUT: usize = 8;
    pub(super) const VERSION: usize = 9;
}

/// Plays the role.
pub(super) fn main(program: &Program, arguments: Strings) -> ! {
    let mut words = arguments;
    let (mut config, mut server, mut timeout) = (None, None, None);
    let (mut task, mut is_command, mut is_array) = (option::HELP, true, false);
    loop {
        match next(USAGE, &mut words) {
            Some(Ok(Word::Given(given, value))) => match given.number {
                option::CONFIG => config = Some(value),
                option::HELP => print(USAGE),
                option::VERSION => print(concat!("k8psh ", env!("CARGO_PKG_VERSION"), "\n")),
                option::INSTALL => install::main(program, value),
                option::SERVER => server::main(program, arguments),
                number => {
                    is_command = false;
                    match number {
                        option::JSON => is_array = true,
                        // Looked at later: it may be meant for a server, which takes others.
                        option::TIMEOUT => timeout = Some(value.to_bytes()),
                        _ => task = number,
                    }
                }
            },
            Some(Ok(Word::Plain(command))) if is_command => {
                super::run_command(program, config, command.to_bytes(), words)
            }
            Some(Ok(Word::Plain(name))) if task == option::PROBE && server.is_none() => server = Some(name),
            Some(Ok(Word::Plain(word))) => misused(&UsageError::Unexpected(word.to_bytes())),
            // An option of the server's may come before the one that says so.
            Some(Err(_)) if value(USAGE, &mut words, option::SERVER).is_some() => server::main(program, arguments),
            Some(Err(misuse)) => misused(&misuse),
            None => break,
        }
    }
    match task {
        option::CHECK => inspection::check(config, &program.environment, is_array),
        option::LIST => inspection::list(config, &program.environment, is_array),
        option::PROBE => match timeout.map_or(Some(limits::PROBE_MS), |text| parse(text, 10)) {
            Some(milliseconds) => {
                let outcome = probe::run(program, config, server, milliseconds);
                exit(if outcome.is_ok() { exit::SUCCESS } else { exit::FAILURE })
            }
            None => misused(&UsageError::Unexpected(timeout.unwrap_or_default())),
        },
        _ => misused(&"no command given"),
    }
}

/// Ends this process: nobody knows what it was to do.
fn misused(why: &dyn Show) -> ! {
    fail!(exit::UNAVAILABLE, "{}; see k8psh --help", why)
}

#[cfg(test)]
mod tests {
    use super::{USAGE, option};
    use crate::options::words::find;

    #[test]
    fn the_numbers_are_those_of_the_usage() {
        for (number, name) in [
            (option::CHECK, "--check"),
            (option::CONFIG, "-c"),
            (option::HELP, "-h"),
            (option::INSTALL, "--install"),
            (option::JSON, "--json"),
            (option::LIST, "--list"),
            (option::PROBE, "--probe"),
            (option::SERVER, "-s"),
            (option::TIMEOUT, "--timeout"),
            (option::VERSION, "-v"),
        ] {
            assert_eq!(find(USAGE, name.as_bytes()).map(|found| found.number), Some(number), "{name}");
        }
    }
}
