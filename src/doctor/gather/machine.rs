//! Nothing is named: every likely bot on this machine, and the locks that the field's bots use.

use std::io;

use jiff::Timestamp;

use super::super::facts::{Bot, Facts, Lock, Seen};
use super::{OnWatch, Surroundings, count, look_closer, places, select, watch};
use crate::env;
use crate::process::find::{self, Found};
use crate::process::instance::Instance;

/// Looks at everything that may be a bot.
///
/// # Errors
/// `/proc` cannot be read.
pub fn of_machine(surroundings: &Surroundings, on_watch: &mut OnWatch<'_>) -> io::Result<Facts> {
    let mut facts = Facts { now: Timestamp::now(), ..Facts::default() };
    let mut found = find::likely_bots(&[])?;
    found.forecast();
    count(&mut facts, &found);
    for instances in bots(&found) {
        let mut bot = bot_of(instances);
        bot.locks = places::locks_of(&bot, None, surroundings, false);
        if let Some(program) = bot.instances[0].instance.program.clone() {
            watch(&mut bot, &program, on_watch);
        }
        facts.bots.push(bot);
    }
    let is_known = |lock: &Lock| {
        let mut known = facts.bots.iter().flat_map(|bot| &bot.locks);
        known.any(|other| other.facts.path == lock.facts.path)
    };
    let alone: Vec<Lock> = places::well_known(surroundings).into_iter().filter(|lock| !is_known(lock)).collect();
    facts.bots.extend(alone.into_iter().map(lock_alone));
    Ok(facts)
}

/// One token and one program are one bot: a web front end with the same `.env` does not poll.
fn bots(found: &Found) -> Vec<Vec<Seen>> {
    let program =
        |instance: &Instance| instance.program.as_ref().map_or_else(|| instance.command.clone(), ToString::to_string);
    let mut bots: Vec<Vec<Seen>> = Vec::new();
    for instance in &found.instances {
        let seen = look_closer(instance, Some(env::SKIP_LOCK));
        let is_same = |bot: &&mut Vec<Seen>| {
            let other = &bot[0].instance;
            instance.token == other.token && program(instance) == program(other)
        };
        match bots.iter_mut().find(is_same) {
            Some(bot) => bot.push(seen),
            None => bots.push(vec![seen]),
        }
    }
    bots
}

fn bot_of(instances: Vec<Seen>) -> Bot {
    let first = &instances[0].instance;
    let program = first.program.as_ref();
    Bot {
        name: program.map_or_else(|| first.command.clone(), ToString::to_string),
        select: program.and_then(select),
        has_program: true,
        skip_env: Some(env::SKIP_LOCK.to_owned()),
        instances,
        ..Bot::default()
    }
}

fn lock_alone(lock: Lock) -> Bot {
    let path = lock.facts.path.display().to_string();
    let flag = format!("-l {}", shell_words::quote(&path));
    Bot { name: path, lock_flag: Some(flag), locks: vec![lock], ..Bot::default() }
}
