//! The bots that were found, and what is known about each.

use std::collections::HashMap;
use std::time::Duration;

use super::connections::{self, ConnectionEvidence, Servers, Subject};
use super::find::FoundInstances;
use super::leases::KnownLease;
use super::locks::Locks;
use super::servers;
use super::token_users::TokenUser;
use crate::base::secret::TokenId;
use crate::lock::coverage::LockCoverage;
use crate::lock::layouts;
use crate::lock::state::{LockFacts, State};
use crate::platform::identity::Identity;
use crate::process::instance::Instance;
use crate::process::program;
use crate::process::same_bot;
use crate::settings::Bot;

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Each distinct bot.
    pub bots: Vec<FoundBot>,
    /// How many processes there were.
    pub processes: usize,
    /// How many of them could not be inspected: more instances may run.
    pub uninspected: usize,
    /// Whether `/proc` hides other users' processes (`hidepid=`): the same.
    pub hidden: bool,
    /// Whole sentences for the operator.
    pub warnings: Vec<String>,
}

/// One bot, and what runs of it.
#[derive(Debug, Clone)]
pub struct FoundBot {
    /// The bot as it was named; a bot that was not named is described as by `-m`.
    pub bot: Bot,
    /// Which of the bots that were asked for it is.
    pub asked: usize,
    /// What people call it: its name, and what tells it from another of that name.
    pub label: String,
    /// Its instances, and what may be one.
    pub found: FoundInstances,
    pub locks: Locks,
    /// Its token, as far as it may be shown.
    pub token: Option<TokenId>,
    /// Other programs that are connected with its token.
    pub rivals: Vec<TokenUser>,
    /// Its lease across hosts, where that was asked for and it has one.
    pub lease: Option<KnownLease>,
    /// What was seen of its instances' connections, where that was asked for, by their roots.
    pub(super) evidence: HashMap<Identity, ConnectionEvidence>,
}

impl FoundBot {
    /// What runs of a bot, before its connections are looked at.
    pub fn new(bot: Bot, found: FoundInstances, locks: Locks) -> Self {
        let configured = bot.token.resolve().ok().flatten().map(|resolved| resolved.token.id());
        let seen = found.mine().find_map(Instance::known_token).cloned();
        Self {
            label: bot.name.clone(),
            asked: 0,
            token: seen.or(configured),
            bot,
            found,
            locks,
            rivals: Vec::new(),
            lease: None,
            evidence: HashMap::new(),
        }
    }

    /// How an instance stands to the bot's lock.
    pub fn covered(&self, instance: &Instance) -> LockCoverage {
        LockCoverage::of(&instance.members, &instance.ancestors, &self.locks.own)
    }

    /// What was seen of its connections, if they were looked at for long enough.
    pub fn evidence(&self, instance: &Instance) -> Option<&ConnectionEvidence> {
        self.evidence.get(&instance.root)
    }

    /// Who holds layout B's lock beside the program, or another program's lock for the bot's token, and is no instance: it
    /// polls too. What such a program writes into its lock is all that it takes.
    pub fn holders_beside(&self) -> Vec<(&LockFacts, Identity)> {
        let own = [&self.locks.own].into_iter().chain(&self.locks.others);
        let own = own.filter(|facts| facts.path.file_name().is_some_and(|name| name == layouts::LAYOUT_B));
        let is_known = |holder: &Identity| self.found.all().any(|one| one.kin().any(|pid| pid == holder.pid));
        let holders = own.chain(&self.locks.beside).flat_map(|facts| {
            let holders = match &facts.state {
                State::Held { holders, .. } => holders.as_slice(),
                State::OwnerAliveUnlocked(process) if facts.program().is_some() => std::slice::from_ref(process),
                _ => &[],
            };
            holders.iter().map(move |holder| (facts, *holder))
        });
        holders.filter(|(_, holder)| !is_known(holder)).collect()
    }
}

impl Survey {
    /// Refuses a program that names no file and that nothing runs.
    ///
    /// # Errors
    /// [`program::Error::Missing`].
    pub fn refuse_nothing(&self) -> Result<(), program::Error> {
        let mut with_program = self.bots.iter().filter_map(|one| Some((one, one.bot.program.as_ref()?)));
        with_program.try_for_each(|(one, program)| one.found.refuse_nothing(program))
    }

    /// Looks at the connections of all instances at the same time, several times as long as `pause` says so.
    pub fn look_at_connections(
        &mut self,
        servers: &mut dyn FnMut(&Bot) -> Servers,
        pause: &mut dyn FnMut(Duration) -> bool,
    ) {
        // A name is looked up only for somebody.
        let has_any = |one: &FoundBot| one.found.mine().next().is_some();
        let servers: Vec<Servers> =
            self.bots.iter().map(|one| if has_any(one) { servers(&one.bot) } else { Servers::default() }).collect();
        let all =
            self.bots.iter().zip(&servers).flat_map(|(one, servers)| one.found.mine().map(move |it| (it, servers)));
        let (roots, subjects): (Vec<Identity>, Vec<Subject<'_>>) =
            all.map(|(one, servers)| (one.root, Subject { members: &one.members, servers })).unzip();
        let seen = connections::look_pausing(&subjects, pause);
        let seen: HashMap<Identity, ConnectionEvidence> =
            roots.into_iter().zip(seen).filter_map(|(root, evidence)| Some((root, evidence?))).collect();
        for bot in &mut self.bots {
            let own = bot.found.mine().map(|one| one.root);
            bot.evidence = own.filter_map(|root| Some((root, seen.get(&root)?.clone()))).collect();
            bot.found.set_workers_aside(&|one| seen.get(&one.root).map(|evidence| evidence.polling));
        }
    }

    /// Looks at connections where some instance may do other work than its bot, so that it is not counted as a second one.
    pub fn set_workers_aside(&mut self) {
        if self.bots.iter().any(|one| same_bot::may_do_other_work(&one.found.instances)) {
            self.look_at_connections(&mut servers::of_bot, &mut connections::wait);
        }
    }

    /// Of several bots of one name each is told by its program's file; where that is the same, by its token, or its PID.
    pub(super) fn label(&mut self) {
        let bots = &mut self.bots;
        let names: Vec<String> = bots.iter().map(|one| one.bot.name.clone()).collect();
        let places: Vec<Option<String>> =
            bots.iter().map(|one| one.bot.program.as_ref().map(ToString::to_string)).collect();
        for (at, bot) in bots.iter_mut().enumerate() {
            let alike: Vec<usize> =
                (0..names.len()).filter(|&other| other != at && names[other] == names[at]).collect();
            if alike.is_empty() {
                continue;
            }
            let has_own_place = alike.iter().all(|&other| places[other] != places[at]);
            let token = bot.token.as_ref().map(|token| format!("bot id {}, token {}", token.bot_id, token.fingerprint));
            let pid = || bot.found.mine().next().map(|one| format!("PID {}", one.root.pid));
            let apart = if has_own_place { places[at].clone() } else { token.or_else(pid) };
            if let Some(apart) = apart {
                bot.label = format!("{} ({apart})", names[at]);
            }
        }
    }
}
