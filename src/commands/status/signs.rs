//! What alerts need to know beside what `status` shows: conflicts in a bot's logs, and whether it fetches its updates. Looked
//! at only for alerts that are configured, and seldom.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::base::duration::show;
use crate::cli;
use crate::outcome::events::{Events, Notice};
use crate::settings::Settings;
use crate::settings::alerts::AlertKind;
use crate::survey::queue::asked::QueueLooks;
use crate::survey::queue::judge::Judgement;
use crate::survey::{FoundBot, queue, recent, servers};

/// How often logs are read and Telegram is asked.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How long updates may wait before a bot is called deaf: as `check --running --responsive`.
const DEAF_AFTER: Duration = Duration::from_mins(10);

/// What was found of one bot.
#[derive(Debug, Default)]
pub struct SeenSigns {
    pub conflict: Option<String>,
    pub deaf: Option<String>,
}

/// Whoever looks for them.
pub struct SignReader<'a> {
    settings: &'a Settings,
    looked: Option<Instant>,
    queues: HashMap<String, QueueLooks>,
    /// What was said of a bot, which is not said again.
    said: Vec<String>,
    found: HashMap<String, SeenSigns>,
}

impl<'a> SignReader<'a> {
    pub fn new(settings: &'a Settings) -> Self {
        Self { settings, looked: None, queues: HashMap::new(), said: Vec::new(), found: HashMap::new() }
    }

    pub fn of_bot(&self, label: &str) -> Option<&SeenSigns> {
        self.found.get(label)
    }

    /// Looks, if it is time; `is_blind`: not every process could be looked at.
    pub fn look(&mut self, bots: &[FoundBot], is_blind: bool, events: &mut dyn Events) {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return;
        }
        self.looked = Some(Instant::now());
        let alerts = self.settings.alerts();
        for bot in bots {
            let one = bot.found.for_starting().next();
            let conflicts = one.filter(|_| alerts.has(AlertKind::Conflict)).map(|one| recent::conflicts(bot, one));
            let conflicts = conflicts.unwrap_or_default();
            conflicts.warnings.iter().for_each(|warning| self.say(warning, events));
            let deaf = one.filter(|_| alerts.has(AlertKind::Deaf)).and_then(|_| self.deaf(bot, is_blind, events));
            self.found.insert(bot.label.clone(), SeenSigns { conflict: conflicts.conflicts, deaf });
        }
    }

    fn say(&mut self, warning: &str, events: &mut dyn Events) {
        if !self.said.iter().any(|said| said == warning) {
            self.said.push(warning.to_owned());
            events.notice(&Notice::Warning(warning.to_owned()));
        }
    }

    fn deaf(&mut self, bot: &FoundBot, is_blind: bool, events: &mut dyn Events) -> Option<String> {
        let api = cli::Api::default();
        let client = match self.settings.client(&bot.bot, &api) {
            Ok(client) => client.without_retries(),
            Err(error) => {
                self.say(&format!("{}: cannot tell whether it is deaf: {}", bot.label, error.brief()), events);
                return None;
            }
        };
        let here = queue::here(bot, &servers::of_bot(&bot.bot), is_blind);
        let looks = self.queues.entry(bot.label.clone()).or_insert_with(|| QueueLooks::of(&client));
        match looks.look(&client, here, false) {
            Ok(Some(history)) => match history.judge(DEAF_AFTER) {
                Judgement::Deaf(stuck) => {
                    let quiet = show(Duration::from_secs(stuck.quiet.unwrap_or_default().as_secs()));
                    Some(format!("{stuck}, and no byte has come from Telegram for {quiet}"))
                }
                _ => None,
            },
            Ok(None) => None,
            Err(error) => {
                self.say(&format!("{}: cannot tell whether it is deaf: {error}", bot.label), events);
                None
            }
        }
    }
}
