//! `restart`: by the command of the bot's own manager; else the bot is stopped, and started again as it was.
//!
//! Everything that the start needs is read before anything is stopped. What nobody can start again is not stopped.

mod error;
mod start;

use std::collections::HashSet;
use std::process::Command as ChildCommand;
use std::time::{Duration, Instant};

use self::error::Error as RestartError;
use self::start::{BotStart, BotStarted, NoStart};
use crate::base::error::Error;
use crate::cli;
use crate::lock::coverage::LockCoverage;
use crate::lock::state::inspect;
use crate::outcome::events::{Activity, Events, Notice};
use crate::outcome::kill_duplicates::StopStatusView;
use crate::outcome::restart::{RestartOutcome, RestartView, RestartedView};
use crate::outcome::sentence::shortened;
use crate::outcome::unseen;
use crate::platform::advice::SHELL;
use crate::platform::identity::Identity;
use crate::platform::poll;
use crate::process::instance::Instance;
use crate::process::keep::is_around_us;
use crate::process::origin::Manager;
use crate::process::stop::{self, StopOptions, StopTarget};
use crate::settings::{Bot, Settings};
use crate::survey::{FoundBot, Surveyor, find, folder, held_locks};

/// How long a manager or a loop may take to start it again.
const LOOK_FOR: Duration = Duration::from_secs(60);
/// How often it is looked for meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How it is started again.
enum RestartPlan {
    /// By its manager's command, which stops it too.
    Manager(String),
    /// This process is stopped, and a loop starts it again.
    Loop(Identity),
    /// This process is stopped, then solobot starts the bot.
    Solobot(Identity, BotStart),
}

/// Runs `restart`.
///
/// # Errors
/// None is running, or several; nobody can start it again; it did not end, or did not start.
pub fn run(
    args: &cli::RestartArgs,
    global: &cli::Global,
    settings: &Settings,
    events: &mut dyn Events,
) -> Result<RestartOutcome, Error> {
    let mut asked = folder::select_one(settings, &args.selection, args.bot.as_deref(), "restart")?;
    let by_lock = asked.program.is_none();
    if by_lock {
        asked.program =
            inspect(&asked.lock).record.details().and_then(|details| held_locks::program_of(details, &asked.lock));
    }
    let mut surveyor = Surveyor::new(settings);
    let mut survey = surveyor.look_at(std::slice::from_ref(&asked))?;
    survey.refuse_nothing()?;
    survey.set_workers_aside();
    survey.warnings.iter().for_each(|warning| events.notice(&Notice::Warning(warning.clone())));
    let (bot, instance) = only_instance(&survey.bots, by_lock)?;
    let plan = plan(instance, &bot.bot, settings).map_err(|NoStart { why, hints }| RestartError::Refused {
        pid: instance.root.pid,
        command: shortened(&instance.command),
        why,
        hints,
    })?;
    let mut outcome = RestartOutcome {
        bot: bot.bot.name.clone(),
        pid: instance.root.pid,
        command: instance.command.clone(),
        origin: instance.origin.to_string(),
        how: view(&plan),
        result: None,
    };
    if args.dry_run {
        return Ok(outcome);
    }
    if !args.yes && !global.json && events.can_ask() {
        let question = format!("Restart {}, PID {} ({})?", outcome.bot, outcome.pid, shortened(&outcome.command));
        if events.confirm(&question) == Some(false) {
            return Err(RestartError::Declined.into());
        }
    }
    let known: HashSet<Identity> =
        survey.bots.iter().flat_map(|bot| bot.found.all()).flat_map(|one| one.members.clone()).collect();
    let started = carry_out(&plan, instance, &bot.bot, args.grace.unwrap_or(asked.grace), events)?;
    let mut again = || {
        surveyor.forget();
        let survey = surveyor.look_at(std::slice::from_ref(&asked))?;
        let new = |one: &&Instance| !one.members.iter().any(|member| known.contains(member));
        Ok(survey.bots.iter().flat_map(|bot| &bot.found.instances).find(new).map(|one| one.root.pid))
    };
    let Some(pid) = look_again(&mut again, events)? else {
        let why = format!("no new instance was seen within {} s", LOOK_FOR.as_secs());
        let hints = vec![format!("to look at it: solobot status {}", bot.bot.typed())];
        return Err(RestartError::NotStarted { bot: bot.bot.name.clone(), why, hints }.into());
    };
    outcome.result = Some(RestartedView { pid, log: started.and_then(|started| started.log) });
    Ok(outcome)
}

