//! Nothing is named: every likely bot on this machine, and the locks that the field's bots use.

use std::io;
use std::panic::resume_unwind;
use std::thread;

use jiff::Timestamp;

use super::super::facts::{Bot, Facts, Lock, Seen, TokenSeen};
use super::{OnWatch, Remote, Surroundings, count, logs, look_beyond, look_closer, places, watch};
use crate::base::env;
use crate::lock::marks;
use crate::platform::identity::Identity;
use crate::process::connections::connected;
use crate::process::find::{self, Marks};
use crate::process::instance::Instance;
use crate::settings::typed;

/// A token that is at hand although nothing is configured: the bot that it belongs to may be asked about.
#[derive(Debug, Default)]
pub struct Ambient<'a> {
    /// The flags that mean it behind another subcommand.
    pub select: Option<String>,
    /// The rest.
    pub remote: Remote<'a>,
}

/// Looks at everything that may be a bot.
///
/// # Errors
/// `/proc` cannot be read.
pub fn of_machine(ambient: &Ambient<'_>, surroundings: &Surroundings, on_watch: &mut OnWatch<'_>) -> io::Result<Facts> {
    thread::scope(|scope| {
        let asked = scope.spawn(|| ambient.remote.way.ask());
        let mut facts = Facts { now: Timestamp::now(), ..Facts::default() };
        let connected: Vec<Identity> =
            connected(&ambient.remote.servers)?.into_iter().map(|(process, _)| process).collect();
        let holders: Vec<Identity> = marks::all()?.into_iter().flat_map(|mark| mark.holders).collect();
        let mut found = find::likely_bots_and(&[], &Marks { connected: &connected, holders: &holders })?;
        found.forecast();
        count(&mut facts, &found);
        for instances in found.bots() {
            let closer = |instance: &Instance| look_closer(instance, Some(env::SKIP_LOCK));
            let mut bot = bot_of(instances.into_iter().map(closer).collect());
            bot.locks = places::locks_of(&bot, None, surroundings, false);
            bot.logs = logs::look(&[], &bot, &surroundings.events, facts.now);
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
        let owner = owner_of(ambient, &mut facts.bots);
        facts.bots.extend(alone.into_iter().map(lock_alone));
        let servers = vec![ambient.remote.servers.clone(); facts.bots.len()];
        look_beyond(&mut facts, &servers)?;
        // "Not asked" would be a false answer: the run has failed.
        let telegram = asked.join().unwrap_or_else(|panic| resume_unwind(panic));
        if let Some(at) = owner {
            facts.bots[at].telegram = telegram;
        }
        Ok(facts)
    })
}

/// The bot whose token is at hand; one that does not run is put there.
fn owner_of(ambient: &Ambient<'_>, bots: &mut Vec<Bot>) -> Option<usize> {
    let Remote { token, server, api_flags, .. } = &ambient.remote;
    let token = token.as_ref()?;
    let is_theirs = |bot: &Bot| bot.token.as_ref().is_some_and(|theirs| theirs.fingerprint == token.fingerprint);
    let at = bots.iter().position(is_theirs).unwrap_or_else(|| {
        let name = format!("bot {}", token.bot_id);
        bots.push(Bot { name, select: ambient.select.clone(), ..Bot::default() });
        bots.len() - 1
    });
    let bot = &mut bots[at];
    bot.token = Some(token.clone());
    bot.server.clone_from(server);
    bot.api_flags.clone_from(api_flags);
    Some(at)
}

fn bot_of(instances: Vec<Seen>) -> Bot {
    let first = &instances[0].instance;
    let program = first.program.as_ref();
    Bot {
        name: program.map_or_else(|| first.command.clone(), ToString::to_string),
        select: program.and_then(typed::program),
        has_program: true,
        skip_env: Some(env::SKIP_LOCK.to_owned()),
        is_guess: true,
        token: token_of(first),
        instances,
        ..Bot::default()
    }
}

fn token_of(instance: &Instance) -> Option<TokenSeen> {
    let (fingerprint, bot_id) = (instance.token.clone()?, instance.bot_id.clone()?);
    let place = format!("the environment of PID {}", instance.root.pid);
    Some(TokenSeen { bot_id, fingerprint, place, is_padded: false })
}

fn lock_alone(lock: Lock) -> Bot {
    let path = lock.facts.path.display().to_string();
    let flag = format!("-l {}", shell_words::quote(&path));
    Bot { name: path, lock_flag: Some(flag), locks: vec![lock], ..Bot::default() }
}
