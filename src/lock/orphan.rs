//! Bots whose own solobot is dead, which nobody tends any more: the only ones that `--takeover=orphan` stops.
//!
//! The owner record tells it, or, where the bot has replaced that by its own (it took the lock itself) or somebody has
//! removed it, the environment that solobot gave to COMMAND. Not promised: a bot that has wiped its environment, or one of
//! another user, is taken for no orphan without a record.

use std::path::{Path, PathBuf};

use super::file::LockFile;
use super::owner::{Details, Found};
use super::text::Text;
use crate::env;
use crate::platform::user;
use crate::process::identity::{self, Identity};

/// Whether the lock was taken for a COMMAND by a solobot that is dead now, and only that COMMAND's processes hold it.
pub fn is_orphaned(lock: &LockFile, record: &Found, holders: &[Identity]) -> bool {
    let by_record = || record.details().is_some_and(|details| is_recorded(lock, record, details, holders));
    let by_environment = || holders.iter().all(|&holder| has_outlived_its_solobot(holder, lock.path()));
    !holders.is_empty() && (by_record() || by_environment())
}

/// COMMAND's PID is in the text before it is in the record.
fn is_recorded(lock: &LockFile, record: &Found, details: &Details, holders: &[Identity]) -> bool {
    let is_apart = |pid: i64| pid != i64::from(details.holder_pid);
    let named = Text::read(lock.file()).ok().and_then(Text::pid);
    let passed_on = named.is_some_and(|pid| is_apart(pid.into()) && holders.iter().any(|holder| holder.pid == pid));
    let apart = record.record().is_some_and(|record| is_apart(record.pid)) || passed_on;
    apart && is_here(details) && !holder_of(details).is_alive()
}

/// COMMAND of a solobot that is dead, alive by itself: where it does not share the lock, it runs without one.
pub fn abandoned(record: &Found) -> Option<Identity> {
    let details = record.details()?;
    let command = Identity { pid: i32::try_from(record.record()?.pid).ok()?, start_ticks: details.start_ticks };
    (is_here(details) && !holder_of(details).is_alive() && command.is_alive()).then_some(command)
}

fn holder_of(details: &Details) -> Identity {
    Identity { pid: details.holder_pid, start_ticks: details.holder_start_ticks }
}

/// Whether the recorded PIDs mean something here: this boot, this host, this PID namespace.
pub fn is_here(details: &Details) -> bool {
    identity::boot_id().is_none_or(|boot| boot == details.boot_id)
        && details.host == user::host_name()
        && identity::pid_namespace().is_none_or(|namespace| namespace == details.pid_namespace)
}

/// Whether a process was started under this lock by a solobot that has died since, by its environment. A solobot takes in
/// whatever its COMMAND leaves behind, so it is an ancestor of all of it as long as it lives.
pub fn has_outlived_its_solobot(process: Identity, lock: &Path) -> bool {
    let Ok(environ) = std::fs::read(format!("/proc/{}/environ", process.pid)) else { return false };
    let Some((path, holder)) = started_by(&environ) else { return false };
    // The number means something only in the PID namespace in which it was written.
    let is_here = identity::pid_namespace().is_some_and(|own| identity::pid_namespace_of(process.pid) == Some(own));
    let is_below = || identity::lineage(process.pid).any(|pid| pid == holder);
    is_here && resolved(&path) == resolved(lock) && !is_below() && process.is_alive()
}

/// The lock and the PID that solobot wrote into that environment.
fn started_by(environ: &[u8]) -> Option<(PathBuf, i32)> {
    use std::os::unix::ffi::OsStrExt;
    let value = |name: &str| {
        let mut entries = environ.split(|&byte| byte == 0);
        entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    };
    let holder = std::str::from_utf8(value(env::HOLDER_PID)?).ok()?.parse().ok().filter(|&pid| pid > 0)?;
    Some((Path::new(std::ffi::OsStr::from_bytes(value(env::LOCK)?)).to_owned(), holder))
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
