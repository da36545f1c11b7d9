//! `check`: is it safe to start? One line for each bot, and fast: for cron, scripts and systemd's conditions.
//!
//! If it is not sure, the answer is no: a process with the bot's file and arguments, and with a token that cannot be
//! seen, counts as the bot. For `--running`, a process of another user does not prove that the bot is running.

mod responsive;

use std::time::{Duration, Instant};

use jiff::Timestamp;

use self::responsive::Responsiveness;
use crate::base::duration::{Limit, parse_duration};
use crate::base::error::{Error, Expected};
use crate::base::exit::Exit;
use crate::cli;
use crate::lock::coverage::LockCoverage;
use crate::lock::keeper;
use crate::lock::state::{LockFacts, Obstacle, State, unseen_holder};
use crate::outcome::check::{BotAnswer, CheckOutcome};
use crate::outcome::events::{Events, Notice};
use crate::outcome::lease::LeaseView;
use crate::outcome::lock::{LockBrief, Unreadable};
use crate::outcome::process::{TokenRival, command_line};
use crate::outcome::sentence::Sentence;
use crate::outcome::unseen;
use crate::platform::advice;
use crate::platform::identity::Identity;
use crate::platform::pidfd::Pidfd;
use crate::platform::poll;
use crate::process::instance::Instance;
use crate::settings::{Bot, SetBy, Settings};
use crate::survey::connections::{self, Polling, Subject};
use crate::survey::lease_observer::LeaseObserver;
use crate::survey::leases;
use crate::survey::recent::{self, STARTS_IN};
use crate::survey::token_users::TokenUser;
use crate::survey::{FoundBot, Surveyor, find, folder, servers};

/// While waiting for a yes: a new instance, or a lock taken by somebody else, is seen after this time at the latest.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// While waiting, the engine of a lease is asked no more often.
const ENGINE_EVERY: Duration = Duration::from_secs(5);

/// What speaks against a yes.
#[derive(Debug, Default)]
struct Objections {
    reasons: Vec<Sentence>,
    unknown: Option<Exit>,
    in_the_way: Vec<Identity>,
    /// What to ask instead.
    hint: Option<String>,
    /// It is not connected; one that handles an update need not be.
    unconnected: Option<Sentence>,
}

impl Objections {
    fn say(&mut self, reason: impl Into<Sentence>) {
        self.reasons.push(reason.into());
    }

    /// If no instance is seen, a process that may be one but cannot be judged makes the answer neither yes nor no: another
    /// user's process that cannot be inspected or, with `--running`, a holder of the lock that cannot be seen from here.
    fn unless_unseen(self, bot: &FoundBot, running: bool) -> Self {
        if !bot.found.instances.is_empty() || (!self.reasons.is_empty() && !running) {
            return self;
        }
        let holder = || unseen::holder(&bot.locks.own).filter(|_| running);
        let Some(why) = unseen::instance(&bot.found).or_else(holder) else { return self };
        let how = format!("; {}", advice::as_root("to look", &again(bot, running)));
        let reasons = vec![why.after("cannot tell: ").followed_by(&how)];
        Self { reasons, unknown: Some(Exit::NotPermitted), ..self }
    }

    fn into_answer(self, bot: &FoundBot) -> BotAnswer {
        let Objections { reasons, unknown, in_the_way, hint, .. } = self;
        let pids = |all: &[Instance]| all.iter().map(|one| one.root.pid).collect();
        BotAnswer {
            name: bot.bot.name.clone(),
            label: bot.label.clone(),
            ok: reasons.is_empty(),
            reasons,
            instances: pids(&bot.found.instances),
            probable: pids(&bot.found.probable),
            lock: LockBrief::of(&bot.locks.own),
            lease: bot.lease.as_ref().map(LeaseView::of),
            unknown,
            in_the_way,
            hint,
        }
    }
}

