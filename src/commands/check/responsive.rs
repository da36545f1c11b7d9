//! `check --running --responsive`: whether the bot fetches its updates, by the length of its queue at Telegram and by what
//! its connections have brought. Only what is proved is a no.

use std::collections::HashMap;
use std::time::Duration;

use crate::base::duration::show;
use crate::base::error::Expected;
use crate::base::exit::Exit;
use crate::cli;
use crate::journal::looks::APART;
use crate::outcome::events::{Events, Notice};
use crate::settings::Settings;
use crate::survey::queue::asked::QueueLooks;
use crate::survey::queue::judge::Judgement;
use crate::survey::{FoundBot, queue, servers};

/// What came of it.
#[derive(Debug, Default)]
pub struct QueueVerdict {
    /// Why the answer is not yes.
    pub reason: Option<String>,
    /// Whether it is no or unknown then.
    pub unknown: Option<Exit>,
    /// It may be at an update, with a client that connects for each poll alone: that it is not connected just now is then no
    /// reason for a no.
    pub may_handle: bool,
}

impl QueueVerdict {
    fn no(reason: String) -> Self {
        Self { reason: Some(reason), ..Self::default() }
    }

    /// It is neither yes nor no.
    fn cannot_tell(exit: Exit, why: &str, hints: Vec<String>) -> Self {
        let reasons = std::iter::once(format!("cannot tell whether it fetches updates: {why}")).chain(hints);
        Self { unknown: Some(exit), ..Self::no(reasons.collect::<Vec<_>>().join("; ")) }
    }
}

/// What is asked of every bot, again and again while `--wait` lasts.
pub struct Responsiveness<'a> {
    within: Duration,
    api: &'a cli::Api,
    settings: &'a Settings,
    queues: HashMap<String, QueueLooks>,
}

impl<'a> Responsiveness<'a> {
    /// `None` unless it is asked for.
    pub fn of(args: &'a cli::Check, settings: &'a Settings) -> Option<Self> {
        let (within, api) = (args.responsive?, &args.api);
        Some(Self { within, api, settings, queues: HashMap::new() })
    }

    /// Whether the one instance that runs fetches its updates.
    pub fn judge(
        &mut self,
        bot: &FoundBot,
        is_blind: bool,
        is_unconnected: bool,
        events: &mut dyn Events,
    ) -> QueueVerdict {
        let client = match self.settings.client(&bot.bot, self.api) {
            Ok(client) => client.without_retries(),
            Err(error) => return QueueVerdict::cannot_tell(error.exit(), &error.brief(), error.hints()),
        };
        let here = queue::here(bot, &servers::of_bot(&bot.bot), is_blind);
        let queue = self.queues.entry(bot.label.clone()).or_insert_with(|| QueueLooks::of(&client));
        // What has just come in may be what it is at.
        let history = queue.look(&client, here, is_unconnected);
        if let Some(trouble) = queue.trouble() {
            events.notice(&Notice::Warning(format!("{}: {trouble}", bot.label)));
        }
        let unknown = |why| QueueVerdict::cannot_tell(Exit::NotPermitted, why, Vec::new());
        let history = match history {
            Ok(Some(history)) => history,
            Ok(None) => return unknown("the system does not name its boot"),
            Err(error) => return QueueVerdict::cannot_tell(error.exit(), &error.to_string(), error.hints()),
        };
        let who = history.here.instances.first().map_or_else(|| "it".to_owned(), |one| format!("PID {}", one.0));
        let verdict = match history.judge(self.within) {
            Judgement::Fine => QueueVerdict::default(),
            Judgement::Webhook => unknown("a webhook is or was just set, so the queue says nothing about polling"),
            Judgement::TooFew { after } => {
                // Time for the look that is needed then.
                let wait = show(Duration::from_secs(after.as_secs()) + 2 * APART);
                let why = "updates are waiting, and its queue has not been looked at for long enough";
                let hint = format!("to look on: {} --wait {wait}", self.again(bot));
                QueueVerdict::cannot_tell(Exit::NotPermitted, why, vec![hint])
            }
            Judgement::Deaf(stuck) => {
                let quiet = show(Duration::from_secs(stuck.quiet.unwrap_or_default().as_secs()));
                QueueVerdict::no(format!("{who} is deaf: {stuck}, and no byte has come from Telegram for {quiet}"))
            }
            Judgement::Slow(stuck, why) => {
                let text = format!("{}: {who} is slow, or does not fetch its updates: {stuck}; {why}", bot.label);
                events.notice(&Notice::Warning(text));
                QueueVerdict::default()
            }
        };
        let may_handle = history.looks.last().is_some_and(|look| look.pending > 0);
        QueueVerdict { may_handle, ..verdict }
    }

    /// What asks the same of this bot, in any folder.
    fn again(&self, bot: &FoundBot) -> String {
        format!("solobot check --running --responsive={} {}", show(self.within), bot.bot.typed())
    }
}
