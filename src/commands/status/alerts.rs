//! `status --watch -q`: what was seen becomes alerts.

use std::time::Duration;

use super::signs::SignReader;
use crate::alert::{AlertedBot, Alerts};
use crate::base::exit::Exit;
use crate::outcome::condition::BotCondition;
use crate::outcome::events::Events;
use crate::outcome::lease::LeaseStateView;
use crate::outcome::lock::LockStateView;
use crate::outcome::status::{BotView, StatusOutcome};
use crate::settings::Settings;
use crate::settings::alerts::{AlertKind, PingUrl};

/// Whoever tells.
pub struct WatchAlerts {
    alerts: Alerts,
    /// Each bot has a URL of its own.
    pings_each: bool,
}

impl WatchAlerts {
    pub fn new(alerts: Alerts, settings: &Settings) -> Self {
        let pings_each = settings.alerts().ping.as_ref().is_some_and(PingUrl::is_of_each);
        Self { alerts, pings_each }
    }

    /// Tells what has changed.
    pub fn see(&mut self, seen: &StatusOutcome, signs: Option<&SignReader<'_>>, events: &mut dyn Events) {
        for bot in &seen.bots {
            self.see_bot(bot, seen, signs, events);
        }
        self.tend(seen, events);
    }

    /// Looks after what runs, and asks for the URL.
    pub fn tend(&mut self, seen: &StatusOutcome, events: &mut dyn Events) {
        if self.pings_each {
            for bot in &seen.bots {
                self.alerts.tend(&bot.name, || bot.condition(seen) == BotCondition::Well, events);
            }
        } else {
            self.alerts.tend("", || seen.condition_exit() == Exit::Ok, events);
        }
    }

    fn see_bot(
        &mut self,
        bot: &BotView,
        seen: &StatusOutcome,
        signs: Option<&SignReader<'_>>,
        events: &mut dyn Events,
    ) {
        let alerts = &mut self.alerts;
        let of = AlertedBot { name: &bot.name, lock: &bot.lock.path };
        let pids: Vec<String> = bot.counted().iter().map(|one| one.pid.to_string()).collect();
        match pids.as_slice() {
            [] if bot.condition(seen) == BotCondition::Unclear => {}
            [] => alerts.down(of, "no instance is running", events),
            all => alerts.up(of, &format!("PID {}", all.join(", ")), false, events),
        }
        let several =
            (pids.len() > 1).then(|| format!("{} instances are running: PID {}", pids.len(), pids.join(", ")));
        alerts.set(of, AlertKind::Duplicate, several.as_deref(), events);
        let is_stopping = bot.lease.as_ref().is_some_and(|lease| lease.state == LeaseStateView::StoppingHere);
        let lost = match bot.lock.state {
            LockStateView::Replaced => Some(format!("lock {} was deleted or replaced", bot.lock.path.display())),
            _ => is_stopping.then(|| "its lease is lost".to_owned()),
        };
        alerts.set(of, AlertKind::Lost, lost.as_deref(), events);
        let Some(signs) = signs.and_then(|signs| signs.of_bot(&bot.label)) else { return };
        alerts.set(of, AlertKind::Conflict, signs.conflict.as_deref(), events);
        alerts.set(of, AlertKind::Deaf, signs.deaf.as_deref(), events);
    }

    pub fn again_in(&self) -> Duration {
        self.alerts.again_in()
    }

    pub fn finish(&mut self, events: &mut dyn Events) {
        self.alerts.finish(events);
    }
}
