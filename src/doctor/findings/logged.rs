//! What a bot's logs say, as evidence.

use jiff::Timestamp;

use crate::base::duration::show;
use crate::base::shell;
use crate::base::text::plural;
use crate::logs::rhythm::PatternKind;
use crate::survey::evidence::facts::{BotFacts, FRESH};

/// The command that shows what a bot's logs say.
pub fn see_logs(bot: &BotFacts) -> Option<String> {
    let names: Vec<_> = bot.logs.names.iter().map(|name| shell::quote(name)).collect();
    (!names.is_empty()).then(|| format!("solobot conflicts --since 1h {}", names.join(" ")))
}

/// Conflicts with another poller in the logs: recent ones, or those of the last day.
pub fn conflicts(bot: &BotFacts, now: Timestamp) -> Vec<String> {
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

/// What a pattern means.
fn meaning(shape: PatternKind) -> Option<&'static str> {
    match shape {
        PatternKind::None | PatternKind::Isolated | PatternKind::Webhook | PatternKind::Undated => None,
        PatternKind::Steady => Some("another poller runs all the time"),
        PatternKind::Bursts => Some("conflicts come in bursts, as when a new instance starts before the old one ends"),
        PatternKind::PingPong => Some("two pollers end each other's polls"),
        PatternKind::RespawnLoop => Some("something keeps being started again"),
    }
}
