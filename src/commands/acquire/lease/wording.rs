//! What a wait or a loss means to people and in the status: values from values.

use std::time::Duration;

use crate::journal::leases::WaitsFor;
use crate::lease::engine::EngineError;
use crate::lease::renewer::clocks;
use crate::lease::step::{LossReason, WaitReason};
use crate::outcome::lease_notice::{LostLease, WaitingFor};

/// Whether there is nothing new to say: each renewal changes the record.
pub fn is_same_wait(before: &WaitReason, now: &WaitReason) -> bool {
    match (before, now) {
        (WaitReason::Holder { record: before, .. }, WaitReason::Holder { record: now, .. }) => {
            (&before.grant.holder, before.grant.generation) == (&now.grant.holder, now.grant.generation)
        }
        (WaitReason::EngineAway(before), WaitReason::EngineAway(now)) => before == now,
        (before, now) => std::mem::discriminant(before) == std::mem::discriminant(now),
    }
}

/// For people; `own`: our name in a record, `failure`: the engine's last words. `None`: there are none yet.
pub fn waiting_for(reason: &WaitReason, own: &str, failure: Option<&EngineError>) -> Option<WaitingFor> {
    let now = clocks().boot;
    // No time that is too short.
    let free_in = |until: Duration| Duration::from_secs(until.saturating_sub(now).as_secs() + 1);
    Some(match reason {
        WaitReason::Holder { record, watched } if record.grant.holder == own => {
            WaitingFor::Own { free_in: free_in(watched.until) }
        }
        WaitReason::Holder { record, watched } | WaitReason::OtherServer { record, watched } => {
            WaitingFor::Holder { record: record.clone(), free_in: free_in(watched.until) }
        }
        WaitReason::FirstUse { watched } => WaitingFor::Unused { free_in: free_in(watched.until) },
        WaitReason::Foreign { watched } => WaitingFor::Foreign { free_in: free_in(watched.until) },
        WaitReason::EngineAway(_) => {
            let error = failure?;
            WaitingFor::Engine { why: error.to_string(), hints: error.hints.clone() }
        }
    })
}

/// For the status, which is read later.
pub fn waits_for(reason: &WaitReason, failure: Option<&EngineError>) -> Option<WaitsFor> {
    Some(match reason {
        WaitReason::Holder { record, watched } | WaitReason::OtherServer { record, watched } => WaitsFor::Holder {
            host: record.by.host.clone(),
            pid: record.by.pid,
            command: record.by.command.clone(),
            since: record.by.since.clone(),
            unchanged: clocks().boot.saturating_sub(watched.since),
        },
        WaitReason::FirstUse { .. } => WaitsFor::FirstUse,
        WaitReason::Foreign { .. } => WaitsFor::Foreign,
        WaitReason::EngineAway(_) => WaitsFor::Engine { why: failure?.to_string() },
    })
}

pub fn lost_lease(reason: &LossReason, failure: Option<&EngineError>) -> LostLease {
    match reason {
        LossReason::Silence => LostLease::Silence { why: failure.map(ToString::to_string) },
        LossReason::Another(record) => LostLease::Another(record.clone()),
    }
}
