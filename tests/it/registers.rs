//! What the tests of every engine ask of its register, and of servers that are none.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use solobot::lease::engine::{
    EngineError, EngineErrorKind, EngineUrl, Register, RegisterLook, SetResult, Version, open,
};

/// What a call may take where an answer is sure to come.
pub const AMPLE: Duration = Duration::from_secs(30);
/// What a call may take where none will.
pub const SHORT: Duration = Duration::from_secs(1);
/// By how much a loaded machine may be late.
pub const SLACK: Duration = Duration::from_secs(1);

/// A password that must be seen nowhere.
pub const PASSWORD: &str = "hunter2-and-more";

/// A register under the name `bot`.
#[track_caller]
pub fn register(url: &str) -> Box<dyn Register> {
    open(&EngineUrl::parse(url).unwrap(), "bot").unwrap()
}

#[track_caller]
pub fn look(register: &mut dyn Register) -> RegisterLook {
    register.read(AMPLE).unwrap()
}

#[track_caller]
pub fn write(register: &mut dyn Register, version: &Version, record: &str) -> RegisterLook {
    match register.set_if(version, record.as_bytes(), AMPLE).unwrap() {
        SetResult::Written(look) => look,
        SetResult::Refused(look) => panic!("refused: {look:?}"),
    }
}

#[track_caller]
pub fn refused(register: &mut dyn Register, version: &Version, record: &str) -> RegisterLook {
    match register.set_if(version, record.as_bytes(), AMPLE).unwrap() {
        SetResult::Refused(look) => look,
        SetResult::Written(look) => panic!("written: {look:?}"),
    }
}

pub fn text(look: &RegisterLook) -> Option<&str> {
    look.content.as_deref().map(|content| std::str::from_utf8(content).unwrap())
}

/// It asks no engine about a change that solobot should never ask for.
#[track_caller]
pub fn never_asked(register: &mut dyn Register, version: &Version, record: &[u8], why: &str) {
    let error = register.set_if(version, record, AMPLE).unwrap_err();
    assert!(error.kind == EngineErrorKind::Configuration && error.message.contains(why), "{error:?}");
}

/// The error is of this kind, shows no password, and came in time.
#[track_caller]
pub fn fails(kind: EngineErrorKind, limit: Duration, call: impl FnOnce(Duration) -> Option<EngineError>) -> String {
    let start = Instant::now();
    let error = call(limit).expect("an error");
    assert!(start.elapsed() < limit + SLACK, "after {:?}: {error}", start.elapsed());
    assert_eq!(error.kind, kind, "{error:?}");
    assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
    assert!(kind == EngineErrorKind::Unreachable || !error.hints.is_empty(), "{error:?}");
    format!("{}\n{}", error.message, error.hints.join("\n"))
}

/// A look at this URL fails so.
#[track_caller]
pub fn look_fails(kind: EngineErrorKind, url: &str) -> String {
    let mut register = register(url);
    fails(kind, AMPLE, |limit| register.read(limit).err())
}

/// Every call fails so, on a server that is none.
#[track_caller]
pub fn each_call_fails(kind: EngineErrorKind, url: &str) -> String {
    let mut register = register(url);
    let said = fails(kind, SHORT, |limit| register.read(limit).err());
    // The next one begins with a connection of its own, and fails no later.
    fails(kind, SHORT, |limit| register.read(limit).err());
    fails(kind, SHORT, |limit| register.weaknesses(limit).err());
    said
}

/// Behaves so to each client, in threads that end with the test's process; the port.
pub fn served(behave: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let behave = Arc::new(behave);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, behave) = (client.unwrap(), Arc::clone(&behave));
            thread::spawn(move || behave(&mut client));
        }
    });
    port
}

/// A connection that stays open.
pub fn forever() {
    thread::sleep(Duration::MAX); // What is tested: only the caller's time limit ends the call.
}

/// What floods have sent, and how much memory they cost.
pub struct Flood {
    sent: Arc<AtomicU64>,
    before: u64,
}

impl Flood {
    /// No buffers of a socket are larger.
    const BUFFERS: u64 = 32 << 20;

    pub fn new() -> Self {
        Self { sent: Arc::default(), before: memory() }
    }

    /// Ten gigabytes of these blocks, if anybody takes them.
    pub fn source(&self) -> impl Fn(&mut TcpStream, &[u8]) + Send + Sync + 'static {
        let count = Arc::clone(&self.sent);
        move |client, block| {
            while count.load(Ordering::Relaxed) < 10_000_000_000 && client.write_all(block).is_ok() {
                count.fetch_add(block.len() as u64, Ordering::Relaxed);
            }
        }
    }

    /// No more was taken than the buffers of so many connections, and hardly any memory.
    #[track_caller]
    pub fn cost_little(&self, connections: u64, what: &str) {
        let sent = self.sent.load(Ordering::Relaxed);
        assert!(sent < connections * Self::BUFFERS, "{what}: {sent} bytes were taken");
        let grown = memory().saturating_sub(self.before);
        assert!(grown < 64 << 10, "{what}: {grown} KiB more");
    }
}

/// The most memory that this process has had, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
