//! What is running here, and what is known about it: the one place that answers, the same for every subcommand.
//!
//! A subcommand asks once, for the bots that are named or for everything on this machine that looks like a bot, and
//! gets one value. A process that is found by one sign (program, token, connection, lock, record, journal) brings in
//! every process of its program. One place decides which of them are the same bot ([`crate::process::same_bot`]),
//! another one whose they are ([`users`]).
//!
//! A bot's name is its name in solobot.toml, otherwise that of its program
//! ([`crate::process::program::Program::short_name`]). Two bots without an entry may have the same name; then what is
//! shown to people also contains the file or the token's fingerprint ([`FoundBot::label`]).
//!
//! Invariants: nothing is changed, and nothing is sent, except that the name of a self-hosted server is looked up if
//! connections are asked for, that [`leases`] reads the engine of a bot that has one, if leases are asked for, and what [`queue::asked`] is told to
//! ask. What could not be seen is counted. Not promised: that what was found is still running
//! when the caller looks at it. A caller that acts checks the [`Identity`] again (`process::stop`).

mod bots;
pub mod connections;
pub mod evidence;
pub mod find;
pub mod folder;
pub mod held_locks;
pub mod holders;
pub mod journal;
pub mod layout_files;
pub mod lease_observer;
pub mod leases;
pub mod likely;
pub mod locks;
pub mod logs;
pub mod moved;
mod nameless;
pub mod queue;
pub mod recent;
pub mod scan;
pub mod scripts;
pub mod servers;
pub mod token_users;
pub mod tokens;
pub mod users;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use self::connections::{ConnectionEvidence, Polling, Servers, Subject};
use self::find::{FoundInstances, Search};
use self::likely::LikelyBot;
use self::locks::Locks;
use self::scan::ProcessScan;
use crate::base::env;
use crate::base::error::Error;
use crate::base::secret::TokenId;
use crate::journal::Journal;
use crate::lock::coverage::LockCoverage;
use crate::lock::layouts::LayoutFile;
use crate::lock::state::{State, inspect};
use crate::platform::identity::Identity;
use crate::platform::proc;
use crate::process::instance::{EnvFileToken, Instance};
use crate::process::matching::{Confidence, Matcher};
use crate::process::origin;
use crate::process::program::Program;
use crate::settings::{Bot, Caller, Settings};
use crate::telegram::sources::{self, TokenSource};

pub use self::bots::{FoundBot, Survey};

/// What is asked about one bot.
struct BotQuery<'a> {
    search: Search<'a>,
    matcher: Matcher<'a>,
    /// The programs that its script starts.
    started: Vec<(Search<'a>, Matcher<'a>)>,
}

impl<'a> BotQuery<'a> {
    fn of(search: Search<'a>, started: &'a [Program]) -> Self {
        let of_program = |program: &'a Program| (Search { program, ..search.clone() }, Matcher::new(program));
        Self { matcher: Matcher::new(search.program), started: started.iter().map(of_program).collect(), search }
    }

    fn matchers(&self) -> impl Iterator<Item = &Matcher<'a>> {
        std::iter::once(&self.matcher).chain(self.started.iter().map(|(_, matcher)| matcher))
    }

    fn find(&self, scan: &mut ProcessScan, servers: &Servers) -> FoundInstances {
        let connected = &mut |all: &[&Instance]| are_connected(all, servers);
        let mut found = find::find(scan, &self.matcher, &self.search, connected);
        for (search, matcher) in &self.started {
            found.add_started_by_script(find::find(scan, matcher, search, connected));
        }
        found
    }
}

/// Whoever looks, again and again perhaps.
pub struct Surveyor<'a> {
    settings: &'a Settings,
    /// What managers have said about the instances that they keep.
    answers: origin::ManagerAnswers,
    /// Where systemd has started processes whose folders cannot be read.
    folders: origin::StartFolders,
    /// The lock that this process holds.
    ours: Option<PathBuf>,
}

