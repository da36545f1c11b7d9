//! The commands that stop instances: a manager's own first, since it would start again what solobot stops.

use crate::base::shell;
use crate::platform::advice;
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
    let left: Vec<i32> = instances.iter().filter(|seen| by_manager(seen).is_none()).map(|seen| seen.pid()).collect();
    if instances.is_empty() || !left.is_empty() {
        // A module of another root has no name here that means it.
        let by_hand = || (!left.is_empty()).then(|| advice::end(None, &left));
        commands.extend(bot.solobot(subcommand).or_else(by_hand));
    }
    (!commands.is_empty()).then(|| shell::and(&commands))
}

/// Stops every instance except the one to keep.
pub fn stop_surplus(bot: &BotFacts) -> Option<String> {
    stop(bot, &bot.surplus(), "kill-duplicates")
}
