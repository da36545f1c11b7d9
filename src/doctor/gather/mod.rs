//! Gathering the facts: the only part of doctor that looks at the machine. It changes nothing.

mod bearers;
mod lock;
mod logs;
mod machine;
mod places;
mod starts;
mod telegram;
mod tmpfiles;
mod traces;
mod view;

use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use super::facts::{Bot, Facts, Seen, TokenSeen, Trace};
use crate::base::env;
use crate::base::secret::Token;
use crate::conflicts::input::Input;
use crate::journal::Event;
use crate::lock::carriers::{self, LockedFile};
use crate::lock::marks;
use crate::platform::proc::{self, Handle};
use crate::process::connections::{self, Blind, Evidence, Polling, Servers, Subject};
use crate::process::details::variable;
use crate::process::find::Found;
use crate::process::instance::Instance;
use crate::process::keep::is_around_us;
use crate::process::program::Program;
use crate::settings::typed;
use crate::telegram::proxy;

pub use machine::{Ambient, of_machine};
pub use telegram::Way;

/// Where locks may lie besides the bots' own folders, and what solobot remembers.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The current folder.
    pub cwd: PathBuf,
    /// `$XDG_STATE_HOME`, or what stands for it.
    pub state: Option<PathBuf>,
    /// What solobot has written down.
    pub events: Vec<Event>,
}

/// A bot to look at.
#[derive(Debug)]
pub struct Target<'a> {
    /// Its name.
    pub name: String,
    /// What means it behind a subcommand.
    pub select: Option<String>,
    /// The flag that names its lock.
    pub lock_flag: Option<String>,
    /// Its program.
    pub program: Option<&'a Program>,
    /// Its token.
    pub token: Option<&'a Token>,
    /// Its lock.
    pub lock: &'a Path,
    /// Whether flags or the file name that lock.
    pub lock_is_named: bool,
    /// The variable that tells it that a lock is held for it.
    pub skip_env: Option<&'a str>,
    /// Whether the lock may lie on a network file system.
    pub network_allowed: bool,
    /// What lies beyond this machine.
    pub remote: Remote<'a>,
}

/// A bot's token, its server, and its logs.
#[derive(Debug, Default)]
pub struct Remote<'a> {
    /// Its token.
    pub token: Option<TokenSeen>,
    /// Why what stands in its token's place is none.
    pub token_fault: Option<String>,
    /// Its self-hosted server.
    pub server: Option<String>,
    /// What counts as Telegram among its connections.
    pub servers: Servers,
    /// How to ask Telegram.
    pub way: Way<'a>,
    /// The flags by which another subcommand reaches Telegram in the same way.
    pub api_flags: String,
    /// Its logs, where somebody names them.
    pub logs: Vec<Input>,
}

/// Told before starts are watched, with the bot's name and how long that may take.
pub type OnWatch<'a> = dyn FnMut(&str, Duration) + 'a;