/// Runs `check`.
///
/// # Errors
/// Nothing says which bot; `/proc` cannot be read.
pub fn run(
    args: &cli::Check,
    verbose: bool,
    settings: &Settings,
    events: &mut dyn Events,
) -> Result<CheckOutcome, Error> {
    let command = if args.running { "check --running" } else { "check" };
    if let Some(time) = args.bots.iter().find(|bot| args.responsive.is_some() && parse_duration(bot).is_ok()) {
        return Err(Error::usage(
            format!("`{time}` after --responsive is a bot's name"),
            format!("to give it that much time: solobot check --running --responsive={time}"),
        ));
    }
    let mut bots = folder::select_many(settings, &args.selection, &args.bots, command)?;
    settings.set_leases(&mut bots, &args.lease)?;
    for bot in &mut bots {
        bot.trust_for_lease(args.api.ca_file.as_deref());
    }
    if let Some(url) = &args.api.api_url {
        bots.iter_mut().try_for_each(|bot| bot.set_api_url(url))?;
    }
    let mut responsive = Responsiveness::of(args, settings);
    if verbose {
        let all = bots.iter().flat_map(Bot::explained).collect();
        events.notice(&Notice::Settings { file: settings.file().map(ToOwned::to_owned), all });
    }
    let deadline = args.wait.unwrap_or(Limit::For(Duration::ZERO)).deadline(Instant::now());
    let mut surveyor = Surveyor::new(settings);
    let mut observer = LeaseObserver::every(ENGINE_EVERY);
    let mut is_first = true;
    loop {
        let mut survey = surveyor.look_at(&bots)?;
        if args.running {
            survey.set_workers_aside();
            // A health check must not depend on an engine.
            survey.bots.iter_mut().for_each(|bot| bot.lease = leases::local(&bot.locks.own.path));
        } else {
            observer.look(&mut survey.bots);
        }
        if is_first {
            // A program that does not exist and that nothing runs is a typing error, unless an earlier look has seen it run.
            survey.refuse_nothing()?;
            survey.warnings.iter().for_each(|warning| events.notice(&Notice::Warning(warning.clone())));
            let with_program = survey.bots.iter().filter(|bot| survey.hidden && bot.bot.program.is_some());
            with_program.for_each(|bot| events.notice(&hidden(bot)));
            // A start would not be refused for it.
            for bot in survey.bots.iter().filter(|_| !args.running) {
                bot.rivals.iter().for_each(|rival| events.notice(&rival_warning(bot, rival)));
            }
        }
        let is_blind = survey.uninspected > 0 || survey.hidden;
        let answer = |bot| answer(bot, args.running, responsive.as_mut(), is_blind, events);
        let answers = survey.bots.iter().map(answer).collect();
        let outcome = CheckOutcome::of(args.running, survey.uninspected, answers);
        if outcome.ok || deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(outcome);
        }
        wait_for_change(&outcome, deadline)?;
        is_first = false;
    }
}

fn hidden(bot: &FoundBot) -> Notice {
    Notice::Warning(format!(
        "{}: other users' processes are hidden, and one of them may be the bot; {}",
        bot.label,
        advice::with_sudo("to see them", &again(bot, false))
    ))
}

fn rival_warning(bot: &FoundBot, rival: &TokenUser) -> Notice {
    Notice::Warning(format!("{}: {}", bot.label, TokenRival::of(rival, true).sentence().brief))
}

/// Wakes when one of those in the way has ended; else after a second, or at the deadline.
fn wait_for_change(outcome: &CheckOutcome, deadline: Option<Instant>) -> Result<(), Error> {
    let io = |source| Error::Io { action: "wait".into(), source };
    let processes = outcome.bots.iter().flat_map(|bot| &bot.in_the_way);
    let pidfds: Vec<Pidfd> = processes.filter_map(|&process| Pidfd::open(process).ok().flatten()).collect();
    let fds: Vec<_> = pidfds.iter().map(Pidfd::descriptor).collect();
    let left = deadline.map_or(LOOK_EVERY, |deadline| deadline.saturating_duration_since(Instant::now()));
    poll::any_readable(&fds, Some(left.min(LOOK_EVERY))).map(drop).map_err(io)
}

fn answer(
    bot: &FoundBot,
    running: bool,
    responsive: Option<&mut Responsiveness<'_>>,
    is_blind: bool,
    events: &mut dyn Events,
) -> BotAnswer {
    let objections = if running { judge_running(bot, events) } else { judge(bot) };
    let mut objections = objections.unless_unseen(bot, running);
    if let Some(responsive) = responsive.filter(|_| objections.reasons.is_empty()) {
        let verdict = responsive.judge(bot, is_blind, objections.unconnected.is_some(), events);
        objections.unconnected = objections.unconnected.filter(|_| !verdict.may_handle);
        objections.unknown = verdict.unknown;
        objections.reasons.extend(verdict.reason.map(Sentence::from));
    }
    if let Some(unconnected) = objections.unconnected.take() {
        objections.unknown = None;
        objections.reasons.push(unconnected);
    }
    objections.into_answer(bot)
}

/// An instance in a sentence, and for a doubtful one why it counts anyway.
fn named(one: &Instance, shown: fn(&str) -> String) -> String {
    let doubt = one.doubt.map_or_else(String::new, |doubt| format!(", {}", doubt.reason()));
    format!("PID {} ({}){doubt}", one.root.pid, shown(&one.command))
}

