//! A closer look at what a survey has found, for a diagnosis. It changes nothing and sends nothing.

mod crontab;
pub mod facts;
mod lock;
mod logs;
mod starts;
#[cfg(test)]
pub mod testing;
mod tmpfiles;
mod traces;
mod view;

use std::io;

use jiff::{SignedDuration, Timestamp};

use self::facts::{
    BotFacts, ConnectedStranger, ConnectedTokenUser, Facts, KnownToken, LockEvidence, SeenInstance, StartTrace,
    UnseenConnections,
};
pub use self::starts::OnStartWatch;
use self::starts::StartWatch;
use super::connections::{self, ConnectionEvidence, Polling, Servers, Subject, UnknownReason};
use super::journal::JournalQuery;
use super::scan::ProcessScan;
use super::{FoundBot, Survey, layout_files, likely, locks, nameless, token_users};
use crate::base::env;
use crate::base::secret::{self, Token, TokenId};
use crate::base::shell;
use crate::http::proxy;
use crate::journal::{Event, EventKind};
use crate::lock::carriers::{self, LockedFile};
use crate::lock::state::{LockFacts, State, inspect};
use crate::platform::identity::Identity;
use crate::platform::proc::{self, Handle};
use crate::platform::{sockets, user};
use crate::process::details::variable;
use crate::process::instance::{EnvFileToken, Instance};
use crate::process::keep::is_around_us;
use crate::settings::{Context, typed};

/// What is known of a bot that was asked for, besides what runs of it.
#[derive(Debug)]
pub struct AskedBot {
    /// What means it behind a subcommand.
    pub select: Option<String>,
    /// The flag that names its lock.
    pub lock_flag: Option<String>,
    /// Whether its lock may lie on a network file system.
    pub network_allowed: bool,
    /// What lies beyond this machine.
    pub remote: TokenAndServer,
}

/// A bot's token and its server.
#[derive(Debug, Default)]
pub struct TokenAndServer {
    pub token: Option<KnownToken>,
    /// Why what stands in its token's place is none.
    pub token_fault: Option<String>,
    /// Its self-hosted server.
    pub server: Option<String>,
    /// What counts as Telegram among its connections.
    pub servers: Servers,
    /// The flags by which another subcommand reaches Telegram in the same way.
    pub api_flags: String,
}

/// Whoever looks closer.
pub struct CloserLook<'a> {
    /// Who asks, and from where.
    pub context: &'a Context,
    /// What solobot has written down.
    pub events: &'a [Event],
    /// Told before it takes a while.
    pub on_watch: &'a mut OnStartWatch<'a>,
}

