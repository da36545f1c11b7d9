//! `check`: is it safe to start? One line a bot, fast: for cron, scripts and systemd conditions.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::conflicts;
use super::notice::{Notice, Notify};
use super::polling;
use super::status::{self, Covered};
use super::unseen;
use super::view::{Sentence, command_line};
use crate::base::duration::Limit;
use crate::base::error::{Error, Expected};
use crate::base::exit::Exit;
use crate::cli;
use crate::lock::keeper;
use crate::lock::marks;
use crate::lock::state::{Facts, State, unseen_holder};
use crate::platform::identity::Identity;
use crate::platform::pidfd::Pidfd;
use crate::platform::poll;
use crate::process::connections::{self, Polling, Subject};
use crate::process::find::Found;
use crate::process::instance::Instance;
use crate::settings::{Bot, Origin, Settings};

/// While waiting for a yes: a new instance, or a lock taken by somebody else, is seen after this time at the latest.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a bot may take to start before it has to be connected, and for how long the poll of the one before it may still
/// cost it conflicts.
const STARTS_IN: SignedDuration = SignedDuration::from_mins(1);
/// An older conflict says nothing of now.
const YOUNG: SignedDuration = SignedDuration::from_mins(5);

/// The answer.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Every bot's.
    pub ok: bool,
    /// Why not, each with its bot's name.
    pub reasons: Vec<Sentence>,
    /// One by one.
    pub bots: Vec<Answer>,
    /// The question was whether one runs, not whether one may start.
    #[serde(skip)]
    pub running: bool,
    /// It could not be told.
    #[serde(skip)]
    unknown: Option<Exit>,
}

/// The answer for one bot.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// Its name.
    pub name: String,
    /// Whether it is safe to start.
    pub ok: bool,
    /// Why not.
    pub reasons: Vec<Sentence>,
    #[serde(skip)]
    unknown: Option<Exit>,
    /// Whose end may turn a no into a yes.
    #[serde(skip)]
    in_the_way: Vec<Identity>,
}

impl Answer {
    /// It is neither yes nor no.
    pub fn is_unknown(&self) -> bool {
        self.unknown.is_some()
    }

    /// Without an instance, what may be one and cannot be judged from here makes the answer neither yes nor no: a process
    /// of another user whose folder is hidden, or, where one should run, a holder of the lock whom nobody here can see.
    fn unless_unseen(mut self, bot: &Bot, found: &Found, facts: &Facts, running: bool) -> Self {
        let holder = || unseen::holder(facts).filter(|_| running);
        let Some(why) = unseen::instance(found).or_else(holder) else { return self };
        if !self.ok && !running {
            return self;
        }
        self.ok = false;
        let running = if running { "--running " } else { "" };
        let how = format!("; sudo solobot check {running}{}", bot.typed());
        self.reasons = vec![why.after("cannot tell: ").followed_by(&how)];
        self.unknown = Some(Exit::NotPermitted);
        self
    }
}

impl Outcome {
    fn of(running: bool, bots: Vec<Answer>) -> Self {
        let reasons =
            bots.iter().flat_map(|bot| bot.reasons.iter().map(|reason| reason.after(&format!("{}: ", bot.name))));
        Self {
            ok: bots.iter().all(|bot| bot.ok),
            reasons: reasons.collect(),
            unknown: bots.iter().find_map(|bot| bot.unknown),
            bots,
            running,
        }
    }

    /// The exit code it leads to: "could not tell" is neither yes nor no.
    pub fn exit(&self) -> Exit {
        match (self.ok, self.unknown) {
            (true, _) => Exit::Ok,
            (false, Some(exit)) if self.bots.iter().all(|bot| bot.ok || bot.unknown.is_some()) => exit,
            (false, _) => Exit::No,
        }
    }
}

/// Runs `check`.
///
/// # Errors
/// Nothing says which bot; `/proc` cannot be read.
pub fn run(args: &cli::Check, verbose: bool, settings: &Settings, notify: &mut dyn Notify) -> Result<Outcome, Error> {
    let bots = settings.select_many(&args.selection, &args.bots)?;
    if bots.is_empty() {
        return Err(Error::usage(
            format!("no bot is named, and {}", settings.why_no_bot()),
            "solobot check -m main.py, or --lock PATH; to write one: solobot init",
        ));
    }
    if verbose {
        let all = bots.iter().flat_map(Bot::explained).collect();
        notify.notice(&Notice::Settings { file: settings.file().map(ToOwned::to_owned), all });
    }
    let deadline = args.wait.unwrap_or(Limit::For(Duration::ZERO)).deadline(Instant::now());
    let mut is_first = true;
    loop {
        let mut answers = Vec::new();
        for bot in &bots {
            answers.extend(answers_of(bot, args.running, is_first, notify)?);
        }
        let outcome = Outcome::of(args.running, answers);
        if outcome.ok || deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(outcome);
        }
        wait_for_change(&outcome, deadline)?;
        is_first = false;
    }
}

