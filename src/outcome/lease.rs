//! How a lease is shown: in a sentence, and as JSON.

use std::time::Duration;

use serde::Serialize;

use super::sentence::shortened;
use crate::base::duration::show;
use crate::base::exit::Exit;
use crate::base::secret::mask;
use crate::journal::leases::{LeaseStage, LeaseStatus, WaitsFor};
use crate::lease::record::{LeaseRecord, how_to_stop};
use crate::platform::user;
use crate::survey::leases::{HolderPlace, KnownLease, SeenLease};

/// What stands on the engines, for `lease`.
#[derive(Debug, Serialize)]
pub struct LeaseOutcome {
    pub host: String,
    /// Each bot that was asked for.
    pub bots: Vec<BotLeaseView>,
}

#[derive(Debug, Serialize)]
pub struct BotLeaseView {
    pub name: String,
    /// `null` if it runs without one.
    pub lease: Option<LeaseView>,
}

impl LeaseOutcome {
    pub fn new(bots: Vec<BotLeaseView>) -> Self {
        Self { host: user::host_name(), bots }
    }

    /// 0, unless an engine did not answer.
    pub fn exit(&self) -> Exit {
        self.bots.iter().find_map(|bot| bot.lease.as_ref()?.unknown).unwrap_or(Exit::Ok)
    }
}

/// A lease.
#[derive(Debug, Clone, Serialize)]
pub struct LeaseView {
    /// `null` if it cannot be told.
    pub name: Option<String>,
    /// The engine's URL, without a password.
    pub engine: String,
    pub state: LeaseStateView,
    /// The number of the grant; it only ever grows.
    pub generation: Option<u64>,
    /// In seconds.
    pub ttl: Option<f64>,
    /// Another number with each renewal: two looks show whether it is renewed.
    pub renewal: Option<u64>,
    /// Since when it is held, or waited for.
    pub since: Option<String>,
    /// Whoever holds it, as far as that is known.
    pub holder: Option<LeaseHolderView>,
    /// Only if an `acquire` on this host holds it, or waits for it.
    pub here: Option<LeaseHereView>,
    /// Why it is not known.
    pub why: Option<String>,
    /// What to type about that.
    #[serde(skip)]
    pub hints: Vec<String>,
    #[serde(skip)]
    pub unknown: Option<Exit>,
    /// What it waits for, where that is no host.
    #[serde(skip)]
    waits_for: Option<WaitsFor>,
    /// Whether the record is of this host and this lock, whose process says nothing any more.
    #[serde(skip)]
    pub is_own: bool,
}

/// Whoever holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeaseHolderView {
    pub host: String,
    /// The `acquire` there.
    pub pid: i32,
    /// Its COMMAND, tokens masked.
    pub command: String,
    /// What started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// What only the `acquire` on this host knows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeaseHereView {
    /// That `acquire`.
    pub pid: i32,
    /// How much of the grant is left, in seconds; `null` if there is none.
    pub left: Option<f64>,
    /// How long ago the last renewal was, in seconds.
    pub renewed_ago: Option<f64>,
    pub renewals: u64,
    /// How many calls to the engine failed.
    pub failures: u64,
    /// The longest time between two renewals, in seconds.
    pub longest_gap: f64,
}

/// How a lease stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaseStateView {
    HeldHere,
    /// It is lost or to be given back, and its bot is being stopped.
    StoppingHere,
    WaitingHere,
    /// The record says so; whether its holder lives, one look cannot tell.
    Held,
    Released,
    Absent,
    /// Something else stands there.
    Foreign,
    Unreachable,
    /// The settings do not say which lease it is.
    Unusable,
}