impl CloserLook<'_> {
    /// Looks at the bots that were asked for, in their order.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn look_at(&mut self, survey: &Survey, targets: &[AskedBot]) -> io::Result<Facts> {
        let mut facts = facts_of(survey);
        let traces: Vec<JournalQuery> = survey.bots.iter().map(JournalQuery::of).collect();
        let is_several = |bot: &FoundBot| survey.bots.iter().filter(|other| other.asked == bot.asked).count() > 1;
        for (found, own) in survey.bots.iter().zip(&traces) {
            let target = &targets[found.asked];
            let mut bot = self.bot(found, own, &traces, target.network_allowed);
            bot.select.clone_from(&target.select);
            bot.lock_flag.clone_from(&target.lock_flag);
            if is_several(found) {
                bot.select = found.bot.program.as_ref().and_then(typed::program).or(bot.select);
            }
            // Of several that were asked for by one name, the first one has its token.
            let is_first = facts.bots.iter().all(|before| before.target != Some(found.asked));
            bot.target = is_first.then_some(found.asked);
            give_remote(&mut bot, &target.remote);
            facts.bots.push(bot);
        }
        let servers: Vec<Servers> = survey.bots.iter().map(|bot| targets[bot.asked].remote.servers.clone()).collect();
        self.look_further(survey, &mut facts, &servers)?;
        Ok(facts)
    }

    /// Looks at whatever was found where nothing was named; `ambient` is the token that is at hand although nothing is
    /// configured: the bot that it belongs to may be asked about.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn look_around(&mut self, survey: &Survey, ambient: &AskedBot) -> io::Result<Facts> {
        let mut facts = facts_of(survey);
        let traces: Vec<JournalQuery> = survey.bots.iter().map(JournalQuery::of).collect();
        for (found, own) in survey.bots.iter().zip(&traces) {
            let mut bot = self.bot(found, own, &traces, false);
            bot.select = found.bot.program.as_ref().and_then(typed::program);
            bot.is_guess = true;
            facts.bots.push(bot);
        }
        let alone = self.locks_alone(&facts);
        give_ambient(ambient, &mut facts.bots);
        facts.bots.extend(alone);
        let servers = vec![ambient.remote.servers.clone(); facts.bots.len()];
        self.look_further(survey, &mut facts, &servers)?;
        Ok(facts)
    }

    fn bot(&mut self, found: &FoundBot, own: &JournalQuery, all: &[JournalQuery], network_allowed: bool) -> BotFacts {
        let skip_env = found.bot.skip_env.clone().or_else(|| Some(env::SKIP_LOCK.to_owned()));
        let skip_env = skip_env.filter(|_| found.bot.skip_env.is_some() || !found.bot.configured);
        let closer = |instance: &Instance| look_closer(instance, skip_env.as_deref());
        let mut bot = BotFacts {
            id: found.bot.name.clone(),
            name: found.label.clone(),
            has_program: found.bot.program.is_some() || !found.found.instances.is_empty(),
            lock_is_named: locks::is_named(&found.bot),
            instances: found.found.instances.iter().map(closer).collect(),
            probable: found.found.probable.iter().map(closer).collect(),
            token: found.found.instances.iter().find_map(token_of),
            lease: found.lease.clone(),
            lost_leases: self.lost_leases(own, all),
            ..BotFacts::default()
        };
        bot.skip_env = skip_env;
        let locks = [&found.locks.own].into_iter().chain(&found.locks.others);
        bot.locks = locks.map(|facts| lock::look(facts.clone(), bot.all(), network_allowed)).collect();
        let inputs = super::logs::of_bot(found).inputs;
        bot.logs = logs::look(inputs, &bot, self.events, &|event| own.include(event, all), Timestamp::now());
        if let Some(program) = &found.bot.program {
            let name = found.bot.configured.then_some(found.bot.name.as_str());
            bot.starts.cron = crontab::look(program, name, &bot);
        }
        bot
    }

    /// What the journal says of leases that were lost within the last hour.
    fn lost_leases(&self, own: &JournalQuery, all: &[JournalQuery]) -> Vec<(Timestamp, String)> {
        let since = Timestamp::now() - SignedDuration::from_hours(1);
        let is_loss = |event: &&Event| event.event == EventKind::LeaseLost && event.time >= since;
        let own = self.events.iter().filter(is_loss).filter(|event| own.include(event, all));
        own.map(|event| (event.time, event.detail.clone().unwrap_or_default())).collect()
    }

    /// Watches the bots' starts while it looks who is connected.
    fn look_further(&mut self, survey: &Survey, facts: &mut Facts, servers: &[Servers]) -> io::Result<()> {
        let mut watch = StartWatch::begin(&survey.bots, &mut facts.bots, facts.now, self.on_watch);
        watch.while_looking(|| self.look_beyond(facts, servers))?;
        watch.finish(&mut facts.bots, self.on_watch);
        Ok(())
    }

    /// The locks of the field's layouts that belong to none of the bots.
    fn locks_alone(&self, facts: &Facts) -> Vec<BotFacts> {
        let processes = facts.bots.iter().flat_map(BotFacts::all).map(SeenInstance::pid);
        let is_known = |path: &std::path::PathBuf| {
            facts.bots.iter().flat_map(|bot| &bot.locks).any(|lock| lock.facts.path == *path)
        };
        let files = layout_files::existing(self.context, processes).into_iter().filter(|file| !is_known(&file.path));
        let locks = files.map(|file| LockFacts { layout: Some(file.layout), ..inspect(&file.path) });
        let there = locks.filter(|facts| facts.state != State::Absent);
        there.map(|facts| lock_alone(lock::look(facts, std::iter::empty(), false))).collect()
    }

    /// Who else has the bots' tokens, and who of all is connected; all at the same time.
    fn look_beyond(&self, facts: &mut Facts, servers: &[Servers]) -> io::Result<()> {
        facts.token_users = self.token_users(&facts.bots)?;
        let with_servers = |(bot, servers)| -> Vec<_> { BotFacts::all(bot).map(move |seen| (seen, servers)).collect() };
        let seen = facts.bots.iter().zip(servers).flat_map(with_servers);
        let mut subjects: Vec<Subject<'_>> =
            seen.map(|(seen, servers)| Subject { members: &seen.instance.members, servers }).collect();
        let all = Servers {
            addresses: servers.iter().flat_map(|servers| servers.addresses.clone()).collect(),
            is_unknown: servers.iter().any(|servers| servers.is_unknown),
        };
        let token_users: Vec<_> = facts.token_users.iter().map(|user| [user.process]).collect();
        subjects.extend(token_users.iter().map(|members| Subject { members, servers: &all }));
        let is_fight = facts.bots.iter().any(BotFacts::is_fought);
        let (evidence, connected) = connections::look_at_all(&subjects, &all, is_fight)?;
        let mut evidence = evidence.into_iter();
        let all = |bot| BotFacts::all_mut(bot);
        for (seen, evidence) in facts.bots.iter_mut().flat_map(all).zip(&mut evidence) {
            seen.evidence = evidence;
        }
        facts.bots.iter_mut().for_each(BotFacts::dismiss_idle);
        for (user, evidence) in facts.token_users.iter_mut().zip(evidence) {
            user.evidence = evidence;
        }
        let mut users: Vec<String> = connected.unowned.into_iter().map(user::name).collect();
        users.sort();
        facts.unseen_connections =
            UnseenConnections { users, contained: connected.out_of_reach, unshown: connected.unshown };
        if is_fight {
            facts.strangers = self.strangers(facts, &connected.owners);
        }
        Ok(())
    }

    /// Those of the connected processes that are nobody's yet.
    fn strangers(&self, facts: &Facts, connected: &[Identity]) -> Vec<ConnectedStranger> {
        let is_known = |process: Identity| {
            facts.bots.iter().any(|bot| bot.has_process(process))
                || facts.token_users.iter().any(|user| user.process == process)
        };
        let mut scan = ProcessScan::new(0, 0);
        let mut tops: Vec<Identity> = Vec::new();
        for process in connected.iter().filter(|process| !is_known(**process)) {
            let top = scan.family(*process).pop().filter(|top| !is_known(*top) && !tops.contains(top));
            tops.extend(top);
        }
        let stranger = |top: Identity| {
            let candidate = scan.get(top).filter(|candidate| !nameless::merely_passes_on(candidate))?;
            let shown = secret::used(&candidate.carried, &[], None).map(Token::id);
            let token = shown.or_else(|| likely::token_in_file(candidate, self.context.caller));
            let (logs, moments) = logs::of_stranger(top, facts.now);
            let fingerprint = token.map(|token| token.fingerprint);
            Some(ConnectedStranger { process: top, name: nameless::short_name(candidate), fingerprint, logs, moments })
        };
        tops.into_iter().filter_map(stranger).collect()
    }

    /// The processes of other programs that have the token of one of the bots; their connections are not looked at yet.
    fn token_users(&self, bots: &[BotFacts]) -> io::Result<Vec<ConnectedTokenUser>> {
        let of_bot = |bot: &BotFacts| {
            let own = bot
                .token
                .as_ref()
                .map(|token| TokenId { bot_id: token.bot_id.clone(), fingerprint: token.fingerprint.clone() });
            bot.all().filter_map(|seen| seen.instance.known_token().cloned()).chain(own).collect::<Vec<_>>()
        };
        let known: Vec<TokenId> = bots.iter().flat_map(of_bot).collect();
        let all = token_users::of_tokens(&known, self.context.caller)?;
        let strangers = all.into_iter().filter(|one| !bots.iter().any(|bot| bot.has_process(one.process)));
        let user = |one: token_users::TokenUser| ConnectedTokenUser {
            process: one.process,
            program: one.program,
            name: one.name,
            command: one.command,
            fingerprint: one.token.fingerprint,
            evidence: ConnectionEvidence { polling: Polling::Unknown(UnknownReason::Gone), connections: Vec::new() },
        };
        Ok(strangers.map(user).collect())
    }
}

