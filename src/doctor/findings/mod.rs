//! The findings: one cause, one pure function over [`Facts`]. A new one is a function more in [`ALL`].

mod answers;
mod containers;
mod duplicates;
mod exclusion;
mod holders;
mod managers;
mod network;
mod places;
mod pollers;
mod starts;
mod tokens;

use jiff::Timestamp;

use super::facts::{Bot, FRESH, Facts, Lock, Seen};
use super::{Finding, plural};
use crate::base::duration::show;
use crate::logs::rhythm::Shape;

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
    answers::webhook_active,
    tokens::token_invalid,
    tokens::token_whitespace,
    tokens::token_shared,
    pollers::several_pollers,
    pollers::remote_poller,
    pollers::repeating_proxy,
    pollers::recent_takeover,
    pollers::not_polling,
    network::dns,
    network::tcp,
    network::tls,
    network::proxy,
    network::telegram_down,
    answers::clock_skew,
    answers::rate_limited,
    answers::local_api_server,
];

/// The command that shows what a bot's logs say.
fn see_logs(bot: &Bot) -> Option<String> {
    let names: Vec<_> = bot.logs.names.iter().map(|name| shell_words::quote(name)).collect();
    (!names.is_empty()).then(|| format!("solobot conflicts --since 1h {}", names.join(" ")))
}

/// What the logs say of conflicts with another poller: now, and in the last day.
fn conflicts(bot: &Bot, now: Timestamp) -> Vec<String> {
    let logs = &bot.logs;
    let places = logs.names.join(", ");
    let last = logs.last.map_or_else(String::new, |last| {
        format!(", the last one {} ago", show(now.duration_since(last).unsigned_abs()))
    });
    let mut lines = Vec::new();
    if logs.recent > 0 {
        lines.push(format!(
            "{} with another poller in the last {}{last}, in {places}",
            plural(logs.recent, "conflict"),
            show(FRESH)
        ));
    } else if logs.day > 0 {
        lines.push(format!("{} with another poller in the last day{last}, in {places}", plural(logs.day, "conflict")));
    }
    let pattern = logs.pattern.as_ref().and_then(|pattern| Some((meaning(pattern.kind)?, &pattern.evidence)));
    lines.extend(pattern.map(|(meaning, evidence)| format!("{meaning}: {evidence}")));
    lines
}

/// What a pattern means, where it means anything.
fn meaning(shape: Shape) -> Option<&'static str> {
    match shape {
        Shape::None | Shape::Isolated | Shape::Webhook | Shape::Undated => None,
        Shape::Steady => Some("another poller is there all the time"),
        Shape::Bursts => Some("conflicts come in bursts, as where a new instance starts before the old one has ended"),
        Shape::PingPong => Some("two pollers end each other's polls"),
        Shape::RespawnLoop => Some("something starts again and again"),
    }
}

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
