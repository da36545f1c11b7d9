//! One look at all bots: their locks, their instances, their connections.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::super::notice::Notify;
use super::super::polling;
use super::super::view::LockView;
use super::super::{distinct, facts_of_lock};
use super::{BotView, InstanceView, Outcome, Polling, TokenView};
use crate::base::error::Error;
use crate::cli;
use crate::lock::layouts;
use crate::lock::marks::{self, Mark};
use crate::lock::state::{State, inspect_with};
use crate::platform::identity::Identity;
use crate::platform::user;
use crate::process::connections::{self, Servers, Subject};
use crate::process::find::{self, Found};
use crate::process::instance::Instance;
use crate::process::origin::Answers;
use crate::settings::{Bot, Origin, Settings};

/// So long a manager's word on a unit and the address of a self-hosted server are believed: to ask costs a process of
/// systemctl or a DNS query.
const BELIEVED: Duration = Duration::from_secs(30);

/// Looks once; the first look of a run refuses a program that names nothing.
///
/// # Errors
/// For an unknown BOT, and if `/proc` cannot be read.
pub fn look(
    selection: &cli::Selection,
    bots: &[String],
    settings: &Settings,
    notify: &mut dyn Notify,
) -> Result<Outcome, Error> {
    Look::new(selection, bots, settings).once(notify)
}

/// Whoever looks, again and again perhaps.
pub struct Look<'a> {
    selection: &'a cli::Selection,
    bots: &'a [String],
    settings: &'a Settings,
    is_first: bool,
    /// Who was asked last, and what the answers were.
    asked: Instant,
    answers: Answers,
    servers: HashMap<String, Servers>,
}

impl<'a> Look<'a> {
    /// At these bots.
    pub fn new(selection: &'a cli::Selection, bots: &'a [String], settings: &'a Settings) -> Self {
        let (answers, servers) = (Answers::default(), HashMap::new());
        Self { selection, bots, settings, is_first: true, asked: Instant::now(), answers, servers }
    }

    /// Looks once.
    ///
    /// # Errors
    /// For an unknown BOT, and if `/proc` cannot be read.
    pub fn once(mut self, notify: &mut dyn Notify) -> Result<Outcome, Error> {
        let pause = &mut |pause| {
            std::thread::sleep(pause);
            true
        };
        self.again(&HashMap::new(), pause, notify)
    }

    /// Looks once more. Connections are looked at several times, as long as `pause` says so; where that was not enough,
    /// what was known `before` of an instance stays.
    ///
    /// # Errors
    /// As [`Look::once`].
    pub fn again(
        &mut self,
        before: &HashMap<Identity, Polling>,
        pause: &mut dyn FnMut(Duration) -> bool,
        notify: &mut dyn Notify,
    ) -> Result<Outcome, Error> {
        if self.asked.elapsed() >= BELIEVED {
            (self.asked, self.answers, self.servers) = (Instant::now(), Answers::default(), HashMap::new());
        }
        let bots = self.settings.select_many(self.selection, self.bots)?;
        let mut outcome = Outcome {
            host: user::host_name(),
            user: user::name(user::effective_uid()),
            time: now(),
            bots: Vec::new(),
            processes: 0,
            uninspected: 0,
            hidden: false,
            guessed: bots.is_empty(),
            file: self.settings.file().map(Path::to_owned),
            provenance: Vec::new(),
            events: Vec::new(),
            broken_events: 0,
            watched: None,
        };
        if outcome.guessed {
            self.guess(&mut outcome)?;
        }
        // Of each bot that is shown, the one that was asked for.
        let mut asked = Vec::new();
        for bot in &bots {
            let views = self.look_at(bot, &mut outcome, notify)?;
            asked.extend(views.iter().map(|_| bot));
            outcome.bots.extend(views);
            outcome.provenance.extend(bot.explained());
        }
        self.look_at_connections(&asked, &mut outcome, before, pause);
        self.is_first = false;
        Ok(outcome)
    }

    /// Looks at the connections of all instances at the same time.
    fn look_at_connections(
        &mut self,
        asked: &[&Bot],
        outcome: &mut Outcome,
        before: &HashMap<Identity, Polling>,
        pause: &mut dyn FnMut(Duration) -> bool,
    ) {
        let servers: Vec<Servers> = if outcome.guessed {
            vec![polling::servers_of_all(self.settings); outcome.bots.len()]
        } else {
            let mut of_bot = |(bot, seen): (&&Bot, &BotView)| match seen.instances[..] {
                // A name is looked up only for somebody.
                [] => Servers::default(),
                [_, ..] => self.servers.entry(bot.name.clone()).or_insert_with(|| polling::servers(bot)).clone(),
            };
            asked.iter().zip(&outcome.bots).map(&mut of_bot).collect()
        };
        let of_bot = |(bot, servers): (&BotView, _)| vec![servers; bot.instances.len()];
        let servers: Vec<&Servers> = outcome.bots.iter().zip(&servers).flat_map(of_bot).collect();
        let mut instances: Vec<&mut InstanceView> =
            outcome.bots.iter_mut().flat_map(|bot| &mut bot.instances).collect();
        let subjects: Vec<Subject<'_>> =
            instances.iter().zip(servers).map(|(one, servers)| Subject { members: &one.members, servers }).collect();
        let seen = connections::look_pausing(&subjects, pause);
        for (instance, evidence) in instances.iter_mut().zip(seen) {
            let known = || instance.members.first().and_then(|root| before.get(root)).copied();
            let seen = evidence.map(|evidence| evidence.polling.into()).or_else(known);
            instance.polling = seen.unwrap_or(Polling::Unknown);
        }
    }