/// Whether exactly one instance runs, and under its lock if it has one, and well. What cannot be seen fails only where
/// something speaks against it: a health check must not restart a healthy bot.
fn judge_running(bot: &FoundBot, events: &mut dyn Events) -> Objections {
    let mut objections = Objections::default();
    let facts = &bot.locks.own;
    let lock = facts.path.display();
    let has_lock = *bot.bot.provenance.of("lock") != SetBy::Default || facts.state != State::Absent;
    let counted: Vec<&Instance> = bot.found.for_starting().collect();
    match counted.as_slice() {
        [] if bot.bot.program.is_none() => objections.reasons.extend(holds_alone(facts).map(Sentence::from)),
        [] => {
            objections.say("no instance is running".to_owned());
            let lease = bot.lease.as_ref().map(LeaseView::of);
            objections.reasons.extend(lease.and_then(|lease| lease.objection()).map(Sentence::from));
        }
        [one] if find::is_strangers(one) => {
            let user = one.user.clone();
            objections.reasons.push(Sentence::of(|shown| {
                format!("{}; if {user} runs the bot, write user = \"{user}\" into solobot.toml", named(one, shown))
            }));
        }
        [one] => {
            if has_lock && bot.covered(one) == LockCoverage::Unlocked {
                objections
                    .reasons
                    .push(Sentence::of(|shown| format!("{} is running without lock {lock}", named(one, shown))));
            }
            if is_unconnected(&bot.bot, one) {
                objections.unconnected =
                    Some(Sentence::of(|shown| format!("{} is not connected to Telegram", named(one, shown))));
            }
            objections.reasons.extend(bot.rivals.iter().map(|rival| TokenRival::of(rival, true).sentence()));
            objections.reasons.extend(has_conflicts(bot, one, events).map(Sentence::from));
        }
        many => {
            objections.in_the_way.extend(many.iter().map(|one| one.root));
            let doubt = |one: &Instance| one.doubt.map_or_else(String::new, |doubt| format!(" ({})", doubt.reason()));
            let pids: Vec<String> = many.iter().map(|one| format!("{}{}", one.root.pid, doubt(one))).collect();
            objections.say(format!("{} instances are running: PID {}", many.len(), pids.join(", ")));
        }
    }
    match &facts.state {
        State::Replaced { holders } => {
            objections.in_the_way.extend(holders);
            objections.say(format!("{lock} was replaced: the lock file that is held was deleted"));
        }
        State::Unreadable { why, obstacle } => {
            let (reason, exit) = unreadable(bot, why, *obstacle, true);
            objections.unknown = objections.reasons.is_empty().then_some(exit);
            objections.say(reason);
        }
        _ => {}
    }
    objections
}

/// Whether an instance has been up long enough to be connected, and is not.
fn is_unconnected(bot: &Bot, instance: &Instance) -> bool {
    if Timestamp::now().duration_since(instance.started) < STARTS_IN {
        return false;
    }
    let servers = servers::of_bot(bot);
    let seen = connections::look(&[Subject { members: &instance.members, servers: &servers }]);
    seen.iter().any(|evidence| evidence.polling == Polling::No)
}

/// Whether the logs have a conflict that tells of now.
fn has_conflicts(bot: &FoundBot, instance: &Instance, events: &mut dyn Events) -> Option<String> {
    let seen = recent::conflicts(bot, instance);
    seen.warnings.iter().for_each(|warning| events.notice(&Notice::Warning(warning.clone())));
    seen.conflicts
}

/// Where only a lock says what the bot is: that it is held is all there is to ask.
fn holds_alone(facts: &LockFacts) -> Option<String> {
    match &facts.state {
        State::Held { .. } | State::Unreadable { .. } => None,
        _ => Some(format!("no process holds lock {}", facts.path.display())),
    }
}

/// Reason, fix and exit code for a lock whose state is unknown: if `acquire` would refuse, the answer is not yes.
fn unreadable(bot: &FoundBot, why: &str, obstacle: Obstacle, running: bool) -> (String, Exit) {
    let error = Unreadable { path: bot.locks.own.path.clone(), why: why.to_owned(), obstacle };
    // A reason does not know the line that was typed, only what asks the same.
    let hint = |hint: String| hint.replace("solobot … -", "-").replace("solobot …", &again(bot, running));
    let hints = error.hints().into_iter().map(hint);
    ([error.to_string()].into_iter().chain(hints).collect::<Vec<_>>().join("; "), error.exit())
}

