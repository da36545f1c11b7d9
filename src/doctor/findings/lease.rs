//! The lease: who holds it, whether it was lost, and what may become of it on its engine.

use std::time::Duration;

use super::super::finding::{Finding, Level};
use crate::base::duration::show;
use crate::base::finding_code::Code;
use crate::journal::leases::{LeaseStatus, WaitsFor};
use crate::lease::record::{LeaseRecord, how_to_stop};
use crate::survey::evidence::facts::{Facts, SeenInstance};
use crate::survey::leases::{HolderPlace, KnownLease, SeenLease};

/// Another host holds it. That is as it should be, unless the bot runs here too.
pub fn elsewhere(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let lease = bot.lease.as_ref()?;
        let (host, evidence) = match &lease.seen {
            SeenLease::Held { place: HolderPlace::ThisLock, .. } => return None,
            SeenLease::Held { record, .. } => (record.by.host.clone(), holder(record)),
            SeenLease::WaitingHere(status) => waited_for(status)?,
            _ => return None,
        };
        let is_second = !bot.instances.is_empty();
        let (level, summary) = if is_second {
            (Level::Error, format!("{} is running here, although {host} holds its lease", bot.name))
        } else {
            (Level::Info, format!("{} runs on {host}, which holds its lease", bot.name))
        };
        let there = how_to_stop(&host, Some(&bot.id));
        let evidence = [format!("{}: {evidence}", label(lease)), there];
        Some(
            Finding::new(Code::LeaseElsewhere, level, summary)
                .shown_by(evidence)
                .shown_by(bot.describe_all(&bot.instances, facts.now))
                .about(bot.instances.iter().map(SeenInstance::pid))
                .fixed_by(bot.solobot("stop").filter(|_| is_second))
                .explored_by(bot.solobot("lease")),
        )
    })
}

/// It was lost not long ago.
pub fn lost(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let count = bot.lost_leases.len();
        let times = if count == 1 { String::new() } else { format!(" {count} times") };
        let summary = format!("{} lost its lease{times} within the last hour, and was stopped", bot.name);
        (count > 0).then(|| {
            Finding::new(Code::LeaseLost, Level::Warning, summary)
                .shown_by(bot.lost_leases.iter().map(|(when, why)| format!("{when}: {why}")))
                .explored_by(bot.solobot("status -v"))
        })
    })
}

/// Its engine does not answer.
pub fn unreachable(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let lease = bot.lease.as_ref()?;
        let (why, hints) = match lease.of_engine()? {
            SeenLease::Unreachable(error) => (error.message.clone(), error.hints.clone()),
            SeenLease::Unusable { why, .. } => (why.clone(), Vec::new()),
            _ => return None,
        };
        let grant = match &lease.seen {
            SeenLease::Here(status) => {
                let left = status.left().map_or_else(|| "nothing".into(), |left| show(seconds(left)));
                Some(format!("{left} is left of the grant here; at its end the bot is stopped"))
            }
            _ => None,
        };
        let summary = format!("nobody knows who holds the lease of {}", bot.name);
        Some(
            Finding::new(Code::EngineUnreachable, Level::Error, summary)
                .shown_by([format!("{}: {why}", label(lease))])
                .shown_by(hints)
                .shown_by(grant)
                .explored_by(bot.solobot("lease")),
        )
    })
}

/// Its engine may lose it.
pub fn forgets(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let lease = bot.lease.as_ref().filter(|lease| !lease.weaknesses.is_empty())?;
        let summary = format!("the engine of the lease of {} may lose it", bot.name);
        Some(
            Finding::new(Code::EngineForgets, Level::Warning, summary)
                .shown_by(lease.weaknesses.iter().map(|one| format!("{}: {}; {}", label(lease), one.what, one.remedy))),
        )
    })
}

/// Another host, or the process here, has another TTL than is configured.
pub fn ttl_differs(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let lease = bot.lease.as_ref()?;
        let own = lease.ttl?;
        let here = match &lease.seen {
            SeenLease::Here(status) | SeenLease::WaitingHere(status) => {
                Some((status.ttl, format!("the acquire that runs here, PID {}", status.pid())))
            }
            _ => None,
        };
        let record = match lease.of_engine() {
            Some(SeenLease::Held { record, .. } | SeenLease::Released(record)) => {
                Some((record.grant.ttl(), format!("{}, in the record", record.by.host)))
            }
            _ => None,
        };
        let others: Vec<String> = [here, record]
            .into_iter()
            .flatten()
            .filter(|(ttl, _)| *ttl != own)
            .map(|(ttl, whose)| format!("{}: {} has a TTL of {}", label(lease), whose, show(ttl)))
            .collect();
        let summary = format!("the TTL of the lease of {} is {} here, and another one elsewhere", bot.name, show(own));
        (!others.is_empty()).then(|| {
            Finding::new(Code::LeaseTtlDiffers, Level::Warning, summary)
                .shown_by(others)
                .explored_by(bot.solobot("lease"))
        })
    })
}

fn label(lease: &KnownLease) -> String {
    let name = lease.name.as_deref().map_or_else(String::new, |name| format!(" {name}"));
    format!("lease{name} on {}", lease.engine)
}

fn holder(record: &LeaseRecord) -> String {
    let by = &record.by;
    format!(
        "held by {}, PID {} ({}), since {}, generation {}",
        by.host, by.pid, by.command, by.since, record.grant.generation
    )
}

