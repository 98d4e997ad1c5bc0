//! Terminals on the wire: the description in the request, and the frames that change what it says.

use super::*;
use crate::support::lacks_programs;
use crate::support::terminal::Terminal;

/// What the request says of a terminal beside its size and modes: stderr is on it, too; the caller is in its foreground.
const HAS_ERROR: u8 = 1;
const IN_FOREGROUND: u8 = 2;

/// Two numbers of 16 bits as one frame has them.
fn pair(low: u16, high: u16) -> u32 {
    u32::from(high) << 16 | u32::from(low)
}

/// The modes as the kernel's generic `struct termios` has them.
fn modes(terminal: &Terminal) -> Vec<u8> {
    let modes: nix::libc::termios = terminal.modes().into();
    let flags = [modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag].map(u32::to_ne_bytes);
    [flags.as_flattened(), &[modes.c_line], &modes.c_cc[..19]].concat()
}

/// The variable of a request that describes a terminal.
fn described(flags: u8, size: [u16; 4], modes: &[u8]) -> String {
    let size = size.map(u16::to_le_bytes);
    let bytes = [&[flags], size.as_flattened(), modes].concat();
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("K8PSH_TERMINAL={digits}")
}

/// Starts a command with a terminal of these flags, 24 rows of 80 columns and 640 x 480 pixels; sees the greeting, and whether
/// there is a terminal.
fn start(pod: &Pod, name: &str, flags: u8, terminal: &Terminal, is_made: bool) -> Peer {
    let variable = described(flags, [24, 80, 640, 480], &modes(terminal));
    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &["K8PSH_PROTOCOL=2", "K8PSH_UMASK=22", "K8PSH_IGNORED=0", &variable], &[], name));
    assert_eq!(peer.frame(), Some(Frame::of(HELLO, 2)));
    assert_eq!(peer.frame(), Some(Frame::of(TERMINAL, is_made.into())));
    peer
}

/// Reads stdout until it has this text; gives all that came.
fn until_shown(peer: &mut Peer, text: &str) -> String {
    let mut shown = String::new();
    while !shown.contains(text) {
        let frame = peer.frame().unwrap_or_else(|| panic!("no {text:?} in {shown:?}"));
        assert!(matches!(frame.kind, OUTPUT | INPUT_CREDIT), "{frame:?}");
        shown += &String::from_utf8_lossy(&frame.body);
    }
    shown
}

#[test]
fn a_terminal_has_the_size_of_the_request_and_then_that_of_the_frames() {
    if lacks_programs(&["python3"]) {
        return;
    }
    let pod = Pod::new("look python3 look.py");
    // By write(2): print() within print(), which the signal may interrupt, is an error.
    let script = "import fcntl, os, signal, struct, termios, time\n\
        def look(*_):\n \
            size = struct.unpack('HHHH', fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))\n \
            os.write(1, b'%d %d %d %d seen\\n' % size)\n\
        signal.signal(signal.SIGWINCH, look)\n\
        look()\n\
        while True: time.sleep(0.01)\n";
    fs::write(pod.work().join("look.py"), script).expect("a script");
    let _server = pod.server();
    let terminal = Terminal::new();
    let mut peer = start(&pod, "look", HAS_ERROR | IN_FOREGROUND, &terminal, true);
    assert!(until_shown(&mut peer, "seen").contains("24 80 640 480"));
    // The pixels are kept for the size that follows.
    peer.send(&[number(PIXELS, pair(1000, 600)), number(SIZE, pair(30, 100))].concat());
    assert!(until_shown(&mut peer, "seen").contains("30 100 1000 600"));
    peer.send(&number(SIZE, pair(31, 101)));
    assert!(until_shown(&mut peer, "seen").contains("31 101 1000 600"));
    peer.send(&number(SIGNAL, 15));
    assert_eq!(peer.frames().last(), Some(&Frame::of(SIGNALED, 15)));
}

