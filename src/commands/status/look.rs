//! One look at all bots: their locks, their instances, their connections.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::super::notice::{Notice, Notify};
use super::super::view::LockView;
use super::{BotView, InstanceView, Outcome, Polling};
use crate::base::error::Error;
use crate::cli;
use crate::platform::identity::Identity;
use crate::platform::user;
use crate::process::instance::Instance;
use crate::settings::{Origin, Settings};
use crate::survey::connections::Servers;
use crate::survey::{FoundBot, Surveyor, servers};

/// So long a manager's word on a unit and the address of a self-hosted server are believed: to ask costs a process of
/// systemctl or a DNS query.
const BELIEVED: Duration = Duration::from_secs(30);

/// Whoever looks, again and again perhaps.
pub struct Look<'a> {
    selection: &'a cli::Selection,
    bots: &'a [String],
    settings: &'a Settings,
    surveyor: Surveyor<'a>,
    is_first: bool,
    /// When the managers and the resolver were asked last, and what that one said.
    asked: Instant,
    servers: HashMap<String, Servers>,
}

impl<'a> Look<'a> {
    /// At these bots.
    pub fn new(selection: &'a cli::Selection, bots: &'a [String], settings: &'a Settings) -> Self {
        let (surveyor, servers) = (Surveyor::new(settings), HashMap::new());
        Self { selection, bots, settings, surveyor, is_first: true, asked: Instant::now(), servers }
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
            self.asked = Instant::now();
            self.servers.clear();
            self.surveyor.forget();
        }
        let bots = self.settings.select_many(self.selection, self.bots)?;
        let guessed = bots.is_empty();
        let mut survey = self.surveyor.look(&bots)?;
        // A typing error in a flag must not read "no instance"; what the file names may be deployed later, and what an
        // earlier look has seen may go.
        if self.is_first && bots.iter().any(|bot| matches!(bot.provenance.of("program"), Origin::Flag(_))) {
            survey.refuse_nothing()?;
        }
        if self.is_first {
            survey.warnings.iter().for_each(|warning| notify.notice(&Notice::Warning(warning.clone())));
        }
        self.is_first = false;
        let of_machine = servers::of_machine(self.settings.context());
        let known = &mut self.servers;
        let mut servers = |bot: &crate::settings::Bot| {
            if guessed {
                return of_machine.clone();
            }
            known.entry(bot.name.clone()).or_insert_with(|| servers::of_bot(bot)).clone()
        };
        survey.look_at_connections(&mut servers, pause);
        Ok(Outcome {
            host: user::host_name(),
            user: user::name(user::effective_uid()),
            time: now(),
            bots: survey.bots.iter().map(|bot| BotView::of(bot, before)).collect(),
            processes: survey.processes,
            uninspected: survey.uninspected,
            hidden: survey.hidden,
            guessed,
            file: self.settings.file().map(Path::to_owned),
            provenance: bots.iter().flat_map(crate::settings::Bot::explained).collect(),
            events: Vec::new(),
            broken_events: 0,
            watched: None,
        })
    }
}

impl BotView {
    fn of(bot: &FoundBot, before: &HashMap<Identity, Polling>) -> Self {
        let seen = |one: &Instance| bot.evidence(one).map(|evidence| evidence.polling.into());
        let polling = |one: &Instance| seen(one).or(before.get(&one.root).copied()).unwrap_or(Polling::Unknown);
        let sure = bot.found.instances.iter().map(|one| InstanceView::of(one, bot, polling(one)));
        let probable = bot.found.probable.iter().map(|one| InstanceView::doubtful(one, bot, polling(one)));
        let mut instances: Vec<InstanceView> = sure.chain(probable).collect();
        instances.sort_by_key(|one| (one.start, one.pid));
        Self {
            name: bot.bot.name.clone(),
            label: bot.label.clone(),
            lock: LockView::of(&bot.locks.own),
            instances,
            token: bot.token.clone(),
        }
    }
}

/// To a second.
pub(super) fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}