    /// With nothing configured: every likely bot on this machine, and the lock that it may have.
    fn guess(&mut self, outcome: &mut Outcome) -> Result<(), Error> {
        let io = |source| Error::Io { action: "list processes".into(), source };
        let held = marks::all().map_err(io)?;
        let holders: Vec<Identity> = held.iter().flat_map(|mark| &mark.holders).copied().collect();
        let mut found = find::likely_bots(&[], &holders).map_err(io)?;
        found.forecast_by(&mut self.answers);
        outcome.processes = found.total;
        outcome.uninspected = found.uninspected;
        outcome.hidden = found.hidden;
        for instances in found.bots() {
            let Some(first) = instances.first() else { continue };
            let folder = folder_of(first);
            let state = self.settings.context().home.as_ref().map(|home| home.join(".local/state"));
            let locks = folder.map(|folder| layouts::of_bot(&folder, first.token.as_deref(), state.as_deref()));
            let heirs: Vec<i32> = instances.iter().flat_map(|one| one.kin()).collect();
            let is_its = |mark: &&Mark| instances.iter().any(|one| holds(one, mark));
            let own = held.iter().filter(is_its).map(|mark| mark.path.clone());
            let usual = locks.into_iter().flatten();
            let mut facts = own.chain(usual).map(|lock| inspect_with(&lock, &heirs));
            let facts = facts.find(|facts| facts.state != State::Absent);
            let views = instances.iter().map(|one| InstanceView::of(one, facts.as_ref()));
            let token = first.token.clone().zip(first.bot_id.clone());
            outcome.bots.push(BotView {
                name: name_of(first),
                lock: facts.as_ref().map(LockView::of),
                instances: views.collect(),
                token: token.map(|(fingerprint, bot_id)| TokenView { bot_id, fingerprint }),
            });
        }
        Ok(())
    }

    /// A bot that was asked for; each distinct one, where a bare name or differing tokens mean several.
    ///
    /// A typing error in a flag must not read "no instance"; what the file names may be deployed later, and what an
    /// earlier look has seen may go.
    fn look_at(&mut self, bot: &Bot, outcome: &mut Outcome, notify: &mut dyn Notify) -> Result<Vec<BotView>, Error> {
        let token = super::super::token_of(bot, notify);
        let mut found = Found::default();
        if let Some(program) = &bot.program {
            found = marks::find_instances(program, token, &bot.lock)
                .map_err(|source| Error::Io { action: "list processes".into(), source })?;
            if self.is_first && matches!(bot.provenance.of("program"), Origin::Flag(_)) {
                found.refuse_nothing(program)?;
            }
            found.forecast_by(&mut self.answers);
            outcome.processes = found.total;
            outcome.uninspected = outcome.uninspected.max(found.uninspected);
            outcome.hidden = found.hidden;
        }
        let token = token.map(|token| (token.fingerprint().to_owned(), token.bot_id().to_owned()));
        Ok(distinct(bot, found).iter().map(|(bot, found)| BotView::of(bot, found, token.clone())).collect())
    }
}

impl BotView {
    /// A bot and what was found of it; of several with one program, each is known by its own token.
    fn of(bot: &Bot, found: &Found, token: Option<(String, String)>) -> Self {
        let facts = facts_of_lock(bot, found);
        let sure = found.instances.iter().map(|one| InstanceView::of(one, Some(&facts)));
        let probable = found.probable.iter().map(|one| InstanceView::doubtful(one, &facts));
        let mut instances: Vec<InstanceView> = sure.chain(probable).collect();
        instances.sort_by_key(|one| (one.start, one.pid));
        let seen = found.instances.iter().find_map(|one| one.token.clone().zip(one.bot_id.clone()));
        Self {
            name: bot.name.clone(),
            lock: Some(LockView::of(&facts)),
            instances,
            token: token.or(seen).map(|(fingerprint, bot_id)| TokenView { bot_id, fingerprint }),
        }
    }
}

/// To a second.
pub(super) fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}

/// Whether the instance holds the lock, or what is above it does.
fn holds(instance: &Instance, mark: &Mark) -> bool {
    mark.holders.iter().any(|holder| instance.members.contains(holder) || instance.ancestors.contains(holder))
}

fn folder_of(instance: &Instance) -> Option<PathBuf> {
    let cwd = instance.cwd.clone().unwrap_or_default();
    instance.program.as_ref().map(|program| program.default_lock_dir(&cwd)).or(instance.cwd.clone())
}

/// What a bot is called that nobody has named.
pub fn name_of(instance: &Instance) -> String {
    let of_program = instance.program.as_ref().map(crate::process::program::Program::file_name);
    of_program.unwrap_or_else(|| instance.command.clone())
}
