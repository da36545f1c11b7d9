//! What the record says of this `acquire`, for other hosts.

use std::hash::{BuildHasher, RandomState};

use jiff::Timestamp;

use crate::base::error::Error;
use crate::base::secret::mask;
use crate::commands::acquire::request::{Request, own};
use crate::lease::LeaseTarget;
use crate::lease::record::LeaseHolder;
use crate::lock::held::Held;
use crate::platform::identity;
use crate::platform::user;
use crate::process::details;
use crate::process::origin;

/// No more of COMMAND is told to other hosts, in characters.
const LONGEST_COMMAND: usize = 1000;

pub fn holder(request: &Request<'_>, target: &LeaseTarget, held: Option<&Held>) -> Result<LeaseHolder, Error> {
    let own = own()?;
    let lock = held.map(|held| held.file().inode());
    Ok(LeaseHolder {
        name: target.name.clone(),
        bot_id: target.bot_id.clone(),
        host: user::host_name(),
        boot_id: identity::boot_id().unwrap_or_default().to_owned(),
        lock: lock.map_or((0, 0), |lock| (lock.device, lock.inode)),
        pid: own.pid,
        command: mask(&details::command_line(request.command())).chars().take(LONGEST_COMMAND).collect(),
        since: now_in_seconds().to_string(),
        origin: origin::of_process(own).map(|origin| origin.manager.as_str().to_owned()),
    })
}

pub fn now_in_seconds() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}

/// A name that no other `acquire` has, on whatever host.
pub fn random_name() -> String {
    // Keyed by the system's random numbers.
    let random = |salt: u64| RandomState::new().hash_one(salt);
    format!("{:016x}{:016x}", random(0), random(1))
}