#[test]
fn a_terminal_has_the_modes_of_the_request_and_then_those_of_a_frame() {
    let pod = Pod::new("modes sh -c 'stty -g; echo shown; read line; stty -g; echo again'");
    let _server = pod.server();
    let terminal = Terminal::new();
    let mut peer = start(&pod, "modes", HAS_ERROR | IN_FOREGROUND, &terminal, true);
    let before = terminal.stty(&["-g"]);
    assert!(until_shown(&mut peer, "shown").contains(before.trim()));
    terminal.stty(&["intr", "^X", "erase", "^H", "-ixon"]);
    let after = terminal.stty(&["-g"]);
    assert_ne!(before, after);
    // Frames are handled in their order, so the command's input tells that the modes before it are set.
    peer.send(&[data(MODES, &modes(&terminal)), data(INPUT, b"go\r")].concat());
    assert!(until_shown(&mut peer, "again").contains(after.trim()), "{after}");
    assert_eq!(peer.frames().last(), Some(&Frame::of(EXIT, 0)));
}

#[test]
fn a_command_in_the_background_stops_when_it_reads_and_goes_on_in_the_foreground() {
    let pod = Pod::new("line sh -c 'read line; echo \"got $line\"'");
    let _server = pod.server();
    let terminal = Terminal::new();
    let mut peer = start(&pod, "line", HAS_ERROR, &terminal, true);
    // SIGTTIN.
    assert_eq!(peer.frame(), Some(Frame::of(STOPPED, 21)));
    peer.send(&[number(FOREGROUND, 1), number(SIGNAL, 18), data(INPUT, b"text\r")].concat());
    until_shown(&mut peer, "got text");
    assert_eq!(peer.frames().last(), Some(&Frame::of(EXIT, 0)));
    // And the other way round: from the foreground into the background.
    let pod = Pod::new("line sh -c 'until test -e go; do sleep 0.01; done; read line'");
    let _server = pod.server();
    let mut peer = start(&pod, "line", HAS_ERROR | IN_FOREGROUND, &terminal, true);
    peer.send(&number(FOREGROUND, 0));
    let command = pod.until_running("sh", 1)[0];
    until_true("it is in the background", || command.terminal_foreground().is_some_and(|group| group != command.0));
    fs::write(pod.work().join("go"), "").expect("a file");
    assert_eq!(peer.frame(), Some(Frame::of(STOPPED, 21)));
}

#[test]
fn a_section_without_terminals_answers_so() {
    let pod = Pod::with_header("--tty=never", "say sh -c 'test -t 1 || echo none'");
    let _server = pod.server();
    let mut peer = start(&pod, "say", HAS_ERROR | IN_FOREGROUND, &Terminal::new(), false);
    assert_eq!(content(&peer.frames(), OUTPUT), b"none\n");
}

#[test]
fn a_description_that_is_none_makes_no_terminal() {
    let pod = Pod::new("say sh -c 'test -t 1 || echo none'");
    let _server = pod.server();
    for digits in ["", "03", "xx", &"0".repeat(88), &"0".repeat(92), &"g".repeat(90)] {
        let mut peer = Peer::connect(pod.port());
        let variable = format!("K8PSH_TERMINAL={digits}");
        peer.send(&request("", &["K8PSH_PROTOCOL=2", &variable], &[], "say"));
        let frames = peer.frames();
        assert_eq!(content(&frames, OUTPUT), b"none\n", "{digits}: {frames:?}");
    }
}

/// The frames of a stub up to the one that says whether it is in the foreground.
fn frames_to_foreground(peer: &mut Peer) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    while frames.last().is_none_or(|frame| frame.kind != FOREGROUND) {
        frames.push(peer.frame().expect("more of the terminal"));
    }
    frames
}

/// What a stub's request says of its terminal.
fn description(request: &[Frame]) -> String {
    let variables = request.iter().filter(|frame| frame.kind == VARIABLE);
    let words = variables.map(|frame| String::from_utf8_lossy(&frame.body).into_owned());
    words.filter(|word| word.starts_with("K8PSH_TERMINAL=")).collect()
}

#[test]
fn a_stub_describes_its_terminal_and_tells_its_changes() {
    let pod = Transport::Relay.pod("far");
    let listener = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
    pod.link_stub("far");
    let terminal = Terminal::new();
    let expected = modes(&terminal);
    let mut stub = terminal.start(&pod.stub("far"));
    let mut peer = Peer::accept(&listener);
    let request = read_request(&mut peer);
    assert_eq!(description(&request), described(HAS_ERROR | IN_FOREGROUND, [24, 80, 0, 0], &expected));
    peer.send(&[number(HELLO, 2), number(TERMINAL, 1)].concat());
    let at_first = [Frame::of(PIXELS, 0), Frame::of(SIZE, pair(24, 80)), Frame::of(FOREGROUND, 1)];
    assert_eq!(frames_to_foreground(&mut peer), at_first);
    terminal.resize(30, 100);
    // stty changes rows and columns one after the other, and the stub tells of both or of the last alone.
    let wanted = Frame::of(SIZE, pair(30, 100));
    assert!(std::iter::from_fn(|| peer.frame()).any(|frame| frame == wanted));
    peer.send(&number(EXIT, 0));
    assert_eq!(terminal.end(&mut stub).code(), Some(0));
}