fn facts_of(survey: &Survey) -> Facts {
    Facts {
        now: Timestamp::now(),
        processes: survey.processes,
        uninspected: survey.uninspected,
        hidden: survey.hidden,
        ..Facts::default()
    }
}

fn give_remote(bot: &mut BotFacts, remote: &TokenAndServer) {
    bot.token = remote.token.clone().or(bot.token.take());
    bot.token_fault.clone_from(&remote.token_fault);
    bot.server.clone_from(&remote.server);
    bot.api_flags.clone_from(&remote.api_flags);
}

/// Finds the bot whose token is at hand; one that does not run is put there.
fn give_ambient(ambient: &AskedBot, bots: &mut Vec<BotFacts>) {
    let Some(token) = &ambient.remote.token else { return };
    let is_theirs = |bot: &BotFacts| bot.token.as_ref().is_some_and(|theirs| theirs.fingerprint == token.fingerprint);
    let at = bots.iter().position(is_theirs).unwrap_or_else(|| {
        let name = format!("bot {}", token.bot_id);
        bots.push(BotFacts { id: name.clone(), name, select: ambient.select.clone(), ..BotFacts::default() });
        bots.len() - 1
    });
    bots[at].target = Some(0);
    give_remote(&mut bots[at], &ambient.remote);
}

