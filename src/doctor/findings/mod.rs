//! The findings: one pure function over [`Facts`] for each cause. To add one, write a function and put it into [`ALL`].

mod answers;
mod containers;
mod duplicates;
mod elsewhere;
mod exclusion;
mod fetching;
mod holders;
mod lease;
mod logged;
mod managers;
mod network;
mod places;
mod pollers;
mod starts;
mod stopping;
#[cfg(test)]
mod testing;
mod tokens;

use super::finding::Finding;
use crate::survey::evidence::facts::Facts;

type Find = fn(&Facts) -> Vec<Finding>;

const ALL: &[Find] = &[
    duplicates::duplicate_instances,
    duplicates::folded_instance,
    managers::respawner,
    managers::cron_respawner,
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
    lease::elsewhere,
    lease::lost,
    lease::unreachable,
    lease::forgets,
    lease::ttl_differs,
    answers::webhook_active,
    tokens::token_invalid,
    tokens::token_whitespace,
    tokens::token_shared,
    pollers::several_pollers,
    elsewhere::unseen_poller,
    elsewhere::remote_poller,
    pollers::repeating_proxy,
    pollers::recent_takeover,
    pollers::not_polling,
    fetching::deaf,
    fetching::slow_handler,
    fetching::nobody_fetches,
    fetching::fetched_elsewhere,
    network::dns,
    network::tcp,
    network::tls,
    network::proxy,
    network::telegram_down,
    answers::clock_skew,
    answers::rate_limited,
    answers::local_api_server,
];

/// Every finding, the worst first, in the order of the codes within a level.
pub fn diagnose(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<Finding> = ALL.iter().flat_map(|finding| finding(facts)).collect();
    found.sort_by_key(|finding| (finding.level, finding.code));
    found
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;
    use crate::base::finding_code::Code;
    use crate::survey::evidence::testing::{bot, facts, held_by, identity, seen};

    #[test]
    fn nothing_is_found_where_one_instance_holds_its_lock() {
        let mut one = bot("main", vec![seen(10)]);
        one.locks.push(held_by("/run/lock/x.lock", &[10]));
        assert_eq!(diagnose(&facts(vec![one])), []);
        assert_eq!(diagnose(&facts(vec![])), []);
    }

    #[test]
    fn the_worst_comes_first() {
        let mut two = bot("main", vec![seen(10), seen(20)]);
        two.instances[0].instance.members.push(identity(11));
        two.locks.push(held_by("/run/lock/x.lock", &[10]));
        let found = diagnose(&facts(vec![two]));
        let levels: Vec<Level> = found.iter().map(|finding| finding.level).collect();
        assert_eq!(found[0].code, Code::DuplicateInstances);
        assert!(levels.is_sorted() && levels.contains(&Level::Info), "{levels:?}");
        assert!(found.iter().all(|finding| !finding.evidence.is_empty()));
    }
}