/// Looks at these bots. Telegram is asked meanwhile.
///
/// # Errors
/// `/proc` cannot be read.
pub fn of_targets(
    targets: &[Target<'_>],
    surroundings: &Surroundings,
    on_watch: &mut OnWatch<'_>,
) -> io::Result<Facts> {
    thread::scope(|scope| {
        let asked: Vec<_> = targets.iter().map(|target| scope.spawn(|| target.remote.way.ask())).collect();
        let mut facts = Facts { now: Timestamp::now(), ..Facts::default() };
        let mut servers = Vec::new();
        let mut first_of_each = Vec::new();
        for target in targets {
            first_of_each.push(facts.bots.len());
            for bot in bots_of(target, surroundings, &mut facts, on_watch)? {
                servers.push(target.remote.servers.clone());
                facts.bots.push(bot);
            }
        }
        look_beyond(&mut facts, &servers)?;
        for (at, asked) in first_of_each.into_iter().zip(asked) {
            // "Not asked" would be a false answer: the run has failed.
            facts.bots[at].telegram = asked.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
        Ok(facts)
    })
}

/// The distinct bots of a target, with their locks and logs.
fn bots_of(
    target: &Target<'_>,
    surroundings: &Surroundings,
    facts: &mut Facts,
    on_watch: &mut OnWatch<'_>,
) -> io::Result<Vec<Bot>> {
    let mut bots = match target.program {
        Some(program) => {
            let mut found = marks::find_instances(program, target.token, target.lock)?;
            found.forecast();
            count(facts, &found);
            distinct(found, target)
        }
        None => vec![empty(target)],
    };
    for bot in &mut bots {
        bot.locks = if target.lock_is_named || target.program.is_none() {
            vec![lock::look(target.lock, bot.all(), target.network_allowed)]
        } else {
            places::locks_of(bot, Some(target.lock), surroundings, target.network_allowed)
        };
        bot.logs = logs::look(&target.remote.logs, bot, &surroundings.events, facts.now);
        if let Some(program) = target.program {
            watch(bot, program, on_watch);
        }
    }
    Ok(bots)
}

/// Who else has the bots' tokens, and who of all is connected; all at the same time.
fn look_beyond(facts: &mut Facts, servers: &[Servers]) -> io::Result<()> {
    facts.bearers = bearers::of(&facts.bots)?;
    let with_servers = |(bot, servers)| -> Vec<_> { Bot::all(bot).map(move |seen| (seen, servers)).collect() };
    let seen = facts.bots.iter().zip(servers).flat_map(with_servers);
    let mut subjects: Vec<Subject<'_>> =
        seen.map(|(seen, servers)| Subject { members: &seen.instance.members, servers }).collect();
    let all = Servers {
        addresses: servers.iter().flat_map(|servers| servers.addresses.clone()).collect(),
        is_unknown: servers.iter().any(|servers| servers.is_unknown),
    };
    let bearers: Vec<_> = facts.bearers.iter().map(|bearer| [bearer.process]).collect();
    subjects.extend(bearers.iter().map(|members| Subject { members, servers: &all }));
    let mut evidence = connections::look(&subjects).into_iter();
    let all = |bot| Bot::all_mut(bot);
    for (seen, evidence) in facts.bots.iter_mut().flat_map(all).zip(&mut evidence) {
        seen.evidence = evidence;
    }
    for (bearer, evidence) in facts.bearers.iter_mut().zip(evidence) {
        bearer.evidence = evidence;
    }
    Ok(())
}

/// A bot of which nothing has been seen yet.
fn empty(target: &Target<'_>) -> Bot {
    Bot {
        name: target.name.clone(),
        select: target.select.clone(),
        lock_flag: target.lock_flag.clone(),
        has_program: target.program.is_some(),
        lock_is_named: target.lock_is_named,
        skip_env: target.skip_env.map(str::to_owned),
        token: target.remote.token.clone(),
        token_fault: target.remote.token_fault.clone(),
        server: target.remote.server.clone(),
        api_flags: target.remote.api_flags.clone(),
        ..Bot::default()
    }
}

/// The distinct bots that were found: one, unless a bare name or tokens make several.
fn distinct(found: Found, target: &Target<'_>) -> Vec<Bot> {
    let all = found.distinct();
    let is_several = all.len() > 1;
    let closer = |instance: &Instance| look_closer(instance, target.skip_env);
    let bot_of = |found: Found| {
        let own = found.instances.first().and_then(|first| first.program.as_ref()).filter(|_| is_several);
        let bot = match own {
            Some(own) => Bot { name: own.to_string(), select: typed::program(own), ..empty(target) },
            None => empty(target),
        };
        let [instances, probable] = [&found.instances, &found.probable].map(|all| all.iter().map(closer).collect());
        Bot { instances, probable, ..bot }
    };
    all.into_iter().map(bot_of).collect()
}

fn count(facts: &mut Facts, found: &Found) {
    facts.processes = facts.processes.max(found.total);
    facts.uninspected = facts.uninspected.max(found.uninspected);
    facts.hidden |= found.hidden;
}

/// Watches a bot's starts if they are suspicious.
fn watch(bot: &mut Bot, program: &Program, on_watch: &mut OnWatch<'_>) {
    let Some(suspicion) = starts::suspicion(program, &bot.instances) else { return };
    on_watch(&bot.name, starts::WATCH);
    (bot.starts, bot.watched) = starts::watch(program, &suspicion, &bot.instances, starts::WATCH);
    bot.starter = suspicion.starter;
}

/// What doctor alone asks about an instance.
fn look_closer(instance: &Instance, skip_env: Option<&str>) -> Seen {
    let handle = Handle::open(instance.root.pid);
    let folder = handle.as_ref().and_then(|handle| handle.link("cwd"));
    let environ = handle.and_then(|handle| handle.read("environ").ok());
    // A title may have overwritten it: nothing is known then.
    let environ = environ.filter(|environ| !environ.is_empty());
    let skips_lock = skip_env.and_then(|name| Some(variable(environ.as_ref()?, name) == Some(b"1")));
    Seen {
        instance: instance.clone(),
        skips_lock,
        flocks: flocks_around(instance),
        traces: traces_of(instance, environ.as_deref()),
        folder_is_gone: folder.is_some_and(|cwd| proc::is_deleted(&cwd)),
        evidence: Evidence { polling: Polling::Unknown(Blind::Gone), connections: Vec::new() },
        padded: environ.as_deref().and_then(padded),
        has_proxy: environ.as_deref().is_some_and(proxy::is_set),
        is_around_us: is_around_us(&instance.members),
    }
}

/// The variable that holds a token with white space around it.
fn padded(environ: &[u8]) -> Option<String> {
    let is_padded = |name: &&&str| {
        let value = variable(environ, name).and_then(|value| std::str::from_utf8(value).ok());
        value.is_some_and(|value| Token::parse(value).is_ok() && value != value.trim())
    };
    env::TOKENS.iter().find(is_padded).map(|name| (*name).to_owned())
}

/// What the instance and its ancestors have locked. PID 1's locks are nobody's in particular.
fn flocks_around(instance: &Instance) -> Vec<LockedFile> {
    let around = instance.members.iter().chain(&instance.ancestors).filter(|process| process.pid != 1);
    let mut files: Vec<LockedFile> = around.flat_map(|process| carriers::flocks_of(process.pid)).collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files.dedup_by(|one, other| one.path == other.path);
    files
}

fn traces_of(instance: &Instance, environ: Option<&[u8]>) -> Vec<Trace> {
    let of_ancestor = |pid: i32| {
        let handle = Handle::open(pid)?;
        traces::of_ancestor(pid, &handle.argv(), handle.link("exe").as_deref())
    };
    let ancestors = instance.ancestors.iter().filter_map(|ancestor| of_ancestor(ancestor.pid));
    ancestors.chain(environ.and_then(traces::of_environ)).collect()
}