/// Wakes when one of those in the way has ended; else after a second, or at the deadline.
fn wait_for_change(outcome: &Outcome, deadline: Option<Instant>) -> Result<(), Error> {
    let io = |source| Error::Io { action: "wait".into(), source };
    let processes = outcome.bots.iter().flat_map(|bot| &bot.in_the_way);
    let pidfds: Vec<Pidfd> = processes.filter_map(|&process| Pidfd::open(process).ok().flatten()).collect();
    let fds: Vec<_> = pidfds.iter().map(AsFd::as_fd).collect();
    let left = deadline.map_or(LOOK_EVERY, |deadline| deadline.saturating_duration_since(Instant::now()));
    poll::any_readable(&fds, Some(left.min(LOOK_EVERY))).map(drop).map_err(io)
}

/// The answer for a bot that was asked for; for each distinct one, where a bare name or differing tokens mean several.
///
/// A program that does not exist and that nothing runs is a typing error, unless an earlier look has seen it run.
fn answers_of(bot: &Bot, running: bool, is_first: bool, notify: &mut dyn Notify) -> Result<Vec<Answer>, Error> {
    let found = match &bot.program {
        Some(program) => {
            let token = super::token_of(bot, notify);
            let found = marks::find_instances(program, token, &bot.lock)
                .map_err(|source| Error::Io { action: "list processes".into(), source })?;
            if is_first {
                found.refuse_nothing(program)?;
            }
            found
        }
        None => Found::default(),
    };
    if found.hidden && is_first {
        let text = format!(
            "{}: other users' processes are hidden, and one of them may be it: sudo solobot check {}",
            bot.name,
            bot.typed()
        );
        notify.notice(&Notice::Warning(text));
    }
    Ok(super::distinct(bot, found).iter().map(|(bot, found)| answer(bot, found, running, notify)).collect())
}

fn answer(bot: &Bot, found: &Found, running: bool, notify: &mut dyn Notify) -> Answer {
    let facts = super::facts_of_lock(bot, found);
    let answer = if running { judge_running(bot, &facts, found, notify) } else { judge(bot, &facts, &found.instances) };
    if found.instances.is_empty() { answer.unless_unseen(bot, found, &facts, running) } else { answer }
}

/// Whether exactly one instance runs, and under its lock if it has one, and well. What cannot be seen fails only where
/// something speaks against it: a health check must not restart a healthy bot.
fn judge_running(bot: &Bot, facts: &Facts, found: &Found, notify: &mut dyn Notify) -> Answer {
    let lock = facts.path.display();
    let mut reasons: Vec<Sentence> = Vec::new();
    let mut in_the_way = Vec::new();
    let has_lock = *bot.provenance.of("lock") != Origin::Default || facts.state != State::Absent;
    match found.instances.as_slice() {
        [] if bot.program.is_none() => reasons.extend(holds_alone(facts).map(Sentence::from)),
        [] => reasons.push("no instance runs".to_owned().into()),
        [one] => {
            if has_lock && status::covered(one, facts) == Covered::Unlocked {
                reasons.push(Sentence::of(|shown| {
                    format!("PID {} ({}) runs without lock {lock}", one.root.pid, shown(&one.command))
                }));
            }
            if is_unconnected(bot, one) {
                reasons.push(Sentence::of(|shown| {
                    format!("PID {} ({}) has no connection to Telegram", one.root.pid, shown(&one.command))
                }));
            }
            reasons.extend(has_conflicts(bot, one, notify).map(Sentence::from));
        }
        many => {
            in_the_way.extend(many.iter().map(|one| one.root));
            let pids: Vec<String> = many.iter().map(|one| one.root.pid.to_string()).collect();
            reasons.push(format!("{} instances run: PID {}", many.len(), pids.join(", ")).into());
        }
    }
    let mut unknown = None;
    match &facts.state {
        State::Replaced { holders } => {
            in_the_way.extend(holders);
            reasons.push(format!("the file at {lock} is not the one that is held").into());
        }
        State::Unreadable { why, not_permitted } => {
            let (reason, exit) = unreadable(facts, why, *not_permitted);
            unknown = reasons.is_empty().then_some(exit);
            reasons.push(reason.into());
        }
        _ => {}
    }
    Answer { name: bot.name.clone(), ok: reasons.is_empty(), reasons, unknown, in_the_way }
}

/// Whether an instance has been up long enough to be connected, and is not.
fn is_unconnected(bot: &Bot, instance: &Instance) -> bool {
    if Timestamp::now().duration_since(instance.started) < STARTS_IN {
        return false;
    }
    let servers = polling::servers(bot);
    let seen = connections::look(&[Subject { members: &instance.members, servers: &servers }]);
    seen.iter().any(|evidence| evidence.polling == Polling::No)
}

