//! Orphans: bots whose own solobot is dead. They are the only ones that `--takeover=orphan` stops.
//!
//! The owner record tells, if it is about the lock that the dead solobot took. If the bot has replaced the record (because
//! it took the lock itself) or the record was removed, the environment that solobot gave to COMMAND tells. Both may be out of
//! date: a record stays until the next solobot, and terminals and managers that COMMAND started pass its environment on. If
//! it is not certain, a bot is not an orphan. Not promised: an orphan without a record is not recognised if it has wiped its
//! environment, belongs to another user, or was started in its own process group.

use std::path::{Path, PathBuf};

use super::carriers;
use super::file::LockFile;
use super::owner::{FoundRecord, OwnerDetails, OwnerRecord};
use super::text::LockText;
use crate::base::env;
use crate::platform::identity::{self, Identity, Stat};
use crate::platform::proc::{self, Handle};
use crate::platform::user;
use crate::platform::words::os_str;

/// Whether the lock was taken for a COMMAND by a solobot that is dead now, and only that COMMAND's processes hold it.
pub fn is_orphaned(lock: &LockFile, record: &FoundRecord, holders: &[Identity]) -> bool {
    let is_abandoned = |details: &OwnerDetails| is_here(details) && !details.holder().is_alive();
    match record.details() {
        _ if holders.is_empty() => false,
        // Whom the record names tends the lock, or cannot be judged from here.
        Some(details) if !is_abandoned(details) => false,
        Some(details) if is_recorded(lock, record, details, holders) => true,
        _ => holders.iter().all(|&holder| has_outlived_its_solobot(holder, lock.path())),
    }
}

/// COMMAND's PID is in the text before it is in the record.
fn is_recorded(lock: &LockFile, record: &FoundRecord, details: &OwnerDetails, holders: &[Identity]) -> bool {
    let is_apart = |pid: i64| pid != i64::from(details.holder_pid);
    let named = lock.read_text().ok().and_then(LockText::pid);
    let passed_on = named.is_some_and(|pid| is_apart(pid.into()) && holders.iter().any(|holder| holder.pid == pid));
    let apart = record.record().is_some_and(|record| is_apart(record.pid)) || passed_on;
    apart && holders.iter().any(|&holder| is_heir(holder, lock, record, details, holders))
}

/// Whether the dead solobot of the record called for the lock that this process has now: whoever came later called for it
/// himself. In a PID namespace the kernel calls all dead callers 0, and macOS names no caller, so there the process must be
/// known too.
fn is_heir(
    process: Identity,
    lock: &LockFile,
    record: &FoundRecord,
    details: &OwnerDetails,
    holders: &[Identity],
) -> bool {
    match carriers::flock_of(lock, process).map(|one| one.caller) {
        Some(Some(0) | None) => {
            let was_given =
                |(path, holder): (PathBuf, i32)| holder == details.holder_pid && is_same(&path, lock.path());
            record.record().and_then(OwnerRecord::process) == Some(process)
                || environment_of(process.pid).is_some_and(was_given)
        }
        Some(Some(caller)) => caller == details.holder_pid && !holders.iter().any(|holder| holder.pid == caller),
        None => false,
    }
}

/// COMMAND of a solobot that is dead, alive by itself: where it does not share the lock, it runs without one. The record of
/// somebody else says nothing about it.
pub fn abandoned(record: &FoundRecord) -> Option<Identity> {
    let details = record.details()?;
    let is_abandoned = is_here(details) && !details.holder().is_alive();
    let command = record.record()?.process().filter(|command| is_abandoned && command.is_alive())?;
    record.may_speak_of(command.pid).then_some(command)
}

/// Whether the recorded PIDs mean something here: this boot, this host, this PID namespace.
pub fn is_here(details: &OwnerDetails) -> bool {
    identity::boot_id().is_none_or(|boot| boot == details.boot_id)
        && details.host == user::host_name()
        && identity::pid_namespace().is_none_or(|namespace| namespace == details.pid_namespace)
}

