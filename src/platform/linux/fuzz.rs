//! What the kernel says, as text and by netlink; and the structures of macOS's.

use std::path::Path;

use super::{handle, locks, mounts, open_files, sock_diag, sockets};
use crate::platform::darwin;
use crate::platform::kernel_lock::{KernelLock, LockKind};
use crate::platform::stat::{RunState, Stat};

/// `/proc/PID/stat`.
pub fn stat(bytes: &[u8]) {
    if let Some(stat) = Stat::parse(bytes) {
        let _ = (stat.is_alive(), stat.state.to_string());
    }
    // A process chooses its name, and may not choose more by it.
    let name = String::from_utf8_lossy(&bytes[..bytes.len().min(16)]);
    let text = format!("42 ({name}) S 7 42 42 34816 42 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3\n");
    let stat = Stat::parse(text.as_bytes()).expect("a stat file");
    assert_eq!((stat.state, stat.parent, stat.start_ticks), (RunState::Sleeping, 7, 98765), "{text}");
}

/// `/proc/PID/status` and `/proc/PID/cmdline`.
pub fn status(bytes: &[u8]) {
    let facts = handle::StatusFacts::parse(&String::from_utf8_lossy(bytes));
    assert!(facts.is_below || !facts.is_namespace_init);
    let words = handle::words(bytes);
    let joined: Vec<&[u8]> = words.iter().map(|word| word.as_encoded_bytes()).collect();
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    assert_eq!(joined.join(&0), &bytes[..end]);
}

/// `/proc/locks`.
pub fn locks(bytes: &[u8]) {
    String::from_utf8_lossy(bytes).lines().for_each(lock);
}

fn lock(line: &str) {
    let Some(lock) = KernelLock::parse(line) else { return };
    let KernelLock { kind, key, pid, waits } = lock;
    let kind = match kind {
        LockKind::Flock => "FLOCK",
        LockKind::Posix => "POSIX",
        LockKind::OpenFile => "OFDLCK",
    };
    let arrow = if waits { "-> " } else { "" };
    let place = format!("{:02x}:{:02x}:{}", key.major, key.minor, key.inode);
    let again = format!("1: {arrow}{kind}  ADVISORY  WRITE {} {place} 0 EOF", pid.expect("its caller"));
    assert_eq!(KernelLock::parse(&again), Some(lock), "{line}");
}

/// `/proc/PID/fdinfo/N`, and what `/proc/PID/fd/N` leads to.
pub fn fdinfo(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert!(locks::of_fdinfo(&text).len() <= text.lines().filter(|line| line.starts_with("lock:")).count());
    let _ = (open_files::says_writing(&text), open_files::socket_number(&text));
}

/// `/proc/PID/mountinfo`.
pub fn mountinfo(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for folder in ["/", "/tmp", "/srv/my bots/a"] {
        if let Some(what) = mounts::at(&text, Path::new(folder)) {
            assert!(what.len() <= text.len());
        }
    }
    let number = text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(7);
    let _ = mounts::device_in(&text, number);
    // As the kernel writes any name.
    let name: String = text.chars().filter(|c| !matches!(c, '/' | '\0' | '\r')).take(40).collect();
    if name.is_empty() || name.trim_matches('.').is_empty() {
        return;
    }
    let codes = [("\\", "\\134"), (" ", "\\040"), ("\t", "\\011"), ("\n", "\\012")];
    let written = codes.iter().fold(name.clone(), |name, (plain, code)| name.replace(plain, code));
    let line = format!("41 22 8:3 / /srv/{written} rw - tmpfs tmpfs rw\n");
    let folder = format!("/srv/{name}/a");
    assert_eq!(mounts::at(&line, Path::new(&folder)).as_deref(), Some("tmpfs"), "{line}");
    assert_eq!(mounts::device_in(&line, 41), Some((8, 3)), "{line}");
}

/// `/proc/net/tcp`, `tcp6` and `unix`.
pub fn net_tcp(bytes: &[u8]) {
    for line in String::from_utf8_lossy(bytes).lines() {
        if let Some((_, end)) = sockets::established(line) {
            assert_eq!(end.to.ip(), end.to.ip().to_canonical());
            assert_eq!(sockets::tcp_listener(line), None, "what is connected does not listen");
        }
        let _ = (sockets::tcp_listener(line), sockets::unix_listener(line));
    }
}

/// The answers of `sock_diag(7)`.
pub fn netlink(bytes: &[u8]) {
    /// A header, and the shortest answer.
    const SHORTEST: usize = 16 + 72;
    let mut ends = Vec::new();
    let told = sock_diag::read_into(&mut ends, bytes, sock_diag::answer).map_err(|error| error.to_string());
    assert!(ends.len() <= bytes.len() / SHORTEST, "no message is read twice");
    let mut flows = Vec::new();
    let again = sock_diag::read_into(&mut flows, bytes, sock_diag::flow).map_err(|error| error.to_string());
    assert!(flows.len() <= ends.len() && again == told);
    for flow in flows {
        assert!(ends.iter().any(|(inode, end)| (*inode, end.to) == (flow.inode, flow.to)));
    }
}

/// What macOS's kernel answers.
pub fn darwin(bytes: &[u8]) {
    for process in darwin::KernelProcess::parse_all(bytes) {
        assert!(process.name.chars().count() <= 17 && process.groups.len() <= 17, "{process:?}");
    }
    let _ = darwin::KernelProcess::parse(bytes);
    if let Some(words) = darwin::StartWords::parse(bytes) {
        let ends = |text: &[u8]| text.last().is_none_or(|&last| last == 0);
        assert!(ends(&words.arguments) && ends(&words.environment), "{words:?}");
        assert!(words.arguments.len() + words.environment.len() <= bytes.len() + 2);
    }
    assert_eq!(darwin::descriptors(bytes).len(), bytes.len() / darwin::DESCRIPTOR);
    let _ = (darwin::OpenedFile::parse(bytes), darwin::folders(bytes), darwin::KernelSocket::parse(bytes));
    let _ = darwin::microseconds(bytes);
    // Of the length that the kernel gives.
    let mut whole = bytes.to_vec();
    whole.resize(darwin::FOLDERS, 0);
    assert!(darwin::folders(&whole).is_some() && darwin::OpenedFile::parse(&whole[..darwin::OPENED]).is_some());
    assert!(darwin::KernelSocket::parse(&whole[..darwin::SOCKET]).is_some());
}
