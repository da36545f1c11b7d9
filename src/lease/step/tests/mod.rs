//! Each rule in a few lines: what is told, what is answered. TTL 60 s, grace 10 s: a look each second, a call at most 3 s, a renewal
//! each 10 s, TERM at 38 s, KILL at 48 s.

mod candidates;
mod engine_errors;
mod guardians;
mod holders;
mod stops;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::lease::engine::{EngineErrorKind, RegisterLook, SetResult, Version};
use crate::lease::record::{Grant, GrantState, LeaseHolder, LeaseRecord};

const TTL: Duration = Duration::from_mins(1);

fn secs(secs: f64) -> Duration {
    Duration::from_secs_f64(secs)
}

fn by(host: &str) -> LeaseHolder {
    LeaseHolder {
        name: "42".into(),
        bot_id: Some("42".into()),
        host: host.into(),
        boot_id: format!("boot-{host}"),
        lock: (1, 2),
        pid: 7,
        command: "bot".into(),
        since: "2026-01-01T00:00:00Z".into(),
        origin: None,
    }
}

/// A record of holder `x` on host `b`, of generation 5, written on server `s`.
fn record() -> LeaseRecord {
    let grant = Grant {
        holder: "x".into(),
        generation: 5,
        renewal: 3,
        ttl_ms: 60_000,
        state: GrantState::Held,
        server: Some("s".into()),
    };
    LeaseRecord::new(grant, Arc::new(by("b")))
}

fn changed(change: impl FnOnce(&mut Grant)) -> LeaseRecord {
    let mut record = record();
    change(&mut record.grant);
    record
}

fn released() -> LeaseRecord {
    changed(|grant| grant.state = GrantState::Released)
}

fn bytes_on(server: &str, content: Option<&[u8]>) -> RegisterLook {
    let mut version = server.as_bytes().to_vec();
    version.extend(content.unwrap_or_default());
    RegisterLook { content: content.map(<[u8]>::to_vec), version: Version(version), server: server.into() }
}

fn on(server: &str, record: &LeaseRecord) -> RegisterLook {
    bytes_on(server, Some(&record.encode()))
}

/// The acquire of host `a`, and the clock.
struct Bench {
    state: LeaseState,
    now: f64,
    /// `CLOCK_REALTIME` is so far ahead.
    ahead: f64,
    /// When the call in flight was sent.
    sent: f64,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut LeaseHolder)) -> Self {
        let mut holder = by("a");
        change(&mut holder);
        let times = LeaseTimes::new(TTL, secs(10.0)).unwrap();
        let state = LeaseState::new(Arc::new(Candidacy { times, holder: "me".into(), by: Arc::new(holder) }));
        Self { state, now: 100.0, ahead: 1000.0, sent: 0.0 }
    }

    fn tell(&mut self, event: &LeaseEvent) -> Vec<LeaseAction> {
        let clock = ClockReading { boot: secs(self.now), real: secs(self.now + self.ahead) };
        let (state, actions) = self.state.clone().step(event, clock);
        self.state = state;
        let calls = actions.iter().filter(|action| matches!(action, LeaseAction::Look | LeaseAction::Write { .. }));
        match calls.count() {
            0 => {}
            1 => self.sent = self.now,
            _ => panic!("two calls at once: {actions:?}"),
        }
        actions
    }

    fn tick_at(&mut self, now: f64) -> Vec<LeaseAction> {
        self.now = now;
        self.tell(&LeaseEvent::Tick)
    }

    fn answer(&mut self, came: Result<EngineSaid, EngineErrorKind>) -> Vec<LeaseAction> {
        let answer = EngineAnswer { sent: secs(self.sent), came };
        self.tell(&LeaseEvent::Answer(answer))
    }

    fn sees(&mut self, look: RegisterLook) -> Vec<LeaseAction> {
        self.answer(Ok(EngineSaid::Look(look)))
    }

    fn refused(&mut self, look: RegisterLook) -> Vec<LeaseAction> {
        self.answer(Ok(EngineSaid::Set(SetResult::Refused(look))))
    }

    fn written(&mut self, server: &str, record: &LeaseRecord) -> Vec<LeaseAction> {
        self.answer(Ok(EngineSaid::Set(SetResult::Written(on(server, record)))))
    }

    fn hears_nothing(&mut self) -> Vec<LeaseAction> {
        self.answer(Err(EngineErrorKind::Unreachable))
    }

    /// Looks as soon as it may, and sees this.
    fn looks(&mut self, look: RegisterLook) -> Vec<LeaseAction> {
        let wake = self.state.wake().unwrap().as_secs_f64();
        assert_eq!(self.tick_at(self.now.max(wake)), [LeaseAction::Look]);
        self.sees(look)
    }

    /// Claims a released lease at 100 s; the record that it wrote.
    fn holder() -> (Self, LeaseRecord) {
        let mut bench = Self::new();
        let claim = written(&bench.looks(on("s", &released())));
        bench.written("s", &claim);
        (bench, claim)
    }

    /// The same with its bot started.
    fn running() -> (Self, LeaseRecord) {
        let (mut bench, claim) = Self::holder();
        let started = bench.tell(&LeaseEvent::Guarded);
        assert_eq!(started, [LeaseAction::Start { generation: claim.grant.generation }]);
        assert_eq!(bench.tell(&LeaseEvent::Started), []);
        (bench, claim)
    }
}

/// The record that is to be written.
#[track_caller]
fn written(actions: &[LeaseAction]) -> LeaseRecord {
    let found = actions.iter().find_map(|action| match action {
        LeaseAction::Write { record, .. } => Some(record.clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("nothing is written: {actions:?}"))
}

#[track_caller]
fn is_claim(actions: &[LeaseAction]) -> bool {
    actions
        .iter()
        .any(|action| matches!(action, LeaseAction::Write { record, .. } if record.grant.state == GrantState::Held))
}

fn deadline(acknowledged: f64) -> LeaseAction {
    LeaseAction::Deadline(LeaseDeadline { term_at: secs(acknowledged + 38.0), kill_at: secs(acknowledged + 48.0) })
}

#[test]
fn two_fifths_of_the_ttl_are_left_before_term() {
    for (grace, is_enough) in [(0.0, true), (24.0, true), (24.1, false), (48.0, false), (50.0, false)] {
        assert_eq!(LeaseTimes::new(TTL, secs(grace)).is_some(), is_enough, "{grace}");
    }
}