/// Whether a process was started under this lock by a solobot that has died since, by its environment. A solobot takes in
/// whatever its COMMAND leaves behind, so it is an ancestor of all of it as long as it lives.
///
/// A shell or a manager that COMMAND has started passes that environment on to whatever is started there later, by hand or
/// by another solobot: what it starts is in a process group of its own, and is not COMMAND's.
pub fn has_outlived_its_solobot(process: Identity, lock: &Path) -> bool {
    let Some(wrote) = environment_of(process.pid) else { return false };
    let (path, holder) = &wrote;
    let lineage: Vec<i32> = identity::lineage(process.pid).collect();
    let group = |pid: i32| Stat::read(pid).and_then(|stat| stat.group);
    let mut kin = lineage.iter().take_while(|&&pid| environment_of(pid).as_ref() == Some(&wrote));
    is_same(path, lock)
        && !lineage.contains(holder)
        && is_numbered_here(process, &lineage, &wrote)
        && kin.all(|&pid| group(pid) == group(process.pid) && !is_solobot(pid))
        && process.is_alive()
}

/// Whether the number of the holder was written in this PID namespace, the only one in which it means something. A process
/// may have come from another one: then its parent cannot be seen, or all here are that COMMAND's, PID 1 included.
fn is_numbered_here(process: Identity, lineage: &[i32], wrote: &(PathBuf, i32)) -> bool {
    let init_has_another = match Handle::open(1).map(|init| init.environ()) {
        Some(Ok(environ)) => started_by(&environ).as_ref() != Some(wrote),
        Some(Err(_)) | None => identity::is_initial_pid_namespace(),
    };
    lineage.last() == Some(&1)
        && init_has_another
        && match identity::pid_namespace() {
            Some(own) => identity::pid_namespace_of(process.pid) == Some(own),
            // There are none.
            None => identity::is_initial_pid_namespace(),
        }
}

/// Whether a process is a solobot or its keeper: never a bot, whatever it has in its environment.
pub fn is_solobot(pid: i32) -> bool {
    proc::name(pid).as_deref() == Some("solobot") || proc::runs_our_file(pid) == Some(true)
}

/// What solobot wrote into the environment of a process; `None` too where that cannot be read.
fn environment_of(pid: i32) -> Option<(PathBuf, i32)> {
    started_by(&Handle::open(pid)?.environ().ok()?)
}

/// The lock and the PID that solobot wrote into that environment.
fn started_by(environ: &[u8]) -> Option<(PathBuf, i32)> {
    let value = |name: &str| {
        let mut entries = environ.split(|&byte| byte == 0);
        entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    };
    let holder = std::str::from_utf8(value(env::HOLDER_PID)?).ok()?.parse().ok().filter(|&pid| pid > 0)?;
    Some((Path::new(os_str(value(env::LOCK)?)).to_owned(), holder))
}

fn is_same(one: &Path, other: &Path) -> bool {
    resolved(one) == resolved(other)
}

/// The path as the kernel shows it: without links in its folders.
pub fn resolved(path: &Path) -> PathBuf {
    match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_solobot_wrote_into_an_environment() {
        let wrote = b"PATH=/bin\0SOLOBOT_LOCK=/tmp/a b.lock\0SOLOBOT_HOLDER_PID=42\0";
        assert_eq!(started_by(wrote), Some(("/tmp/a b.lock".into(), 42)));
        for odd in [&b""[..], b"SOLOBOT_LOCK=/l", b"SOLOBOT_HOLDER_PID=42", b"SOLOBOT_LOCK=/l\0SOLOBOT_HOLDER_PID=-1"] {
            assert_eq!(started_by(odd), None);
        }
    }

    #[test]
    fn we_are_nobodys_orphan() {
        assert!(!has_outlived_its_solobot(Identity::own().unwrap(), Path::new("/tmp/l")));
    }
}
