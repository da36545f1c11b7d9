//! `check --running --responsive`: whether the bot fetches its updates, by the length of its queue at Telegram and by what
//! its connections have brought. Only what is proved is a no.

use std::collections::HashMap;
use std::time::Duration;

use super::Objections;
use crate::base::duration::show;
use crate::base::error::Expected;
use crate::base::exit::Exit;
use crate::cli;
use crate::commands::queue::Queue;
use crate::journal::looks::APART;
use crate::outcome::events::{Events, Notice};
use crate::settings::Settings;
use crate::survey::queue::judge::Judgement;
use crate::survey::{FoundBot, queue, servers};

/// What is asked of every bot, again and again while `--wait` lasts.
pub struct Responsiveness<'a> {
    within: Duration,
    api: &'a cli::Api,
    settings: &'a Settings,
    queues: HashMap<String, Queue>,
}

impl<'a> Responsiveness<'a> {
    /// `None` unless it is asked for.
    pub fn of(args: &'a cli::Check, settings: &'a Settings) -> Option<Self> {
        let (within, api) = (args.responsive?, &args.api);
        Some(Self { within, api, settings, queues: HashMap::new() })
    }

    /// Adds what speaks against the one instance that runs.
    pub fn judge(&mut self, bot: &FoundBot, is_blind: bool, objections: &mut Objections, events: &mut dyn Events) {
        if !objections.reasons.is_empty() {
            return;
        }
        let client = match self.settings.client(&bot.bot, self.api) {
            Ok(client) => client.without_retries(),
            Err(error) => return cannot_tell(objections, error.exit(), &error.brief(), error.hints()),
        };
        let here = queue::here(bot, &servers::of_bot(&bot.bot), is_blind);
        let queue = self.queues.entry(bot.label.clone()).or_insert_with(|| Queue::of(&client));
        let is_fresh_needed = objections.unconnected.is_some();
        let history = queue.look(&client, here, is_fresh_needed);
        if let Some(trouble) = queue.trouble() {
            events.notice(&Notice::Warning(format!("{}: {trouble}", bot.label)));
        }
        let history = match history {
            Ok(Some(history)) => history,
            Ok(None) => {
                return cannot_tell(objections, Exit::NotPermitted, "the system does not name its boot", Vec::new());
            }
            Err(error) => return cannot_tell(objections, error.exit(), &error.to_string(), error.hints()),
        };
        if history.looks.last().is_some_and(|look| look.pending > 0) {
            // It may be at one of them, with a client that connects for each poll alone: the queue knows better.
            objections.unconnected = None;
        }
        let who = history.here.instances.first().map_or_else(|| "it".to_owned(), |one| format!("PID {}", one.0));
        match history.judge(self.within) {
            Judgement::Fine => {}
            Judgement::Webhook => {
                let why = "a webhook is or was just set, so the queue says nothing about polling";
                cannot_tell(objections, Exit::NotPermitted, why, Vec::new());
            }
            Judgement::TooFew { after } => {
                // Time for the look that is needed then.
                let wait = show(Duration::from_secs(after.as_secs()) + 2 * APART);
                let why = "updates are waiting, and its queue has not been looked at for long enough";
                cannot_tell(
                    objections,
                    Exit::NotPermitted,
                    why,
                    vec![format!("to look on: {} --wait {wait}", self.again(bot))],
                );
            }
            Judgement::Deaf(stuck) => {
                let quiet = show(Duration::from_secs(stuck.quiet.unwrap_or_default().as_secs()));
                objections.say(format!("{who} is deaf: {stuck}, and no byte has come from Telegram for {quiet}"));
            }
            Judgement::Slow(stuck, why) => {
                let text = format!("{}: {who} is slow, or does not fetch its updates: {stuck}; {why}", bot.label);
                events.notice(&Notice::Warning(text));
            }
        }
    }

    /// What asks the same of this bot, in any folder.
    fn again(&self, bot: &FoundBot) -> String {
        format!("solobot check --running --responsive={} {}", show(self.within), bot.bot.typed())
    }
}

/// It is neither yes nor no, for this reason.
fn cannot_tell(objections: &mut Objections, exit: Exit, why: &str, hints: Vec<String>) {
    let reasons: Vec<String> =
        std::iter::once(format!("cannot tell whether it fetches updates: {why}")).chain(hints).collect();
    objections.unknown = Some(exit);
    objections.say(reasons.join("; "));
}
