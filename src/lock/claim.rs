//! What a file says about a process, and whether that process is still there: the text of a lock file, its owner record, or
//! the JSON that a program writes into a lock file of its own.

use std::time::{Duration, SystemTime};

use super::author::Author;
use super::file::LockFile;
use super::orphan::is_here;
use super::owner::{FoundRecord, OwnerRecord};
use super::text::LockText;
use crate::base::error::plain;
use crate::platform::filesystem::{FileStatus, read_at};
use crate::platform::identity::{self, Identity};

/// By how much the start of a process may seem to be later than a file that it wrote, because clock ticks and file times
/// are rounded.
const ROUNDING: Duration = Duration::from_secs(2);

/// Why a lock is stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stale {
    /// The recorded process has ended.
    Gone(i64),
    /// Another process has the recorded PID now.
    Reused(i64),
    /// It was recorded before the last reboot.
    OtherBoot(i64),
    /// It was recorded in another PID namespace or on another host, whose PIDs mean nothing here.
    Elsewhere(i64),
    /// The number in the file cannot be a PID.
    Impossible,
    /// Another user may have written it about a process of someone else.
    Unproved(i64),
}

impl std::fmt::Display for Stale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gone(pid) => write!(f, "PID {pid} has ended"),
            Self::Reused(pid) => write!(f, "PID {pid} is another process now"),
            Self::OtherBoot(pid) => write!(f, "PID {pid} was recorded before the last reboot"),
            Self::Elsewhere(pid) => write!(f, "PID {pid} was recorded in another container or on another host"),
            Self::Impossible => write!(f, "the number in it is not a PID"),
            Self::Unproved(pid) => write!(f, "it names PID {pid}, but another user may have written that"),
        }
    }
}

/// A process that claims the lock, or why its claim is void.
pub type Claim = Result<Identity, Stale>;

pub fn of_text(lock: &LockFile, text: LockText) -> Option<Claim> {
    match (text, text.pid()) {
        (LockText::Empty | LockText::Foreign, _) => None,
        (LockText::Pid(_), None) => Some(Err(Stale::Impossible)),
        (LockText::Pid(_), Some(pid)) => {
            let meta = FileStatus::of_open(lock.file()).ok();
            let claim = judge_bare(pid, meta.as_ref().and_then(|meta| meta.modified().ok()));
            let is_believed = meta.is_some_and(|meta| Author::of(lock.path(), &meta).may_speak_of(pid));
            Some(claim.and_then(|process| if is_believed { Ok(process) } else { Err(Stale::Unproved(pid.into())) }))
        }
    }
}

pub fn of_record(found: &FoundRecord) -> Option<Claim> {
    let claim = claim_in(found.record()?);
    let is_believed = |process: &Identity| found.may_speak_of(process.pid);
    Some(claim.and_then(|one| if is_believed(&one) { Ok(one) } else { Err(Stale::Unproved(one.pid.into())) }))
}

fn claim_in(record: &OwnerRecord) -> Claim {
    let Ok(pid) = i32::try_from(record.pid) else { return Err(Stale::Impossible) };
    let Some(details) = &record.details else {
        let written = Duration::try_from_secs_f64(record.timestamp).ok();
        return judge_bare(pid, written.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since)));
    };
    if identity::boot_id().is_some_and(|boot| boot != details.boot_id) {
        return Err(Stale::OtherBoot(record.pid));
    }
    if !is_here(details) {
        return Err(Stale::Elsewhere(record.pid));
    }
    let recorded = Identity { pid, start_ticks: details.start_ticks };
    match Identity::of(pid) {
        None => Err(Stale::Gone(record.pid)),
        Some(present) if present == recorded => Ok(present),
        Some(_) => Err(Stale::Reused(record.pid)),
    }
}

