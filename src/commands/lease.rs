//! `lease`: what stands on the engine of each bot's lease. One look at each; nothing is written.

use crate::base::error::Error;
use crate::cli;
use crate::journal::leases::LeaseStatus;
use crate::outcome::lease::{BotLeaseView, LeaseOutcome, LeaseView};
use crate::settings::{Bot, Settings};
use crate::survey::leases::{self, KnownLease};

/// Runs `lease`. Where no bot is named or configured, it shows the leases of what runs here.
///
/// # Errors
/// For an unknown BOT.
pub fn run(args: &cli::Lease, settings: &Settings) -> Result<LeaseOutcome, Error> {
    let mut bots = settings.select_many(&args.selection, &args.bots)?;
    settings.set_leases(&mut bots, &args.lease)?;
    if bots.is_empty() {
        return Ok(LeaseOutcome::new(
            LeaseStatus::all().into_iter().map(|status| of_status(status, settings)).collect(),
        ));
    }
    let seen = leases::of_bots(&bots);
    let view = |(bot, lease): (&Bot, Option<KnownLease>)| BotLeaseView {
        name: bot.name.clone(),
        lease: lease.as_ref().map(LeaseView::of),
    };
    Ok(LeaseOutcome::new(bots.iter().zip(seen).map(view).collect()))
}

fn of_status(status: LeaseStatus, settings: &Settings) -> BotLeaseView {
    let name = settings.bot_of_lock_file(&status.lock, None).name;
    BotLeaseView { name, lease: Some(LeaseView::of(&KnownLease::of_status(status))) }
}