impl LeaseView {
    pub fn of(lease: &KnownLease) -> Self {
        let empty = Self {
            name: lease.name.clone(),
            engine: lease.engine.clone(),
            state: LeaseStateView::Absent,
            generation: None,
            ttl: lease.ttl.map(|ttl| ttl.as_secs_f64()),
            renewal: None,
            since: None,
            holder: None,
            here: None,
            why: None,
            hints: Vec::new(),
            unknown: lease.seen.unknown(),
            waits_for: None,
            is_own: false,
        };
        match &lease.seen {
            SeenLease::Here(status) if status.state == LeaseStage::Stopping => {
                Self { state: LeaseStateView::StoppingHere, ..empty.with_status(status) }
            }
            SeenLease::Here(status) => Self { state: LeaseStateView::HeldHere, ..empty.with_status(status) },
            SeenLease::WaitingHere(status) => Self { state: LeaseStateView::WaitingHere, ..empty.with_status(status) },
            SeenLease::Held { record, place } => Self {
                state: LeaseStateView::Held,
                is_own: *place == HolderPlace::ThisLock,
                ..empty.with_record(record)
            },
            SeenLease::Released(record) => Self { state: LeaseStateView::Released, ..empty.with_record(record) },
            SeenLease::Absent => empty,
            SeenLease::Foreign => Self { state: LeaseStateView::Foreign, ..empty },
            SeenLease::Unreachable(error) => Self {
                state: LeaseStateView::Unreachable,
                why: Some(mask(&error.message).into_owned()),
                hints: error.hints.clone(),
                ..empty
            },
            SeenLease::Unusable { why, .. } => {
                Self { state: LeaseStateView::Unusable, why: Some(mask(why).into_owned()), ..empty }
            }
        }
    }

    fn with_status(self, status: &LeaseStatus) -> Self {
        let seconds = |time: Option<Duration>| time.map(|time| rounded(time.as_secs_f64()));
        let here = LeaseHereView {
            pid: status.pid(),
            left: seconds(status.left()),
            renewed_ago: seconds(status.renewed_ago()),
            renewals: status.renewals,
            failures: status.failures,
            longest_gap: rounded(status.longest_gap.as_secs_f64()),
        };
        let holder = match &status.waits_for {
            Some(WaitsFor::Holder { host, pid, command, .. }) => {
                Some(LeaseHolderView { host: host.clone(), pid: *pid, command: command.clone(), origin: None })
            }
            _ => None,
        };
        Self {
            generation: Some(status.generation).filter(|generation| *generation > 0),
            ttl: Some(status.ttl.as_secs_f64()),
            since: Some(status.since.to_string()),
            holder,
            here: Some(here),
            waits_for: status.waits_for.clone(),
            ..self
        }
    }

    fn with_record(self, record: &LeaseRecord) -> Self {
        let by = &record.by;
        Self {
            generation: Some(record.grant.generation),
            renewal: Some(record.grant.renewal),
            ttl: Some(record.grant.ttl().as_secs_f64()),
            since: Some(mask(&by.since).into_owned()),
            holder: Some(LeaseHolderView {
                host: mask(&by.host).into_owned(),
                pid: by.pid,
                command: mask(&by.command).into_owned(),
                origin: by.origin.as_deref().map(|origin| mask(origin).into_owned()),
            }),
            ..self
        }
    }

    /// Which lease it is: `lease 123456 on redis://10.0.0.5/0`.
    pub fn label(&self) -> String {
        let name = self.name.as_deref().map_or_else(String::new, |name| format!(" {name}"));
        format!("lease{name} on {}", self.engine)
    }

    /// How it stands, without which lease it is.
    pub fn sentence(&self) -> String {
        let generation = self.generation.map_or_else(String::new, |number| format!(", generation {number}"));
        match self.state {
            LeaseStateView::HeldHere => format!("held here{generation}{}", self.grant()),
            LeaseStateView::StoppingHere => format!("held here{generation}{}; its bot is being stopped", self.grant()),
            LeaseStateView::WaitingHere => format!("waiting here{}: {}", self.pid_here(), self.waited_for()),
            LeaseStateView::Held => format!("held by {}{generation}; {}", self.by(), self.end()),
            LeaseStateView::Released => format!("free: {} has released it{generation}", self.by()),
            LeaseStateView::Absent => {
                format!("free: there is no record; the first start waits {}, to be sure", self.shown_ttl())
            }
            LeaseStateView::Foreign => {
                "unknown: something that is no lease of solobot's stands there; it is not overwritten while it changes"
                    .into()
            }
            LeaseStateView::Unreachable => format!("unknown: {}", self.why.as_deref().unwrap_or("no answer")),
            LeaseStateView::Unusable => self.why.clone().unwrap_or_default(),
        }
    }