impl<'a> Surveyor<'a> {
    /// With these settings.
    pub fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            answers: origin::ManagerAnswers::default(),
            folders: origin::StartFolders::default(),
            ours: None,
        }
    }

    /// From now on this process holds the lock at this path; nobody is asked who does.
    pub fn holds(&mut self, lock: &Path) {
        self.ours = Some(lock.to_owned());
    }

    /// Forgets what managers have said.
    pub fn forget(&mut self) {
        self.answers = origin::ManagerAnswers::default();
    }

    /// Looks at these bots; at whatever looks like one, where there is none of them.
    ///
    /// # Errors
    /// If the process table cannot be read.
    pub fn look(&mut self, bots: &[Bot]) -> Result<Survey, Error> {
        if bots.is_empty() { self.look_around(&[]) } else { self.look_at(bots) }
    }

    /// Looks at these bots.
    ///
    /// # Errors
    /// If the process table cannot be read.
    pub fn look_at(&mut self, bots: &[Bot]) -> Result<Survey, Error> {
        let caller = self.settings.context().caller;
        let mut survey = Survey::default();
        let started: Vec<Vec<Program>> =
            bots.iter().map(|bot| bot.program.as_ref().map(Program::started_by_script).unwrap_or_default()).collect();
        let asked: Vec<Option<BotQuery<'_>>> = bots
            .iter()
            .zip(&started)
            .map(|(bot, started)| {
                let program = bot.program.as_ref()?;
                let token = token_of(bot, caller).unwrap_or_else(|error| {
                    survey.warnings.push(format!("{}: token unknown: {error}", bot.name));
                    None
                });
                let longer = self.settings.longer_arguments(bot);
                let search =
                    Search { program, token, own: variables_of(bot), longer, users: bot.users.clone(), caller };
                Some(BotQuery::of(search, started))
            })
            .collect();
        let matchers: Vec<&Matcher<'_>> = asked.iter().flatten().flat_map(BotQuery::matchers).collect();
        let journal = Journal::at(self.settings.journal());
        let mut scan = ProcessScan::of_programs(&matchers).map_err(listing)?.with_journal(journal);
        let of_another = |bot: &&Bot| self.ours.as_ref() != Some(&bot.lock);
        for bot in bots.iter().filter(|bot| bot.program.is_some()).filter(of_another) {
            if let Some((process, argv)) = held_locks::started_under(&bot.lock) {
                scan.retitle(process, &argv);
            }
        }
        scan.ask_for_folders(&matchers, &mut self.folders);
        let servers: Vec<Servers> = bots.iter().map(servers::known_of_bot).collect();
        let mut all: Vec<FoundInstances> = Vec::new();
        for (asked, servers) in asked.iter().zip(&servers) {
            all.push(asked.as_ref().map(|asked| asked.find(&mut scan, servers)).unwrap_or_default());
        }
        let known: Vec<Identity> =
            all.iter().flat_map(FoundInstances::settled).flat_map(|one| one.members.iter().copied()).collect();
        for (number, ((bot, asked), mut found)) in bots.iter().zip(&asked).zip(all).enumerate() {
            let Some(asked) = asked else {
                survey.bots.push(FoundBot { asked: number, ..self.without_program(bot, &scan) });
                continue;
            };
            let rivals = token_users::add(&mut scan, &mut found, &asked.search, &servers[number], &known);
            for one in self.distinct(bot, found, &mut scan, Some(&asked.search)) {
                survey.bots.push(FoundBot { asked: number, rivals: rivals.clone(), ..one });
            }
        }
        Ok(finished(survey, &scan))
    }

    /// Looks at whatever looks like a bot on this machine, and at what runs these programs.
    ///
    /// # Errors
    /// If the process table cannot be read.
    pub fn look_around(&mut self, programs: &[Program]) -> Result<Survey, Error> {
        let context = self.settings.context();
        let servers = servers::of_machine(context);
        let connected = connections::connected(&servers).map_err(listing)?;
        let mut holders = likely::holders(&held_locks::all().map_err(listing)?);
        holders.extend(claimants(&layout_files::existing(context, connected.owners.iter().map(|process| process.pid))));
        holders.extend(likely::started_by_journal(&Journal::at(self.settings.journal()).read().events));
        let connected: HashSet<Identity> = connected.owners.into_iter().collect();
        let programs = programs.to_vec();
        let held_locks =
            likely::BotSigns { connected: connected.clone(), holders, programs, ..likely::BotSigns::default() };
        let (mut scan, all) = likely::find(&held_locks, context.caller).map_err(listing)?;
        let mut survey = Survey::default();
        for likely in all {
            survey.bots.extend(self.likely_bots(&mut scan, &likely, &servers, &connected));
        }
        survey.bots.sort_by_key(|one| one.found.all().map(|instance| instance.root.start_ticks).min());
        Ok(finished(survey, &scan))
    }

    fn likely_bots(
        &mut self,
        scan: &mut ProcessScan,
        likely: &LikelyBot,
        servers: &Servers,
        connected: &HashSet<Identity>,
    ) -> Vec<FoundBot> {
        let context = self.settings.context();
        let nothing = Program::script(Path::new("/"));
        let search = Search::new(likely.program.as_ref().unwrap_or(&nothing), context.caller);
        let mut found = find::sorted(scan, &likely.matches, &search, &mut |all| are_connected(all, servers));
        found.promote_connected(&found.tokens(None), &|process| connected.contains(process));
        let Some(first) = found.instances.first().or(found.probable.first()) else { return Vec::new() };
        let cwd = first.cwd.clone().unwrap_or_else(|| "/".into());
        let bot = match &likely.program {
            Some(program) => self.settings.bot_running(program, &cwd),
            None => self.settings.bot_of_process(&first.command, &cwd),
        };
        self.distinct(&bot, found, scan, None)
    }

    /// A bot of which only a lock, or a token, is known.
    fn without_program(&self, bot: &Bot, scan: &ProcessScan) -> FoundBot {
        let token = bot.token.resolve().ok().flatten().map(|resolved| resolved.token.id());
        let none = FoundInstances::default();
        let locks = locks::of_bot(bot, &none, token.as_ref(), scan, self.settings.context(), self.ours.as_deref());
        FoundBot::new(bot.clone(), FoundInstances::default(), locks)
    }

    /// The bots that were found where one was asked for, each with its own lock if nobody names one: a bare name, or
    /// differing tokens, can mean several.
    fn distinct(
        &mut self,
        bot: &Bot,
        found: FoundInstances,
        scan: &mut ProcessScan,
        search: Option<&Search<'_>>,
    ) -> Vec<FoundBot> {
        let all = found.distinct();
        let token = search.and_then(|search| search.token.as_ref());
        // Of several, nothing says whose the holder is.
        let search = search.filter(|_| all.len() == 1);
        let context = self.settings.context();
        let ours = self.ours.as_deref();
        let narrowed = |mut found: FoundInstances| {
            let mut own = bot.clone();
            let running = found.instances.first().and_then(|one| one.program.as_ref().zip(one.cwd.as_ref()));
            if let Some((program, cwd)) = running {
                own = own.running(program, cwd);
            }
            let mut locks = locks::of_bot(&own, &found, token, scan, context, ours);
            // What runs under our own lock is our own tree.
            let search = search.filter(|_| ours != Some(&locks.own.path));
            if search.is_some_and(|search| nameless::add_under_lock(scan, &mut found, search, &locks.own)) {
                locks = locks::of_bot(&own, &found, token, scan, context, ours);
            }
            found.forecast(&mut self.answers);
            promote_holders(&mut found, &locks);
            FoundBot::new(own, found, locks)
        };
        all.into_iter().map(narrowed).collect()
    }
}