#[test]
fn a_stub_tells_modes_and_foreground_when_its_job_comes_to_the_keys() {
    let pod = Transport::Relay.pod("far");
    let listener = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
    pod.link_stub("far");
    let terminal = Terminal::new();
    let expected = modes(&terminal);
    let script = "set -m; ../stubs/far & until test -e go; do sleep 0.01; done; kill -STOP %1; \
                  until [[ $(jobs -s) ]]; do sleep 0.01; done; fg";
    let mut shell = pod.command("bash");
    shell.args(["-c", script]);
    let mut shell = terminal.start(&shell);
    let mut peer = Peer::accept(&listener);
    let request = read_request(&mut peer);
    assert_eq!(description(&request), described(HAS_ERROR, [24, 80, 0, 0], &expected));
    peer.send(&[number(HELLO, 2), number(TERMINAL, 1)].concat());
    assert_eq!(frames_to_foreground(&mut peer).last(), Some(&Frame::of(FOREGROUND, 0)));
    fs::write(pod.work().join("go"), "").expect("a file");
    let frames = frames_to_foreground(&mut peer);
    assert_eq!(frames.last(), Some(&Frame::of(FOREGROUND, 1)), "{frames:?}");
    assert_eq!(content(&frames, MODES), expected, "{frames:?}");
    peer.send(&number(EXIT, 0));
    assert_eq!(terminal.end(&mut shell).code(), Some(0));
}

#[test]
fn a_command_that_reads_asks_for_what_waits_at_the_stubs_terminal() {
    let pod = Pod::new("line sh -c 'read line; echo \"got $line\"'");
    let _server = pod.server();
    let mut peer = start(&pod, "line", HAS_ERROR | IN_FOREGROUND, &Terminal::new(), true);
    peer.send(&number(WAITING, 1));
    assert_eq!(peer.frame(), Some(Frame::of(KEYS, 1)));
    // Somebody else was faster: it reads on, and asks again.
    peer.send(&[number(WAITING, 0), number(WAITING, 1)].concat());
    assert_eq!(peer.frame(), Some(Frame::of(KEYS, 1)));
    peer.send(&[data(INPUT, b"te"), data(INPUT, b"xt\n"), number(WAITING, 0)].concat());
    // What was typed has been shown over there, and the returns are put in there.
    assert_eq!(until_shown(&mut peer, "\n"), "got text\n");
    assert_eq!(peer.frames().last(), Some(&Frame::of(EXIT, 0)));
}

#[test]
fn a_command_goes_with_a_stub_that_goes_while_it_is_asked_for_a_line() {
    let pod = Pod::new("line sh -c 'trap \"echo >up; exit\" HUP TERM; read line; sleep 1000'");
    let _server = pod.server();
    let mut peer = start(&pod, "line", HAS_ERROR | IN_FOREGROUND, &Terminal::new(), true);
    peer.send(&number(WAITING, 1));
    assert_eq!(peer.frame(), Some(Frame::of(KEYS, 1)));
    let command = pod.until_running("sh", 1)[0];
    assert_eq!(command.state(), Some('T'));
    drop(peer);
    // It is not killed as it stands: it hears of it, and has its time.
    wait_for_file(pod.work().join("up"));
    until_true("it is gone", || command.is_gone());
}

#[test]
fn a_command_that_does_not_read_does_not_ask() {
    let pod = Pod::new("busy sh -c 'until test -e go; do sleep 0.01; done; tty; read line; echo \"got $line\"'");
    let _server = pod.server();
    let mut peer = start(&pod, "busy", HAS_ERROR | IN_FOREGROUND, &Terminal::new(), true);
    peer.send(&number(WAITING, 1));
    let command = pod.until_running("sh", 1)[0];
    until_true("it was looked at", || command.terminal_foreground().is_some_and(|group| group != command.0));
    until_true("it goes on", || command.state() != Some('T'));
    fs::write(pod.work().join("go"), "").expect("a file");
    until_shown(&mut peer, "\n");
    assert_eq!(peer.frame(), Some(Frame::of(KEYS, 1)));
    // A signal ends the question as well.
    peer.send(&number(SIGNAL, 15));
    assert_eq!(peer.frame(), Some(Frame::of(KEYS, 0)));
    assert_eq!(peer.frames().last(), Some(&Frame::of(SIGNALED, 15)));
}