/// What asks the same of this bot, in any folder.
fn again(bot: &FoundBot, running: bool) -> String {
    format!("solobot check {}{}", if running { "--running " } else { "" }, bot.bot.typed())
}

fn judge(bot: &FoundBot) -> Objections {
    let mut objections = Objections::default();
    let facts = &bot.locks.own;
    let counted: Vec<&Instance> = bot.found.for_starting().collect();
    objections.in_the_way.extend(counted.iter().map(|one| one.root));
    let (doubtful, certain): (Vec<&Instance>, Vec<&Instance>) = counted.iter().partition(|one| one.doubt.is_some());
    let list = |all: &[&Instance], shown| all.iter().map(|one| named(one, shown)).collect::<Vec<_>>().join(", ");
    match certain.len() {
        0 => {}
        1 => objections.reasons.push(Sentence::of(|shown| format!("already running as {}", list(&certain, shown)))),
        many => objections
            .reasons
            .push(Sentence::of(|shown| format!("{many} instances are already running: {}", list(&certain, shown)))),
    }
    for one in doubtful {
        objections.reasons.push(Sentence::of(|shown| format!("this may be the bot: {}", named(one, shown))));
    }
    for (facts, holder) in bot.holders_beside() {
        objections.in_the_way.push(holder);
        let command = command_line(holder.pid);
        let does = facts.program().map_or_else(
            || "holds another lock file of this program".to_owned(),
            |program| format!("has a lock for the bot's token: it is {program}"),
        );
        objections.reasons.push(Sentence::of(|shown| format!("PID {} ({}) {does}", holder.pid, shown(&command))));
    }
    judge_lock(bot, facts, &mut objections);
    if let Some(lease) = bot.lease.as_ref().map(LeaseView::of)
        && let Some(objection) = lease.objection()
    {
        objections.unknown = objections.unknown.or(lease.unknown.filter(|_| objections.reasons.is_empty()));
        objections.say(objection);
    }
    // One that holds a removed file is not healthy.
    if let ([one], State::Held { orphaned: false, .. }, true) =
        (counted.as_slice(), &facts.state, bot.found.instances.len() == 1)
        && bot.covered(one) != LockCoverage::Unlocked
    {
        objections.hint = Some(format!("To check its health: {}", again(bot, true)));
    }
    objections.unknown = objections.unknown.filter(|_| counted.is_empty());
    objections
}

/// What the state of the lock says against a start.
fn judge_lock(bot: &FoundBot, facts: &LockFacts, objections: &mut Objections) {
    let lock = facts.path.display();
    match &facts.state {
        State::Absent | State::Free | State::Stale(_) => {}
        State::Held { holders, orphaned } => {
            objections.in_the_way.extend(holders);
            let covered = bot.found.for_starting().any(|one| bot.covered(one) != LockCoverage::Unlocked);
            let named = |process: Identity| {
                let command = command_line(process.pid);
                Sentence::of(|shown| format!("PID {} ({})", process.pid, shown(&command)))
            };
            let by = match (keeper::among(holders), holders.first()) {
                (Some((keeper, target)), _) => named(target).after(&format!("a keeper, PID {}, for ", keeper.pid)),
                (None, Some(&holder)) => named(holder),
                (None, None) => unseen_holder().to_owned().into(),
            };
            match (covered, *orphaned) {
                (true, false) => {}
                (true, true) => {
                    objections.say(format!("orphaned: its solobot has died, but the bot still holds lock {lock}"));
                }
                (false, is_orphan) => {
                    let end = if is_orphan { ", orphaned: its solobot has died" } else { "" };
                    objections.reasons.push(by.after(&format!("lock {lock} is held by ")).followed_by(end));
                }
            }
        }
        State::OwnerAliveUnlocked(process) => {
            objections.in_the_way.push(*process);
            objections.say(format!(
                "lock {lock} is not locked, but names PID {}, a running process that does not hold the lock",
                process.pid
            ));
        }
        State::Replaced { holders } => {
            objections.in_the_way.extend(holders);
            let pids: Vec<String> = holders.iter().map(|holder| holder.pid.to_string()).collect();
            let (are, hold) = if pids.len() == 1 { ("PID", "holds") } else { ("PIDs", "hold") };
            objections
                .say(format!("{are} {} still {hold} the lock file that was deleted at {lock}", pids.join(" and ")));
        }
        State::Unreadable { why, obstacle } => {
            let (reason, exit) = unreadable(bot, why, *obstacle, false);
            objections.say(reason);
            objections.unknown = Some(exit);
        }
    }
}
