//! The variables between a holder and its bot: what COMMAND is given, and whether to believe one that solobot was
//! given.

use std::ffi::OsString;

use super::request::{Mode, Request};
use crate::base::env;
use crate::journal::leases::{LeaseStage, LeaseStatus};
use crate::lease::LeaseTarget;
use crate::lock::file::open_to_look;
use crate::lock::held::Held;
use crate::lock::holders;
use crate::outcome::events::{Events, Notice};
use crate::platform::identity::{ancestry, own_pid};

/// What COMMAND finds in its environment.
pub fn for_command<'a>(
    request: &'a Request<'_>,
    held: Option<&Held>,
    generation: Option<u64>,
) -> Vec<(&'a str, Option<OsString>)> {
    let handover = hands_over(request);
    let inherited = held.filter(|_| !request.args.close && !handover);
    let mut variables = vec![
        (env::LOCK, held.map(|held| held.path().as_os_str().to_owned())),
        (env::HOLDER_PID, Some(own_pid().to_string().into())),
        (env::LOCK_FD, inherited.map(|held| held.descriptor().number().to_string().into())),
        (env::GENERATION, generation.map(|generation| generation.to_string().into())),
        (env::POLLING, None),
        (env::BACKGROUND, None),
        (env::BACKGROUND_LOG, None),
    ];
    // A bot that takes the lock itself must not be told to take none; a leaked variable would tell it so.
    if let Some(name) = &request.bot.skip_env {
        let skips = !handover && !request.args.no_skip_env;
        variables.push((name, skips.then(|| "1".into())));
    }
    variables.extend(of_service(request));
    variables
}

/// A COMMAND below us does not speak for our unit.
fn of_service<'a>(request: &'a Request<'_>) -> impl Iterator<Item = (&'a str, Option<OsString>)> {
    let names = [env::NOTIFY_SOCKET].into_iter().chain(env::WATCHDOG);
    names.filter(|_| request.service.speaks_for_command()).map(|name| (name, None))
}

/// What a COMMAND finds that runs although another holds the lock: nothing that says it were held for it.
pub fn without_polling<'a>(request: &'a Request<'_>) -> Vec<(&'a str, Option<OsString>)> {
    let mut variables = [env::LOCK, env::HOLDER_PID, env::LOCK_FD, env::GENERATION].map(|name| (name, None)).to_vec();
    variables.push((env::POLLING, Some("0".into())));
    variables.extend(request.bot.skip_env.as_deref().map(|name| (name, None)));
    variables.extend(of_service(request));
    variables
}

/// Whether COMMAND takes the very same lock itself.
pub fn hands_over(request: &Request<'_>) -> bool {
    request.mode == Mode::Run && (request.args.handover || request.bot.locks_itself)
}

/// Whether our parent says that it holds the lock for us, and does. If it says so and does not, the variable leaked from
/// another start: that is said, and the lock is taken.
pub fn is_held_for_us(request: &Request<'_>, events: &mut dyn Events) -> bool {
    let Some(name) = request.bot.skip_env.as_deref() else { return false };
    if std::env::var_os(name).is_none_or(|value| value != "1") {
        return false;
    }
    let Ok(lock) = open_to_look(&request.bot.lock) else {
        events.notice(&leaked(name));
        return false;
    };
    let proved = ancestry().any(|pid| holders::shares(&lock, pid))
        || holders::look(&lock, &[])
            .is_ok_and(|kernel| kernel.holders.iter().any(|holder| ancestry().any(|pid| pid == holder.pid)));
    events.notice(&if proved { Notice::HeldForUs } else { leaked(name) });
    proved
}

/// Whether whoever holds the lock for us has this lease too, for us.
pub fn has_lease_for_us(request: &Request<'_>, target: &LeaseTarget) -> bool {
    LeaseStatus::of_lock(&request.bot.lock).is_some_and(|status| {
        status.state == LeaseStage::Held
            && (&status.name, &status.engine) == (&target.name, &target.engine.shown())
            && ancestry().any(|pid| pid == status.pid())
    })
}

fn leaked(name: &str) -> Notice {
    Notice::Warning(format!("{name}=1 is set, but no process holds the lock for this one; taking it anyway"))
}