    /// Why nobody may start the bot here now; `None` if nothing of the lease speaks against it.
    pub fn objection(&self) -> Option<String> {
        let label = self.label();
        match self.state {
            // Then the lock is held too, and its instance is what is said.
            LeaseStateView::HeldHere | LeaseStateView::Released | LeaseStateView::Absent => None,
            LeaseStateView::Held if self.is_own => None,
            LeaseStateView::Unreachable | LeaseStateView::Unusable => {
                let hints = self.hints.iter().map(|hint| format!("; {hint}"));
                let why = self.why.as_deref().unwrap_or("no answer");
                Some(format!("cannot tell about {label}: {why}{}", hints.collect::<String>()))
            }
            _ => Some(format!("{label} is {}", self.sentence())),
        }
    }

    /// Whose it is: host, PID, command, since.
    pub fn by(&self) -> String {
        let Some(holder) = &self.holder else { return "nobody known".into() };
        let since = self.since.as_deref().filter(|_| self.here.is_none());
        let since = since.map_or_else(String::new, |since| format!(", since {since}"));
        let origin = holder.origin.as_deref().map_or_else(String::new, |origin| format!(", origin {origin}"));
        format!("{}, PID {} ({}){since}{origin}", holder.host, holder.pid, shortened(&holder.command))
    }

    /// When it ends by itself.
    pub fn end(&self) -> String {
        format!(
            "if that host is dead, it ends by itself within {} of its last renewal, which one look cannot tell",
            self.shown_ttl()
        )
    }

    /// What stops its holder.
    pub fn stop_there(&self, bot: &str) -> Option<String> {
        Some(how_to_stop(&self.holder.as_ref()?.host, Some(bot)))
    }

    fn shown_ttl(&self) -> String {
        self.ttl.and_then(|ttl| Duration::try_from_secs_f64(ttl).ok()).map_or_else(|| "one TTL".into(), show)
    }

