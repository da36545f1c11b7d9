//! etcd as the engine of a lease: against real members, alone and three together, and against servers that misbehave.

mod access;
mod acquire;
mod fakes;
mod keeping;
mod members;
mod relay;
pub mod server;
mod tls;

use std::time::{Duration, Instant};

use solobot::lease::engine::{
    EngineError, EngineErrorKind, EngineUrl, Register, RegisterLook, SetResult, Version, open,
};

/// What a call may take where an answer is sure to come.
const AMPLE: Duration = Duration::from_secs(30);
/// What a call may take where none will.
const SHORT: Duration = Duration::from_secs(1);
/// By how much a loaded machine may be late.
const SLACK: Duration = Duration::from_secs(1);

/// A password that must be seen nowhere.
const PASSWORD: &str = "hunter2-and-more";

/// Where the record stands.
const KEY: &str = "solobot/lease/bot";

/// A register under the name `bot`.
#[track_caller]
fn register(url: &str) -> Box<dyn Register> {
    open(&EngineUrl::parse(url).unwrap(), "bot").unwrap()
}

#[track_caller]
fn look(register: &mut dyn Register) -> RegisterLook {
    register.read(AMPLE).unwrap()
}

#[track_caller]
fn write(register: &mut dyn Register, version: &Version, record: &str) -> RegisterLook {
    match register.set_if(version, record.as_bytes(), AMPLE).unwrap() {
        SetResult::Written(look) => look,
        SetResult::Refused(look) => panic!("refused: {look:?}"),
    }
}

#[track_caller]
fn refused(register: &mut dyn Register, version: &Version, record: &str) -> RegisterLook {
    match register.set_if(version, record.as_bytes(), AMPLE).unwrap() {
        SetResult::Refused(look) => look,
        SetResult::Written(look) => panic!("written: {look:?}"),
    }
}

fn text(look: &RegisterLook) -> Option<&str> {
    look.content.as_deref().map(|content| std::str::from_utf8(content).unwrap())
}

/// The error is of this kind, shows no password, and came in time.
#[track_caller]
fn fails(kind: EngineErrorKind, limit: Duration, call: impl FnOnce(Duration) -> Option<EngineError>) -> String {
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
fn look_fails(kind: EngineErrorKind, url: &str) -> String {
    let mut register = register(url);
    fails(kind, AMPLE, |limit| register.read(limit).err())
}