/// A PID without start ticks, noted at `written`: alive, unless the process that has it now started later than that.
/// PID 1 of the host is not a bot: the number was noted in a container, where it may be one.
pub fn judge_bare(pid: i32, written: Option<SystemTime>) -> Claim {
    let Some(present) = Identity::of(pid) else { return Err(Stale::Gone(pid.into())) };
    if pid == 1 && identity::is_initial_pid_namespace() {
        return Err(Stale::Elsewhere(1));
    }
    let reused = match (present.earliest_start(), written) {
        (Some(started), Some(written)) => started > written + ROUNDING,
        _ => false,
    };
    if reused { Err(Stale::Reused(pid.into())) } else { Ok(present) }
}

/// The largest such file that is read, in bytes.
const LARGEST: usize = 64 * 1024;
/// The start time of the process, in clock ticks since boot, as one program or the other calls it.
const STARTS: [&str; 2] = ["start_time", "startTime"];

/// What the JSON of a program's own lock says.
///
/// # Errors
/// Why it says nothing, in a few words.
pub fn of_json(lock: &LockFile) -> Result<Claim, String> {
    let mut bytes = vec![0; LARGEST + 1];
    let file = lock.text_file().ok_or("it is locked for reading too")?;
    let length = read_at(file, &mut bytes, 0).map_err(|error| plain(&error))?;
    if length > LARGEST {
        return Err(format!("it is longer than {} KiB, too long for a lock", LARGEST / 1024));
    }
    let (pid, start) = parse(&bytes[..length])?;
    let Some(pid) = i32::try_from(pid).ok().filter(|&pid| pid > 0) else { return Ok(Err(Stale::Impossible)) };
    let meta = FileStatus::of_open(lock.file()).ok();
    // A start time says more than the time of the file, which a wall clock that was set makes wrong.
    let written = meta.as_ref().filter(|_| start.is_none()).and_then(|meta| meta.modified().ok());
    let claim = judge_bare(pid, written).and_then(|process| match start {
        Some(start) if start != process.start_ticks => Err(Stale::Reused(pid.into())),
        _ => Ok(process),
    });
    let is_believed = meta.is_some_and(|meta| Author::of(lock.path(), &meta).may_speak_of(pid));
    Ok(claim.and_then(|process| if is_believed { Ok(process) } else { Err(Stale::Unproved(pid.into())) }))
}

/// The PID, and the start time where it has one. These programs take a PID in quotes too.
fn parse(text: &[u8]) -> Result<(i64, Option<u64>), String> {
    let value: serde_json::Value =
        serde_json::from_slice(text).map_err(|_| "it is not JSON, or only a part of it".to_owned())?;
    let pid = value.get("pid").ok_or("it names no PID")?;
    let number = pid.as_i64().or_else(|| pid.as_str()?.trim().parse().ok()).ok_or("its PID is not a number")?;
    Ok((number, STARTS.iter().find_map(|name| value.get(name)?.as_u64())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_and_the_start_of_it() {
        for (text, read) in [
            (r#"{"pid": 7}"#, Ok((7, None))),
            (r#"{"pid": 7, "start_time": 42, "kind": "x"}"#, Ok((7, Some(42)))),
            (r#"{"pid": 7, "startTime": 42}"#, Ok((7, Some(42)))),
            (r#"{"pid": 7, "start_time": null}"#, Ok((7, None))),
            (r#"{"pid": "7"}"#, Ok((7, None))),
            (r#"{"pid": -7}"#, Ok((-7, None))),
            (r#"{"pid": true}"#, Err("its PID is not a number")),
            (r#"{"pid": "seven"}"#, Err("its PID is not a number")),
            (r#"{"pid": 1e99}"#, Err("its PID is not a number")),
            (r#"{"pod": 7}"#, Err("it names no PID")),
            ("[7]", Err("it names no PID")),
            (r#"{"pid": 7"#, Err("it is not JSON, or only a part of it")),
            ("\u{0}\u{0}", Err("it is not JSON, or only a part of it")),
        ] {
            assert_eq!(parse(text.as_bytes()), read.map_err(str::to_owned), "{text}");
        }
    }
}