fn listing(source: std::io::Error) -> Error {
    Error::Io { action: "list processes".into(), source }
}

fn finished(mut survey: Survey, scan: &ProcessScan) -> Survey {
    survey.processes = scan.processes;
    survey.uninspected = scan.uninspected();
    survey.hidden = proc::hides_others();
    survey.label();
    survey
}

/// Whether instances are connected to the servers; `None` where that cannot be seen.
fn are_connected(all: &[&Instance], servers: &Servers) -> Vec<Option<bool>> {
    let subjects: Vec<Subject<'_>> = all.iter().map(|one| Subject { members: &one.members, servers }).collect();
    let answer = |evidence: ConnectionEvidence| match evidence.polling {
        Polling::Yes => Some(true),
        Polling::No => Some(false),
        Polling::Unknown(_) => None,
    };
    connections::look(&subjects).into_iter().map(answer).collect()
}

/// What is doubtful, and holds the bot's own lock, is the bot.
fn promote_holders(found: &mut FoundInstances, locks: &Locks) {
    let is_holder = |one: &Instance| {
        !find::is_strangers(one) && LockCoverage::of(&one.members, &one.ancestors, &locks.own) == LockCoverage::Holder
    };
    let (holders, doubtful): (Vec<Instance>, Vec<Instance>) =
        std::mem::take(&mut found.probable).into_iter().partition(is_holder);
    found.probable = doubtful;
    let sure = |one: Instance| Instance { confidence: Confidence::File, doubt: None, ..one };
    found.instances.extend(holders.into_iter().map(sure));
    found.instances.sort_by_key(|one| one.root.start_ticks);
}

/// Living processes that a lock of the field's layouts names, whether or not they hold it.
fn claimants(files: &[LayoutFile]) -> Vec<Identity> {
    let claimed = |file: &LayoutFile| match inspect(&file.path).state {
        State::OwnerAliveUnlocked(process) => vec![process],
        state => state.holders().to_vec(),
    };
    files.iter().flat_map(claimed).collect()
}

/// The token of the bot that is looked for.
///
/// The current folder's `.env` counts only if the program, which reads the one beside its script first, would find no
/// other token there.
///
/// # Errors
/// It cannot be read: whoever only looks goes on without.
fn token_of(bot: &Bot, caller: Caller) -> Result<Option<TokenId>, sources::SourceError> {
    let resolved = bot.token.resolve()?;
    let known = resolved.map(|resolved| resolved.token.id());
    let is_sure = resolved.is_some_and(|resolved| !matches!(resolved.source, TokenSource::EnvFile { .. }));
    if is_sure || bot.configured {
        return Ok(known);
    }
    let users = users::Users::of(bot.program.as_ref(), caller, &bot.users);
    let reader = tokens::TokenReader { by: None, owners: users.all(), own: &[] };
    let place = bot.program.as_ref().and_then(Program::place);
    Ok(match reader.find(place.as_deref().and_then(Path::parent), None) {
        EnvFileToken::Token { token, .. } if known.as_ref().is_none_or(|known| *known == token) => Some(token),
        EnvFileToken::Token { .. } | EnvFileToken::Unclear => None,
        EnvFileToken::Nothing => known,
    })
}

/// The variables that carry the bot's token, besides the usual ones.
fn variables_of(bot: &Bot) -> Vec<String> {
    let names = bot.token.sources().iter().flat_map(|source| match source {
        TokenSource::Variable(name) => vec![name.clone()],
        TokenSource::EnvFile { names, .. } => names.clone(),
        TokenSource::File(_) | TokenSource::Untrusted { .. } => Vec::new(),
    });
    names.filter(|name| !env::TOKENS.contains(&name.as_str())).collect()
}
