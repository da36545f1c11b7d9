//! One look at all bots: their locks, their instances, their connections.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::signs::SignReader;
use crate::base::error::Error;
use crate::base::time::to_the_second;
use crate::cli;
use crate::journal::Journal;
use crate::outcome::events::{Events, Notice};
use crate::outcome::status::{BotView, PollingView, StatusOutcome};

use crate::platform::identity::Identity;
use crate::platform::portable::ResourceUse;
use crate::platform::user;
use crate::settings::{SetBy, Settings};
use crate::survey::connections::Servers;
use crate::survey::lease_observer::LeaseObserver;
use crate::survey::{Surveyor, servers};

/// `-v` shows so many of the journal's events.
const LAST_EVENTS: usize = 10;

/// So long a manager's word on a unit and the address of a self-hosted server are believed: to ask costs a process of
/// systemctl or a DNS query.
const BELIEVED: Duration = Duration::from_secs(30);

/// So long what the engine of a lease said is believed: one on another host is asked over the network, or by ssh.
const LEASE_BELIEVED: Duration = Duration::from_secs(10);

/// Whoever looks, again and again perhaps.
pub struct StatusObserver<'a> {
    selection: &'a cli::Selection,
    lease: &'a cli::LeaseArgs,
    bots: &'a [String],
    settings: &'a Settings,
    surveyor: Surveyor<'a>,
    leases: LeaseObserver,
    /// Looked for only where somebody wants to be told.
    pub signs: Option<SignReader<'a>>,
    is_first: bool,
    /// When the managers and the resolver were asked last, and what that one said.
    asked: Instant,
    servers: HashMap<String, Servers>,
}

impl<'a> StatusObserver<'a> {
    pub fn new(args: &'a cli::Status, settings: &'a Settings) -> Self {
        let cli::Status { selection, lease, bots, .. } = args;
        let (surveyor, servers) = (Surveyor::new(settings), HashMap::new());
        let leases = LeaseObserver::every(LEASE_BELIEVED);
        Self {
            selection,
            lease,
            bots,
            settings,
            surveyor,
            leases,
            signs: None,
            is_first: true,
            asked: Instant::now(),
            servers,
        }
    }

    /// Lets it look for what alerts need.
    pub fn look_for_signs(&mut self) {
        self.signs = Some(SignReader::new(self.settings));
    }

    /// Looks once.
    ///
    /// # Errors
    /// For an unknown BOT, and if `/proc` cannot be read.
    pub fn once(mut self, events: &mut dyn Events) -> Result<StatusOutcome, Error> {
        let pause = &mut |pause| {
            std::thread::sleep(pause);
            true
        };
        self.again(&HashMap::new(), pause, events)
    }

    /// Looks once more. Connections are looked at several times, as long as `pause` says so; where that was not enough,
    /// what was known `before` of an instance stays.
    ///
    /// # Errors
    /// As [`StatusObserver::once`].
    pub fn again(
        &mut self,
        before: &HashMap<Identity, PollingView>,
        pause: &mut dyn FnMut(Duration) -> bool,
        events: &mut dyn Events,
    ) -> Result<StatusOutcome, Error> {
        if self.asked.elapsed() >= BELIEVED {
            self.asked = Instant::now();
            self.servers.clear();
            self.surveyor.forget();
        }
        let mut bots = self.settings.select_many(self.selection, self.bots)?;
        self.settings.set_leases(&mut bots, self.lease)?;
        let guessed = bots.is_empty();
        let mut survey = self.surveyor.look(&bots)?;
        // A typing error in a flag must not read "no instance"; what the file names may be deployed later, and what an
        // earlier look has seen may go.
        if self.is_first && bots.iter().any(|bot| matches!(bot.provenance.of("program"), SetBy::Flag(_))) {
            survey.refuse_nothing()?;
        }
        if self.is_first {
            survey.warnings.iter().for_each(|warning| events.notice(&Notice::Warning(warning.clone())));
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
        self.leases.look(&mut survey.bots);
        if let Some(signs) = &mut self.signs {
            signs.look(&survey.bots, survey.uninspected > 0 || survey.hidden, events);
        }
        let mut bots_seen: Vec<BotView> = survey.bots.iter().map(|bot| BotView::of(bot, before)).collect();
        measure(&mut bots_seen);
        Ok(StatusOutcome {
            host: user::host_name(),
            user: user::name(user::effective_uid()),
            time: to_the_second(Timestamp::now()),
            bots: bots_seen,
            processes: survey.processes,
            uninspected: survey.uninspected,
            hidden: survey.hidden,
            guessed,
            file: self.settings.file().map(Path::to_owned),
            provenance: bots.iter().flat_map(crate::settings::Bot::explained).collect(),
            events: Vec::new(),
            broken_events: 0,
            is_asked: false,
            watched: None,
        })
    }
}

/// Adds the journal's last events, for `-v`.
pub fn add_events(seen: &mut StatusOutcome, journal: &Journal) {
    let mut contents = journal.read();
    seen.events = contents.events.split_off(contents.events.len().saturating_sub(LAST_EVENTS));
    seen.broken_events = contents.broken;
}

/// What each instance uses, asked for all of them at once.
fn measure(bots: &mut [BotView]) {
    let mut instances: Vec<_> = bots.iter_mut().flat_map(|bot| &mut bot.instances).collect();
    let groups: Vec<Vec<i32>> = instances.iter().map(|one| one.pids.clone()).collect();
    for (instance, used) in instances.iter_mut().zip(ResourceUse::of_each(&groups)) {
        instance.memory_bytes = used.map(|used| used.memory);
        // A tenth is more than anybody reads.
        instance.cpu_percent = used.map(|used| (used.cpu * 10.0).round() / 10.0);
    }
}