fn token_of(instance: &Instance) -> Option<KnownToken> {
    let TokenId { bot_id, fingerprint } = instance.known_token()?.clone();
    let place = match &instance.in_file {
        EnvFileToken::Token { path, .. } => path.display().to_string(),
        EnvFileToken::Nothing | EnvFileToken::Unclear => format!("the environment of PID {}", instance.root.pid),
    };
    Some(KnownToken { bot_id, fingerprint, place, is_padded: false })
}

fn lock_alone(lock: LockEvidence) -> BotFacts {
    let path = lock.facts.path.display().to_string();
    let flag = format!("-l {}", shell::quote(&path));
    BotFacts { id: path.clone(), name: path, lock_flag: Some(flag), locks: vec![lock], ..BotFacts::default() }
}

/// What doctor alone asks about an instance.
fn look_closer(instance: &Instance, skip_env: Option<&str>) -> SeenInstance {
    let handle = Handle::open(instance.root.pid);
    let folder = handle.as_ref().and_then(Handle::cwd);
    let environ = handle.and_then(|handle| handle.environ().ok());
    // A title may have overwritten it: nothing is known then.
    let environ = environ.filter(|environ| !environ.is_empty());
    let skips_lock = skip_env.and_then(|name| Some(variable(environ.as_ref()?, name) == Some(b"1")));
    SeenInstance {
        instance: instance.clone(),
        skips_lock,
        flocks: flocks_around(instance),
        traces: traces_of(instance, environ.as_deref()),
        folder_is_gone: folder.is_some_and(|cwd| proc::is_deleted(&cwd)),
        evidence: ConnectionEvidence { polling: Polling::Unknown(UnknownReason::Gone), connections: Vec::new() },
        padded: environ.as_deref().and_then(padded),
        has_proxy: environ.as_deref().is_some_and(proxy::is_set),
        listeners: instance.pids().into_iter().filter(|pid| sockets::is_listening(*pid).unwrap_or(false)).collect(),
        is_around_us: is_around_us(&instance.members),
        other_user: facts::other_user(instance.uid),
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

fn traces_of(instance: &Instance, environ: Option<&[u8]>) -> Vec<StartTrace> {
    let of_ancestor = |pid: i32| {
        let handle = Handle::open(pid)?;
        traces::of_ancestor(pid, &handle.argv(), handle.exe().as_deref())
    };
    let ancestors = instance.ancestors.iter().filter_map(|ancestor| of_ancestor(ancestor.pid));
    ancestors.chain(environ.and_then(traces::of_environ)).collect()
}