#[test]
fn a_stub_is_told_what_the_commands_modes_mean_for_its_keys() {
    let wait = "until test -e $n; do sleep 0.01; done";
    let steps = ["-echo", "intr ^X", "-opost intr ^C", "-isig", "isig opost echo"];
    let script: String = (1..).zip(steps).map(|(n, step)| format!("stty {step}; n={n}; {wait}; ")).collect();
    let pod = Pod::new(&format!("modes sh -c '{script}'"));
    let _server = pod.server();
    let mut peer = start(&pod, "modes", HAS_ERROR | IN_FOREGROUND, &Terminal::new(), true);
    for (keys, file) in [(4, "1"), (2, "2"), (5, "3"), (3, "4"), (0, "5")] {
        let frames: Vec<_> = std::iter::from_fn(|| peer.frame()).take_while(|frame| frame.number != keys).collect();
        // stty sets one thing after the other.
        assert!(frames.iter().all(|frame| frame.kind == KEYS), "{frames:?}");
        fs::write(pod.work().join(file), "").expect("a file");
    }
    assert_eq!(peer.frames().last(), Some(&Frame::of(EXIT, 0)));
}

#[test]
fn a_stub_sends_a_line_when_it_is_asked_and_keys_when_it_is_told() {
    let pod = Transport::Relay.pod("far");
    let listener = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
    pod.link_stub("far");
    let terminal = Terminal::new();
    let before = terminal.modes();
    let mut stub = terminal.start(&pod.stub("far"));
    let mut peer = Peer::accept(&listener);
    read_request(&mut peer);
    peer.send(&[number(HELLO, 2), number(TERMINAL, 1)].concat());
    frames_to_foreground(&mut peer);
    terminal.type_text("abc\rde\x04");
    for line in [&b"abc\n"[..], b"de\x04"] {
        assert_eq!(peer.frame(), Some(Frame::of(WAITING, 1)));
        assert_eq!(terminal.modes(), before);
        peer.send(&number(KEYS, 1));
        assert_eq!(
            peer.frame(),
            Some(Frame { kind: INPUT, number: 3 + u32::from(line.len() == 4), body: line.to_vec() })
        );
        assert_eq!(peer.frame(), Some(Frame::of(WAITING, 0)));
    }
    peer.send(&number(KEYS, 1));
    assert_eq!(peer.frame(), Some(Frame::of(WAITING, 0)), "there is nothing");
    peer.send(&number(KEYS, 3));
    terminal.expect_raw();
    assert!(!terminal.processes_output());
    terminal.type_text("\x03");
    assert_eq!(peer.frame(), Some(Frame { kind: INPUT, number: 1, body: b"\x03".to_vec() }));
    peer.send(&number(KEYS, 2));
    terminal.wait_true("it processes output", || terminal.processes_output());
    assert!(terminal.is_raw());
    // Keys that make signals are for the whole job, which the stub is a part of.
    for (keys, processes_output) in [(5, false), (4, true)] {
        peer.send(&number(KEYS, keys));
        terminal.wait_true("it makes signals", || terminal.makes_signals());
        assert_eq!((terminal.passes_keys(), terminal.processes_output()), (true, processes_output));
        terminal.type_text("\x03x");
        assert_eq!(peer.frame(), Some(Frame::of(SIGNAL, 2)));
        assert_eq!(peer.frame(), Some(Frame { kind: INPUT, number: 1, body: b"x".to_vec() }));
        peer.send(&number(KEYS, 2));
        terminal.expect_raw();
    }
    peer.send(&number(KEYS, 0));
    terminal.wait_true("it has its modes again", || terminal.modes() == before);
    // There are no keys of this kind.
    peer.send(&number(KEYS, 6));
    assert_eq!(terminal.end(&mut stub).code(), Some(125));
    assert_eq!(terminal.modes(), before);
}