/// The one to restart.
fn only_instance(bots: &[FoundBot], by_lock: bool) -> Result<(&FoundBot, &Instance), RestartError> {
    let is_meant = |bot: &FoundBot, one: &Instance| {
        !by_lock || matches!(bot.covered(one), LockCoverage::Holder | LockCoverage::Covered)
    };
    let all: Vec<(&FoundBot, &Instance)> = bots
        .iter()
        .flat_map(|bot| bot.found.instances.iter().map(move |one| (bot, one)))
        .filter(|(bot, one)| is_meant(bot, one) && !find::is_strangers(one))
        .collect();
    match all.as_slice() {
        [one] => Ok(*one),
        [] => Err(none(bots)),
        [(first, _), ..] => {
            let list =
                all.iter().map(|(_, one)| format!("PID {} ({})", one.root.pid, shortened(&one.command))).collect();
            let is_one_bot = all.iter().all(|(bot, _)| bot.label == first.label);
            let typed = first.bot.typed();
            let hint = if is_one_bot {
                format!("to keep one of them and stop the others first: solobot kill-duplicates {typed}")
            } else {
                format!("to choose one, name its path, as in: solobot restart {typed}")
            };
            Err(RestartError::Several { list, hints: vec![hint] })
        }
    }
}

fn none(bots: &[FoundBot]) -> RestartError {
    let Some(bot) = bots.first() else {
        return RestartError::NotRunning { bot: "the bot".into(), start: "solobot acquire -- COMMAND".into() };
    };
    let (name, typed) = (bot.bot.name.clone(), bot.bot.typed());
    if let Some(why) = unseen::instance(&bot.found) {
        return RestartError::Unseen { bot: name, typed, why: why.brief };
    }
    if let Some(one) = bot.found.probable.first() {
        let why = format!(
            "it is only probably {name}: {}",
            one.doubt.map_or("cannot tell which bot it is", |doubt| doubt.reason())
        );
        let hints = vec![format!("to look at it: solobot status {typed}")];
        return RestartError::Refused { pid: one.root.pid, command: shortened(&one.command), why, hints };
    }
    let command = if bot.bot.command.is_some() { "" } else { " -- COMMAND" };
    RestartError::NotRunning { bot: name, start: format!("solobot acquire {typed}{command}") }
}