fn waited_for(status: &LeaseStatus) -> Option<(String, String)> {
    let Some(WaitsFor::Holder { host, pid, command, since, unchanged }) = &status.waits_for else { return None };
    let unchanged = show(seconds(*unchanged));
    let what = format!("waited for by PID {} here; held by {host}, PID {pid} ({command}), since {since}", status.pid());
    Some((host.clone(), format!("{what}, not renewed for {unchanged}")))
}

fn seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::testing::{levels, say};
    use super::*;
    use crate::base::exit::Exit;
    use crate::journal::leases::LeaseStage;
    use crate::lease::engine::{EngineError, EngineErrorKind, EngineWeakness};
    use crate::lease::record::GrantState;
    use crate::survey::evidence::facts::BotFacts;
    use crate::survey::evidence::testing::{bot, seen};
    use crate::survey::leases::testing::{held, lease, record};

    fn with(lease: KnownLease, instances: Vec<SeenInstance>) -> BotFacts {
        BotFacts { lease: Some(lease), ..bot("main", instances) }
    }

    fn here(state: LeaseStage, waits_for: Option<WaitsFor>) -> KnownLease {
        let status = LeaseStatus::waiting("123456", "redis://h/0", Path::new("/l"), Duration::from_mins(1));
        let mut status = status.unwrap();
        (status.state, status.waits_for) = (state, waits_for);
        KnownLease::of_status(status)
    }

    fn away() -> SeenLease {
        let hints = vec!["to try it: redis-cli ping".into()];
        SeenLease::Unreachable(EngineError { kind: EngineErrorKind::Unreachable, message: "no answer".into(), hints })
    }

    #[test]
    fn the_lease_of_another_host() {
        let found = say(elsewhere, with(held("vps"), vec![]));
        assert_eq!(found, [(Level::Info, vec![], Some("solobot lease main".into()))]);
        let found = say(elsewhere, with(held("vps"), vec![seen(10)]));
        assert_eq!(found, [(Level::Error, vec![10], Some("solobot stop main".into()))]);
        let own = SeenLease::Held { record: Box::new(record("h", GrantState::Held)), place: HolderPlace::ThisLock };
        assert_eq!(levels(elsewhere, with(lease(own), vec![seen(10)])), []);
        let released = SeenLease::Released(Box::new(record("vps", GrantState::Released)));
        for free in [SeenLease::Absent, SeenLease::Foreign, released, away()] {
            assert_eq!(levels(elsewhere, with(lease(free), vec![seen(10)])), []);
        }
        let waits = WaitsFor::Holder {
            host: "vps".into(),
            pid: 7,
            command: "python3 bot.py".into(),
            since: "2026-01-10T15:27:14Z".into(),
            unchanged: Duration::from_secs(3),
        };
        assert_eq!(levels(elsewhere, with(here(LeaseStage::Waiting, Some(waits)), vec![])), [Level::Info]);
        assert_eq!(levels(elsewhere, with(here(LeaseStage::Held, None), vec![seen(10)])), []);
        assert_eq!(levels(elsewhere, bot("main", vec![seen(10)])), [], "no lease");
    }

    #[test]
    fn a_lease_that_was_lost() {
        assert_eq!(levels(lost, bot("main", vec![])), []);
        let time = "2026-01-10T15:27:14Z".parse().unwrap();
        let one = BotFacts { lost_leases: vec![(time, "no answer".into())], ..bot("main", vec![]) };
        assert_eq!(say(lost, one), [(Level::Warning, vec![], Some("solobot status -v main".into()))]);
    }

    #[test]
    fn an_engine_without_an_answer() {
        assert_eq!(levels(unreachable, with(lease(away()), vec![])), [Level::Error]);
        let unusable = SeenLease::Unusable { why: "no name".into(), exit: Exit::Config };
        assert_eq!(levels(unreachable, with(lease(unusable), vec![])), [Level::Error]);
        assert_eq!(levels(unreachable, with(held("vps"), vec![])), []);
        let beside = KnownLease { beside: Some(Box::new(away())), ..here(LeaseStage::Held, None) };
        assert_eq!(levels(unreachable, with(beside, vec![seen(10)])), [Level::Error], "the grant here will end");
        assert_eq!(levels(unreachable, with(here(LeaseStage::Held, None), vec![])), [], "nobody has asked");
    }

    #[test]
    fn an_engine_that_may_forget() {
        assert_eq!(levels(forgets, with(held("vps"), vec![])), []);
        let weakness = EngineWeakness { what: "it keeps nothing on disk".into(), remedy: "set appendonly yes".into() };
        let weak = KnownLease { weaknesses: vec![weakness.clone(), weakness], ..held("vps") };
        assert_eq!(levels(forgets, with(weak, vec![])), [Level::Warning]);
    }

    #[test]
    fn another_ttl() {
        let with_ttl = |lease: KnownLease, seconds| KnownLease { ttl: Some(Duration::from_secs(seconds)), ..lease };
        assert_eq!(levels(ttl_differs, with(with_ttl(held("vps"), 60), vec![])), []);
        assert_eq!(levels(ttl_differs, with(with_ttl(held("vps"), 30), vec![])), [Level::Warning]);
        let own = here(LeaseStage::Held, None);
        assert_eq!(levels(ttl_differs, with(with_ttl(own.clone(), 60), vec![])), []);
        assert_eq!(levels(ttl_differs, with(with_ttl(own.clone(), 30), vec![])), [Level::Warning]);
        assert_eq!(levels(ttl_differs, with(own, vec![])), [], "nothing is configured");
        assert_eq!(levels(ttl_differs, with(with_ttl(lease(SeenLease::Absent), 30), vec![])), []);
    }
}