/// Whether the logs have a conflict that tells of now. A line without a time may be of any day: it only warns.
fn has_conflicts(bot: &Bot, instance: &Instance, notify: &mut dyn Notify) -> Option<String> {
    let now = Timestamp::now();
    let since = (now - YOUNG).max(instance.started + STARTS_IN);
    if bot.logs.is_empty() || since > now {
        return None;
    }
    let (summary, sources) = conflicts::summary_of(bot, Some(since));
    for source in &sources {
        if let Some(error) = &source.error {
            notify.notice(&Notice::Warning(format!("{}: cannot read {}: {error}", bot.name, source.name)));
        }
    }
    if summary.undated_conflicts > 0 {
        let count = summary.undated_conflicts;
        let text =
            format!("{}: {count} conflicts in its logs have no time: they may be old, and do not count", bot.name);
        notify.notice(&Notice::Warning(text));
    }
    let count = summary.totals.conflicts;
    let last = summary.last.filter(|_| count > 0)?.to_zoned(TimeZone::system());
    let (what, s) = (if summary.totals.other_poller > 0 { "another poller" } else { "a webhook" }, plural(count));
    Some(format!("{count} conflict{s} with {what} in its logs, the last at {}", last.strftime("%H:%M:%S")))
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// Where only a lock says what the bot is: that it is held is all there is to ask.
fn holds_alone(facts: &Facts) -> Option<String> {
    match &facts.state {
        State::Held { .. } | State::Unreadable { .. } => None,
        _ => Some(format!("nobody holds lock {}", facts.path.display())),
    }
}

/// Reason, remedy and code for a lock whose state could not be told: what `acquire` would refuse is no yes.
fn unreadable(facts: &Facts, why: &str, not_permitted: bool) -> (String, Exit) {
    let error = status::unreadable(facts.path.clone(), why.to_owned(), not_permitted);
    (format!("{error}; {}", error.hints().join("; ")), error.exit())
}

fn judge(bot: &Bot, facts: &Facts, instances: &[Instance]) -> Answer {
    let lock = facts.path.display();
    let mut reasons: Vec<Sentence> = Vec::new();
    let mut unknown = None;
    let mut in_the_way: Vec<Identity> = instances.iter().map(|instance| instance.root).collect();
    for instance in instances {
        let pid = instance.root.pid;
        reasons.push(Sentence::of(|shown| format!("it runs: PID {pid} ({})", shown(&instance.command))));
    }
    match &facts.state {
        State::Absent | State::Free | State::Stale(_) => {}
        State::Held { holders, orphaned } => {
            in_the_way.extend(holders);
            let covered = instances.iter().any(|one| status::covered(one, facts) != Covered::Unlocked);
            let named = |process: Identity| {
                let command = command_line(process.pid);
                Sentence::of(|shown| format!("PID {} ({})", process.pid, shown(&command)))
            };
            let by = match (keeper::among(holders), holders.first()) {
                (Some((keeper, target)), _) => named(target).after(&format!("a keeper, PID {}, for ", keeper.pid)),
                (None, Some(&holder)) => named(holder),
                (None, None) => unseen_holder().to_owned().into(),
            };
            let orphaned = if *orphaned { ", orphaned" } else { "" };
            if !covered || !orphaned.is_empty() {
                reasons.push(by.after(&format!("lock {lock} is held by ")).followed_by(orphaned));
            }
        }
        State::OwnerAliveUnlocked(process) => {
            in_the_way.push(*process);
            reasons.push(format!("lock {lock} names PID {}, which lives and holds no lock", process.pid).into());
        }
        State::Replaced { holders } => {
            in_the_way.extend(holders);
            let pids: Vec<String> = holders.iter().map(|holder| holder.pid.to_string()).collect();
            reasons.push(format!("PID {} holds a file that was at {lock} and is no more", pids.join(", ")).into());
        }
        State::Unreadable { why, not_permitted } => {
            let (reason, exit) = unreadable(facts, why, *not_permitted);
            reasons.push(reason.into());
            unknown = Some(exit);
        }
    }
    // One that holds a removed file is not well.
    if let ([one], State::Held { .. }) = (instances, &facts.state)
        && status::covered(one, facts) != Covered::Unlocked
    {
        let how = bot.typed();
        reasons.push(
            format!("that is one healthy instance: to ask whether it runs well, solobot check --running {how}").into(),
        );
    }
    let unknown = unknown.filter(|_| instances.is_empty());
    Answer { name: bot.name.clone(), ok: reasons.is_empty(), reasons, unknown, in_the_way }
}
