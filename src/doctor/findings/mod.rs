//! The findings: one cause, one pure function over [`Facts`]. A new one is a function more in [`ALL`].

mod containers;
mod duplicates;
mod exclusion;
mod holders;
mod managers;
mod places;
mod starts;

use super::Finding;
use super::facts::{Bot, Facts, Lock, Seen};

/// A finding's function.
pub type Find = fn(&Facts) -> Vec<Finding>;

/// All of them.
pub const ALL: &[Find] = &[
    duplicates::duplicate_instances,
    duplicates::folded_instance,
    managers::respawner,
    managers::pm2_cluster,
    managers::supervisord_numprocs,
    managers::second_manager,
    containers::two_containers,
    containers::container_and_host,
    starts::deploy_overlap,
    starts::ci_overlap,
    starts::ide_autorun,
    starts::respawn_loop,
    exclusion::leaked_skip_variable,
    exclusion::unlocked_instance,
    holders::replaced_lock,
    exclusion::pidfile_only,
    exclusion::fcntl_lock,
    holders::inherited_lock,
    places::private_tmp,
    places::network_fs,
    places::tmp_cleaner,
    holders::stale_lock,
];

/// What `finding` says of each bot.
fn each(facts: &Facts, finding: impl Fn(&Bot) -> Option<Finding>) -> Vec<Finding> {
    facts.bots.iter().filter_map(finding).collect()
}

/// Every lock with its bot.
fn locks(facts: &Facts) -> impl Iterator<Item = (&Bot, &Lock)> {
    facts.bots.iter().flat_map(|bot| bot.locks.iter().map(move |lock| (bot, lock)))
}

/// Every sure instance with its bot.
fn instances(facts: &Facts) -> impl Iterator<Item = (&Bot, &Seen)> {
    facts.bots.iter().flat_map(|bot| bot.instances.iter().map(move |seen| (bot, seen)))
}

/// A path as a shell takes it.
fn quote(path: &std::path::Path) -> String {
    shell_words::quote(&path.to_string_lossy()).into_owned()
}