    fn grant(&self) -> String {
        let Some(here) = &self.here else { return String::new() };
        let shown = |seconds: f64| show(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        let left = here.left.map_or_else(|| ", nothing left".into(), |left| format!(", {} left", shown(left)));
        let renewed = here.renewed_ago.map_or_else(String::new, |ago| format!(", renewed {} ago", shown(ago)));
        left + &renewed
    }

    fn pid_here(&self) -> String {
        self.here.as_ref().map_or_else(String::new, |here| format!(" as PID {}", here.pid))
    }

    fn waited_for(&self) -> String {
        match &self.waits_for {
            Some(WaitsFor::Holder { since, unchanged, .. }) => {
                let since = if since.is_empty() { String::new() } else { format!(", since {}", mask(since)) };
                format!("{} holds it{since}; not renewed for {}", self.by(), show(*unchanged))
            }
            Some(WaitsFor::FirstUse) => {
                format!("there is no record, so it watches for {} that nobody writes one", self.shown_ttl())
            }
            Some(WaitsFor::Foreign) => "something that is no lease of solobot's stands there".into(),
            Some(WaitsFor::Engine { why }) => format!("the engine does not answer: {}", mask(why)),
            None => "it has just begun to look".into(),
        }
    }
}

/// To a tenth: more is not known when it is read.
fn rounded(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::engine::{EngineError, EngineErrorKind};
    use crate::lease::record::GrantState;
    use crate::survey::leases::testing::{held, lease, record};

    fn status(state: LeaseStage, waits_for: Option<WaitsFor>) -> KnownLease {
        let lock = std::path::Path::new("/l");
        let mut status = LeaseStatus::waiting("123456", "redis://h/0", lock, Duration::from_mins(1)).unwrap();
        let up = crate::platform::clock::uptime().whole;
        if state != LeaseStage::Waiting {
            status.generation = 7;
            status.deadline = Some(up + Duration::from_millis(48_900));
            status.renewed = Some(up.saturating_sub(Duration::from_millis(3100)));
        }
        (status.state, status.waits_for) = (state, waits_for);
        KnownLease::of_status(status)
    }

    fn said(lease: &KnownLease) -> (String, Option<String>) {
        let view = LeaseView::of(lease);
        (view.sentence(), view.objection())
    }

    #[test]
    fn a_lease_that_is_held_or_waited_for_here() {
        let (sentence, objection) = said(&status(LeaseStage::Held, None));
        assert!(sentence.starts_with("held here, generation 7, 48s left, renewed 3.1s ago"), "{sentence}");
        assert_eq!(objection, None, "its instance, or the lock, says so");
        let (_, objection) = said(&status(LeaseStage::Stopping, None));
        assert!(objection.unwrap().ends_with("its bot is being stopped"));
        let own = std::process::id();
        let holder = WaitsFor::Holder {
            host: "vps".into(),
            pid: 7,
            command: "python3 bot.py".into(),
            since: "2026-01-10T15:27:14Z".into(),
            unchanged: Duration::from_secs(4),
        };
        let (sentence, objection) = said(&status(LeaseStage::Waiting, Some(holder)));
        let expected = format!(
            "waiting here as PID {own}: vps, PID 7 (python3 bot.py) holds it, since 2026-01-10T15:27:14Z; not renewed for 4s"
        );
        assert_eq!(sentence, expected);
        assert_eq!(objection, Some(format!("lease 123456 on redis://h/0 is {expected}")));
        for (waits_for, part) in [
            (WaitsFor::FirstUse, "watches for 1m that nobody"),
            (WaitsFor::Foreign, "no lease of solobot's"),
            (WaitsFor::Engine { why: "timed out".into() }, "does not answer: timed out"),
        ] {
            let (sentence, objection) = said(&status(LeaseStage::Waiting, Some(waits_for)));
            assert!(sentence.contains(part) && objection.is_some(), "{sentence}");
        }
    }

    #[test]
    fn a_lease_of_another_host() {
        let (sentence, objection) = said(&held("vps"));
        let by = "held by vps, PID 77 (python3 bot.py), since 2026-01-10T15:27:14Z, origin systemd unit bot.service";
        assert!(sentence.starts_with(by) && sentence.contains("within 1m of its last renewal"), "{sentence}");
        assert!(objection.is_some());
        let stop = LeaseView::of(&held("my vps")).stop_there("main");
        assert_eq!(stop.as_deref(), Some("to stop it there: ssh 'my vps' solobot stop main"));
        let own =
            lease(SeenLease::Held { record: Box::new(record("here", GrantState::Held)), place: HolderPlace::ThisLock });
        assert_eq!(said(&own).1, None, "whoever holds the lock may claim it");
    }

    #[test]
    fn a_lease_that_is_free_or_not_known() {
        let (sentence, objection) = said(&lease(SeenLease::Released(Box::new(record("vps", GrantState::Released)))));
        assert!(sentence.starts_with("free: vps, PID 77") && objection.is_none(), "{sentence}");
        assert_eq!(said(&lease(SeenLease::Absent)).1, None);
        assert!(said(&lease(SeenLease::Foreign)).1.is_some());
        let error = EngineError {
            kind: EngineErrorKind::Unreachable,
            message: "no answer within 3s".into(),
            hints: vec!["to try it: redis-cli -h h ping".into()],
        };
        let view = LeaseView::of(&lease(SeenLease::Unreachable(error)));
        assert_eq!(
            view.objection().unwrap(),
            "cannot tell about lease 123456 on redis://h/0: no answer within 3s; to try it: redis-cli -h h ping"
        );
        assert_eq!(view.unknown, Some(Exit::Unavailable));
    }

    #[test]
    fn no_token_is_shown() {
        let token = format!("{}:{}", 123_456_789, "A".repeat(35));
        let mut theirs = record(&token, GrantState::Held);
        let by = crate::lease::record::LeaseHolder {
            command: token.clone(),
            since: token.clone(),
            origin: Some(token.clone()),
            ..(*theirs.by).clone()
        };
        theirs.by = std::sync::Arc::new(by);
        let view = LeaseView::of(&lease(SeenLease::Held { record: Box::new(theirs), place: HolderPlace::Elsewhere }));
        let shown = format!("{} {}", view.sentence(), serde_json::to_string(&view).unwrap());
        assert!(!shown.contains("AAAA"), "{shown}");
    }
}
