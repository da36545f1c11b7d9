//! `status`: instances, lock, origin and polling of each bot, once (`look`) or continuously (`watch`).

mod alerts;
mod look;
mod signs;
mod watch;

use self::alerts::WatchAlerts;
use self::look::StatusObserver;
use crate::alert::Alerts;
use crate::base::error::Error;
use crate::cli;
use crate::journal::Journal;
use crate::outcome::events::Events;
use crate::outcome::status::StatusOutcome;
use crate::settings::Settings;

/// Runs `status`, once or again and again.
///
/// # Errors
/// For an unknown BOT, and if `/proc` cannot be read.
pub fn run(
    args: &cli::Status,
    global: &cli::Global,
    settings: &Settings,
    events: &mut dyn Events,
) -> Result<StatusOutcome, Error> {
    if let Some(number) = args.bots.iter().find(|bot| args.watch.is_some() && bot.parse::<f64>().is_ok()) {
        return Err(Error::usage(
            format!("`{number}` was read as the name of a bot"),
            format!("to look again every {number} seconds: solobot status --watch={number}"),
        ));
    }
    let verbose = global.verbose > 0;
    let journal = verbose.then(|| Journal::at(settings.journal()));
    let look = StatusObserver::new(args, settings);
    if let Some(every) = args.watch {
        let alerts = if global.quiet { Some(WatchAlerts::new(alerts_of(settings)?, settings)) } else { None };
        return watch::run(look, every, journal, alerts, events);
    }
    let mut seen = StatusOutcome { is_asked: args.exit_code, ..look.once(events)? };
    if let Some(journal) = &journal {
        look::add_events(&mut seen, journal);
    }
    Ok(seen)
}

/// With `-q` nothing is shown: alerts are all that is left to do.
fn alerts_of(settings: &Settings) -> Result<Alerts, Error> {
    Alerts::prepare(settings)?.ok_or_else(|| {
        Error::usage(
            "`--watch -q` shows nothing and only runs alerts, but solobot.toml has neither [on] nor `ping`",
            "to see what changes: solobot status --watch",
        )
    })
}
