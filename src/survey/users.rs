//! Whose a process is: a process of a user who does not run the bot must not be stopped for it, and must not pass for
//! it.

use std::path::Path;

use crate::platform::filesystem::FileStatus;
use crate::platform::proc::Handle;
use crate::process::instance::Instance;
use crate::process::matching::OtherUserProcess;
use crate::process::origin;
use crate::process::program::Program;
use crate::settings::Caller;

/// The users whose processes are the bot's: the caller, root, the owners of the program and of its folder, and the `user` in
/// solobot.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Users(Vec<u32>);

impl Users {
    /// Those of a program. What has been removed belonged to whoever owns the nearest folder that is left.
    pub fn of(program: Option<&Program>, caller: Caller, configured: &[u32]) -> Self {
        // A link to it in somebody's own folder makes nobody its owner.
        let place = program.and_then(Program::place).map(|place| place.canonicalize().unwrap_or(place));
        let owner = |path: &Path| path.ancestors().find_map(|path| Some(FileStatus::of(path).ok()?.owner()));
        let owners = place.iter().flat_map(|path| [owner(path), path.parent().and_then(owner)]).flatten();
        let mut users: Vec<u32> = [caller.uid, 0].into_iter().chain(caller.sudo_uid).chain(owners).collect();
        users.extend(configured);
        users.sort_unstable();
        users.dedup();
        Self(users)
    }

    /// Those of a bot whose lock it is; where no program is known, whoever owns the lock or its folder may take it.
    pub fn of_bot(program: Option<&Program>, lock: &Path, caller: Caller, configured: &[u32]) -> Self {
        let mut users = Self::of(program, caller, configured);
        if program.is_some() {
            return users;
        }
        let owner = |path: &Path| Some(FileStatus::of_entry(path).ok()?.owner());
        users.0.extend([Some(lock), lock.parent()].into_iter().flatten().filter_map(owner));
        users
    }

    /// Whether a process of that user is the bot's. Of one whose user cannot be read nothing is concluded.
    pub fn include(&self, uid: Option<u32>) -> bool {
        uid.is_none_or(|uid| self.0.contains(&uid))
    }

    pub fn all(&self) -> &[u32] {
        &self.0
    }
}

/// What a stranger's process shows by itself; `None` where its connections have to tell.
pub fn by_itself(instance: &Instance) -> Option<OtherUserProcess> {
    let handle = Handle::open(instance.root.pid);
    let cgroup = handle.map(|handle| handle.cgroup()).unwrap_or_default();
    let is_likely = instance.known_token().is_some() || origin::is_put_by_root(&cgroup);
    is_likely.then_some(OtherUserProcess::Likely)
}

/// What its connections tell; `None`: they cannot be looked at.
pub fn by_connection(instance: &Instance, is_connected: Option<bool>) -> OtherUserProcess {
    match is_connected {
        Some(true) => OtherUserProcess::Likely,
        Some(false) if !instance.is_hidden => OtherUserProcess::Unlikely,
        Some(false) | None => OtherUserProcess::Hidden,
    }
}
