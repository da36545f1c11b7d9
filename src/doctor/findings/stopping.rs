//! The commands that stop instances: a manager's own first, since it would start again what solobot stops.

use crate::process::origin::Origin;
use crate::survey::evidence::facts::{BotFacts, SeenInstance};

/// Stops these instances: those that a manager would start again by that manager's command, the others by `subcommand`.
pub fn stop(bot: &BotFacts, instances: &[&SeenInstance], subcommand: &str) -> Option<String> {
    let by_manager =
        |seen: &&SeenInstance| Some(&seen.instance.origin).filter(|it| it.would_respawn()).and_then(Origin::stop);
    let mut commands: Vec<String> = Vec::new();
    for command in instances.iter().filter_map(by_manager) {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    if instances.is_empty() || instances.iter().any(|seen| by_manager(seen).is_none()) {
        commands.extend(bot.solobot(subcommand));
    }
    (!commands.is_empty()).then(|| commands.join(" && "))
}

/// Stops every instance except the one to keep.
pub fn stop_surplus(bot: &BotFacts) -> Option<String> {
    stop(bot, &bot.surplus(), "kill-duplicates")
}
