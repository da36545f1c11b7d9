//! Origins: who started an instance, how to stop it for good, and whether it would come back.
//!
//! The nearest manager among the ancestors wins. Environment and cgroup give its name for the instance. They decide alone
//! only if no ancestor is a manager, because both leak to descendants. [`judge()`] is pure over [`OriginFacts`], which
//! [`of`] gathers; [`ManagerAnswers::forecast`] asks the manager. Not promised: a manager that hides its traces is "detached".

pub(super) mod cgroup;
mod facts;
mod forecast;
mod judge;
mod launchd;
mod manager;
mod place;
mod start_folder;
mod starter;
mod units;
mod verdict;

use std::collections::{BTreeMap, HashMap};

use super::details::{Details, DetailsByPid};
use crate::platform::advice;
use crate::platform::identity::{Identity, lineage};
use crate::platform::proc::Handle;

pub use self::facts::{AncestorFacts, OriginFacts, starter_of};
pub use self::forecast::{ManagerAnswers, answer_of};
pub use self::judge::judge;
pub use self::launchd::LaunchdJob;
pub use self::manager::{LaunchDomain, Manager, Respawns, Scope, Script, ServiceFolder, SupervisorProcess};
pub use self::place::{Container, Engine, Place};
pub use self::start_folder::StartFolders;
pub use self::starter::Starter;
pub use self::units::{LoadedUnit, UnitState, units};
pub use self::verdict::{LostBy, Origin};

/// The origin of an instance, without asking any manager whether it would respawn it ([`ManagerAnswers::forecast`] does).
pub fn of(root: &Details, ancestors: &[i32], known: &DetailsByPid) -> Origin {
    judge(&facts::gather(root, ancestors, known))
}

/// The origin of any one process; `None` if it has gone. No manager is asked.
pub fn of_process(process: Identity) -> Option<Origin> {
    let root = Details::read(&Handle::open(process.pid)?).filter(|root| root.identity == process)?;
    Some(of_details(&root))
}

/// The same of one that may have ended since it was read: its ancestors still tell.
pub fn of_details(root: &Details) -> Origin {
    let ancestors: Vec<i32> = lineage(root.stat.parent).collect();
    let known: HashMap<i32, Details> =
        ancestors.iter().filter_map(|&pid| Some((pid, Details::read(&Handle::open(pid)?)?))).collect();
    of(root, &ancestors, &known)
}

/// Whether root put a process where it is: into a system's service of its own, or into a container. `cgroup` is the text of
/// its `/proc/PID/cgroup`. What users start through cron or ssh is in those services' groups, and was not put there.
pub fn is_put_by_root(cgroup: &str) -> bool {
    cgroup::container(cgroup).is_some_and(|group| group.user.is_none()) || system_service(cgroup).is_some()
}

/// The system's service in whose group a process is, by the text of its `/proc/PID/cgroup`.
fn system_service(cgroup: &str) -> Option<String> {
    let unit = cgroup::unit(cgroup).filter(|unit| unit.user.is_none() && !cgroup::is_carrier(&unit.name));
    Some(unit?.name)
}

/// The command that ends these processes by hand, as their own user if solobot may not signal them.
pub fn kill_by_hand(pids: &[i32]) -> String {
    let mut by_owner: BTreeMap<Option<String>, Vec<i32>> = BTreeMap::new();
    for &pid in pids {
        by_owner.entry(facts::foreign_owner(pid)).or_default().push(pid);
    }
    let commands = by_owner.iter().map(|(owner, pids)| advice::end(owner.as_deref(), pids));
    commands.collect::<Vec<_>>().join("; ")
}