/// Who starts it again. In doubt, nobody.
fn plan(instance: &Instance, bot: &Bot, settings: &Settings) -> Result<RestartPlan, NoStart> {
    let typed = bot.typed();
    let starter = instance.origin.starter();
    let look = format!("to see what started it: solobot status {typed}");
    if is_around_us(&instance.members) {
        return Err(NoStart::new(
            "this solobot runs inside it",
            "restart it from a terminal of its own: solobot restart …",
        ));
    }
    // The solobot that holds the lock for it, if any.
    let solobot = match instance.origin.manager {
        Manager::Solobot(_) => instance.ancestors.iter().copied().find(|one| Some(one.pid) == instance.origin.pid),
        _ => None,
    };
    let target = solobot.unwrap_or(instance.root);
    let both = [Some(starter.as_ref()), starter.above.as_deref()].into_iter().flatten();
    for origin in both.filter(|origin| origin.is_managed()) {
        let Some(command) = origin.manager.restart() else { continue };
        return Ok(RestartPlan::Manager(command));
    }
    match &starter.manager {
        manager if starter.is_managed() => {
            let hint = starter.stop().map_or(look, |stop| format!("its own command that stops it: {stop}"));
            Err(NoStart::new(format!("solobot does not know how {} restarts it", manager.as_str()), hint))
        }
        Manager::Loop(_) => Ok(RestartPlan::Loop(target)),
        Manager::Parent(script) => {
            let why = format!("it is not known whether {} would start it again", script.name);
            Err(NoStart::new(why, format!("restart what started it; {look}")))
        }
        Manager::Hidden => Err(NoStart::new(format!("{}, and it may start it again", starter.evidence), look)),
        Manager::Ide(name) => Err(NoStart::new(format!("{name} has started it"), format!("restart it there; {look}"))),
        Manager::TaskScheduler => {
            Err(NoStart::new("the Task Scheduler has started it", format!("restart it there; {look}")))
        }
        _ => {
            let (target, start) = match solobot {
                Some(solobot) => (solobot, BotStart::of_solobot(solobot, &typed)?),
                None => {
                    (instance.root, BotStart::of_bot(instance.root, bot, settings.file(), instance.program.as_ref())?)
                }
            };
            Ok(RestartPlan::Solobot(target, start))
        }
    }
}

fn view(plan: &RestartPlan) -> RestartView {
    match plan {
        RestartPlan::Manager(command) => RestartView::Manager { run: command.clone() },
        RestartPlan::Loop(target) => RestartView::Loop { stops: target.pid },
        RestartPlan::Solobot(target, start) => RestartView::Solobot {
            stops: target.pid,
            run: start.shown(),
            folder: start.folder.clone(),
            user: start.user.clone(),
        },
    }
}

fn carry_out(
    plan: &RestartPlan,
    instance: &Instance,
    bot: &Bot,
    grace: Duration,
    events: &mut dyn Events,
) -> Result<Option<BotStarted>, Error> {
    let (target, start) = match plan {
        RestartPlan::Manager(command) => return ask_manager(command, bot).map(|()| None),
        RestartPlan::Loop(target) => (*target, None),
        RestartPlan::Solobot(target, start) => (*target, Some(start)),
    };
    events.notice(&Notice::Passing(Activity::Stopping { count: 1, grace }));
    let target = StopTarget { root: target, members: instance.members.clone() };
    let options = StopOptions { grace, ..StopOptions::default() };
    let results = stop::stop(std::slice::from_ref(&target), &options);
    if let Some(result) = results.iter().find(|result| !result.outcome.is_stopped()) {
        let (pid, how) = (target.root.pid, StopStatusView::from(&result.outcome).as_str());
        return Err(RestartError::NotStopped { pid, how, typed: bot.typed() }.into());
    }
    start.map(|start| start.run(bot)).transpose()
}

/// Runs the very line that is shown: each word of it is quoted for this shell.
fn ask_manager(command: &str, bot: &Bot) -> Result<(), Error> {
    let (shell, options) = (SHELL[0], &SHELL[1..]);
    let status = ChildCommand::new(shell)
        .args(options)
        .arg(command)
        // stdout is ours.
        .stdout(std::io::stderr())
        .status()
        .map_err(|source| Error::Io { action: format!("run {command}"), source })?;
    if status.success() {
        return Ok(());
    }
    let (command, how) = (command.to_owned(), status.to_string());
    Err(RestartError::ManagerFailed { command, how, typed: bot.typed() }.into())
}

/// The PID of a new instance, once there is one.
fn look_again(
    again: &mut dyn FnMut() -> Result<Option<i32>, Error>,
    events: &mut dyn Events,
) -> Result<Option<i32>, Error> {
    let until = Instant::now() + LOOK_FOR;
    loop {
        if let Some(pid) = again()? {
            return Ok(Some(pid));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        events.notice(&Notice::Passing(Activity::LookingAgain { left }));
        poll::any_readable(&[], Some(left.min(LOOK_EVERY)))
            .map_err(|source| Error::Io { action: "wait".into(), source })?;
    }
}
