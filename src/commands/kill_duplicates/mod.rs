//! `kill-duplicates` and `stop`: plan first, then act. The plan is a value: `--dry-run` prints the very plan that would
//! run, a terminal is asked before it does.

mod act;
pub mod plan;

use serde::Serialize;

use self::plan::{Action, Candidate, Plan, Step, Wishes};
use super::acquire;
use super::notice::{Notice, Notify};
use super::view::{Sentence, shortened};
use super::{polling, unseen};
use crate::base::error::Error;
use crate::base::exit::Exit;
use crate::cli;
use crate::journal::{Event, Journal, What};
use crate::lock::file::open_to_look;
use crate::lock::holders;
use crate::lock::keeper;
use crate::lock::marks;
use crate::lock::state::{Facts, State, inspect_with};
use crate::platform::identity::Identity;
use crate::platform::proc;
use crate::process::connections::{self, Polling, Subject};
use crate::process::find::Found;
use crate::process::instance::Instance;
use crate::process::keep::{self, Keep, Standing};
use crate::process::matching::Doubt;
use crate::settings::{Bot, Settings};

/// What was planned and done.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The plan.
    pub plan: Vec<PlanView>,
    /// What became of it; empty with `--dry-run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub results: Option<Vec<ResultView>>,
    /// How many processes could not be inspected: more instances may run.
    pub uninspected: usize,
    /// Whether `/proc` hides other users' processes: the same.
    pub hidden: bool,
    /// Why "none" would be a guess, where no instance is seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cannot_tell: Option<Sentence>,
    /// The plan was shown before the question.
    #[serde(skip)]
    pub shown: bool,
    #[serde(skip)]
    exit: Exit,
}

/// A line of the plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlanView {
    /// The instance's topmost process.
    pub pid: i32,
    /// What is to be done.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// Who started it.
    pub origin: String,
    /// Its command line, tokens masked.
    pub command: String,
    /// What stops it for good, where solobot does not touch it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<String>,
}

/// What became of an instance.
#[derive(Debug, Clone, Serialize)]
pub struct ResultView {
    /// Its topmost process.
    pub pid: i32,
    /// In one word.
    pub result: &'static str,
    /// More, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Outcome {
    /// The exit code it leads to.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

/// Runs `kill-duplicates`.
///
/// # Errors
/// Nothing says which bot, or several are meant; `--keep PID` names no instance.
pub fn run(
    args: &cli::KillDuplicates,
    global: &cli::Global,
    settings: &Settings,
    notify: &mut dyn Notify,
) -> Result<Outcome, Error> {
    Stopping { bot: args.bot.as_deref(), keep: args.keep, options: &args.stopping, json: global.json }
        .run(settings, notify)
}

/// Runs `stop`: every instance.
///
/// # Errors
/// As [`run`].
pub fn stop(
    args: &cli::Stop,
    global: &cli::Global,
    settings: &Settings,
    notify: &mut dyn Notify,
) -> Result<Outcome, Error> {
    Stopping { bot: args.bot.as_deref(), keep: Keep::None, options: &args.stopping, json: global.json }
        .run(settings, notify)
}

/// Writes down which duplicates there were, and what became of them.
fn tell(journal: &Journal, bot: &Bot, plan: &Plan, results: &[ResultView]) {
    let event = |what, pid| Event::new(what, &bot.name).lock(&bot.lock).pid(pid);
    let (starters, instances): (Vec<&Step>, Vec<&Step>) = plan.steps.iter().partition(|step| step.candidate.is_starter);
    for duplicate in instances.iter().filter(|step| step.action != Action::Keep) {
        let detail = PlanView::of(duplicate).origin;
        journal.append(&event(What::DuplicateFound, duplicate.candidate.root.pid).detail(&detail));
    }
    let is_starter = |result: &&ResultView| starters.iter().any(|step| step.candidate.root.pid == result.pid);
    for result in results.iter().filter(|result| !is_starter(result)) {
        let what = match result.result {
            "terminated" | "killed" | "gone" => What::DuplicateStopped,
            "survived" | "not-permitted" => What::DuplicateSurvived,
            "respawned" => What::DuplicateRespawned,
            _ => continue,
        };
        journal.append(&event(what, result.pid).detail(result.result));
    }
}

struct Stopping<'a> {
    bot: Option<&'a str>,
    keep: Keep,
    options: &'a cli::Stopping,
    json: bool,
}

impl Stopping<'_> {
    fn run(&self, settings: &Settings, notify: &mut dyn Notify) -> Result<Outcome, Error> {
        let asked = settings.select_one(&self.options.selection, self.bot)?;
        let program = asked.program.as_ref().filter(|_| !self.names_a_lock_alone());
        let mut found = if program.is_some() { look(&asked)? } else { Found::default() };
        if let Some(program) = program {
            found.refuse_nothing(program)?;
        }
        found.forecast();
        let look_at_lock = |(bot, found): (Bot, Found)| {
            let facts = inspect_with(&bot.lock, &found.kin());
            Seen { bot, found, facts }
        };
        let distinct: Vec<Seen> = super::distinct(&asked, found.clone()).into_iter().map(look_at_lock).collect();
        // What concerns none of several alone is asked of the lock that was asked for.
        let (bot, facts) = match distinct.as_slice() {
            [only] => (only.bot.clone(), only.facts.clone()),
            _ => (asked.clone(), inspect_with(&asked.lock, &found.kin())),
        };
        let mut bots = match program {
            Some(_) => self.meant(&distinct, notify)?,
            None => vec![holders_of(&bot, &facts)?],
        };
        if self.keep == Keep::None && bots.iter().all(Vec::is_empty) {
            bots.push(waiting_solobot(&bot, &facts).into_iter().collect());
        }
        if matches!(self.keep, Keep::Holder | Keep::Managed) {
            for candidates in &mut bots {
                see_who_polls(candidates, &bot);
            }
        }
        let plan = Plan::make(bots, &self.wishes())?;
        let cannot_tell = self.cannot_tell(&bot, &found, &facts, &plan);
        let exit = if cannot_tell.is_some() { Exit::NotPermitted } else { plan.exit() };
        let mut outcome = Outcome {
            plan: plan.steps.iter().map(PlanView::of).collect(),
            results: None,
            uninspected: found.uninspected,
            hidden: found.hidden,
            cannot_tell,
            shown: false,
            exit,
        };
        if self.options.dry_run || !plan.stops_any() {
            return Ok(outcome);
        }
        if !self.options.yes && !self.json && notify.can_ask() {
            notify.notice(&Notice::Plan(outcome.plan.clone()));
            outcome.shown = true;
            if notify.confirm("Stop them?") == Some(false) {
                outcome.exit = Exit::No;
                return Ok(outcome);
            }
        }
        let again = || look(&asked).map(|found| found.instances);
        let grace = self.options.grace.unwrap_or(bot.grace);
        let results = act::carry_out(&plan, self.options, grace, &found, &again, notify)?;
        outcome.exit = act::exit(&plan, &results);
        if self.keep != Keep::None {
            tell(&Journal::at(settings.journal()), &bot, &plan, &results);
        }
        outcome.results = Some(results);
        Ok(outcome)
    }

    /// `--lock PATH` and nothing else: then whoever holds it is meant, also where the file has a bot with that lock.
    fn names_a_lock_alone(&self) -> bool {
        let selection = &self.options.selection;
        let has_program = self.bot.is_some() || selection.program.is_some() || selection.module.is_some();
        selection.lock.is_some() && !has_program
    }

    /// Where no instance was seen, and none can be stopped, something that may be one and cannot be judged from here.
    fn cannot_tell(&self, bot: &Bot, found: &Found, facts: &Facts, plan: &Plan) -> Option<Sentence> {
        if !found.instances.is_empty() || plan.stops_any() {
            return None;
        }
        let name = if self.keep == Keep::None { "stop" } else { "kill-duplicates" };
        let (why, there) = match unseen::instance(found) {
            Some(why) => (why, "sudo"),
            None if proc::hides_others() => (unseen::holder(facts)?, "sudo"),
            None => (unseen::holder(facts)?, "on the host, or in the other container:"),
        };
        Some(why.followed_by(&format!(": {there} solobot {name} {}", bot.typed())))
    }

    fn wishes(&self) -> Wishes {
        Wishes {
            keep: self.keep,
            include_probable: self.options.include_probable,
            include_managed: self.options.include_managed,
        }
    }

    /// The instances of each bot that is meant. A bare name can mean several: each is asked for on a terminal, a script
    /// is told.
    fn meant(&self, bots: &[Seen], notify: &mut dyn Notify) -> Result<Vec<Vec<Candidate>>, Error> {
        let needs = |seen: &Seen| self.keep == Keep::None || seen.found.instances.len() > 1;
        let several = bots.iter().filter(|seen| needs(seen)).count() > 1 && !self.options.all;
        let mut meant: Vec<Vec<Candidate>> = Vec::new();
        for seen in bots {
            // With nothing surplus the plan still says what is kept.
            let is_meant = match (several && needs(seen)).then(|| notify.confirm(&seen.question())) {
                None => true,
                Some(Some(answer)) => answer,
                Some(None) => return Err(several_meant(bots)),
            };
            if !is_meant {
                continue;
            }
            let found = &seen.found;
            let sure = found.instances.iter().map(|one| seen.certain(one));
            // Of several bots none can be said to be theirs that runs something else.
            let is_its = |one: &&Instance| bots.len() == 1 || found.runs_program_of(one);
            let (own, strange): (Vec<_>, Vec<_>) = found.probable.iter().partition(is_its);
            let probable = |one: &Instance| Candidate::of(one, &seen.facts, true);
            meant.push(sure.chain(own.into_iter().map(probable)).collect());
            meant.push(strange.into_iter().map(probable).collect());
        }
        Ok(meant)
    }
}

fn look(bot: &Bot) -> Result<Found, Error> {
    let io = |source| Error::Io { action: "list processes".into(), source };
    let Some(program) = &bot.program else { return Ok(Found::default()) };
    let token = bot.token.resolve()?.map(|resolved| &resolved.token);
    marks::find_instances(program, token, &bot.lock).map_err(io)
}

/// One of the bots that are meant, its instances, and its lock.
struct Seen {
    bot: Bot,
    found: Found,
    facts: Facts,
}

impl Seen {
    /// An instance of the bot. One that shows no token was perhaps started as the second of another bot that was started
    /// alike and shows another one: to start beside it would be wrong, and so would be to stop it, unless it has the bot's
    /// lock.
    fn certain(&self, one: &Instance) -> Candidate {
        let is_alike = |other: &Instance| (&other.args, &other.cwd) == (&one.args, &one.cwd);
        let is_others =
            |other: &Instance| other.token.is_some() && is_alike(other) && self.found.runs_program_of(other);
        let candidate = Candidate::of(one, &self.facts, false);
        let in_doubt = one.token.is_none() && !candidate.holds && self.found.others.iter().any(is_others);
        Candidate { doubt: in_doubt.then(|| Doubt::TokenUnseen.reason().to_owned()), ..candidate }
    }

    fn question(&self) -> String {
        format!("Several bots are meant. This one? {}", self.describe())
    }

    fn describe(&self) -> String {
        let all = &self.found.instances;
        let list: Vec<String> =
            all.iter().map(|one| format!("PID {} ({})", one.root.pid, shortened(&one.command))).collect();
        let token = all.iter().find_map(|one| one.bot_id.as_ref().zip(one.token.as_ref()));
        let token = token.map_or_else(String::new, |(id, token)| format!(" (bot id {id}, token {token})"));
        format!("{}{token}: {}", self.bot.name, list.join(", "))
    }
}

fn several_meant(bots: &[Seen]) -> Error {
    let list: Vec<String> = bots.iter().map(Seen::describe).collect();
    let first = &bots[0].bot;
    let have_paths = bots.iter().any(|seen| seen.bot.name != first.name);
    let which = if have_paths {
        format!("name one by its path, as in {}", first.typed())
    } else {
        "name its token: --token-env NAME, --token-file PATH or --env-file PATH".to_owned()
    };
    Error::Usage {
        message: format!("several bots are meant: {}", list.join("; ")),
        hints: vec![which, "or all of them: --all".into()],
    }
}

/// Where several run and neither the lock nor a manager says which one counts, the one that is connected does.
fn see_who_polls(candidates: &mut [Candidate], bot: &Bot) {
    let standings: Vec<Standing> = candidates.iter().map(Candidate::standing).collect();
    if !keep::depends_on_polling(&standings) {
        return;
    }
    let servers = polling::servers(bot);
    let subjects: Vec<Subject<'_>> =
        candidates.iter().map(|one| Subject { members: &one.members, servers: &servers }).collect();
    let seen = connections::look(&subjects);
    for (candidate, evidence) in candidates.iter_mut().zip(seen) {
        candidate.polls = evidence.polling == Polling::Yes;
    }
}

/// Where only a lock says which bot is meant, its holders are the instances; a keeper, who ends by itself, stands for whom
/// it holds the lock for.
fn holders_of(bot: &Bot, facts: &Facts) -> Result<Vec<Candidate>, Error> {
    let kept_for = |holder: Identity| keeper::target(holder.pid).unwrap_or(holder);
    let candidates = |holders: &[Identity]| {
        acquire::topmost(holders).into_iter().map(|holder| Candidate::of_holder(kept_for(holder))).collect()
    };
    if let State::Replaced { holders } = &facts.state {
        return Ok(candidates(holders));
    }
    let State::Held { .. } = facts.state else { return Ok(Vec::new()) };
    let lock = open_to_look(&bot.lock)?;
    let sharers = holders::all_sharers(&lock)
        .map_err(|source| Error::Io { action: "find the holders of the lock".into(), source })?;
    if sharers.is_empty() {
        return Err(acquire::hidden_holder(&bot.lock));
    }
    Ok(candidates(&sharers))
}

/// A solobot that holds the lock for this bot and runs nothing just now: it waits before a restart.
fn waiting_solobot(bot: &Bot, facts: &Facts) -> Option<Candidate> {
    let record = facts.record.record().filter(|record| record.app_name == bot.name)?;
    let details = record.details.as_ref()?;
    let holder = details.holder();
    let holds = matches!(&facts.state, State::Held { holders, .. } if holders.contains(&holder));
    holds.then(|| Candidate::of_holder(holder))
}

impl PlanView {
    fn of(step: &plan::Step) -> Self {
        let origin = &step.candidate.origin;
        Self {
            pid: step.candidate.root.pid,
            action: step.action,
            reason: step.reason.clone(),
            origin: origin.to_string(),
            command: step.candidate.command.clone(),
            stop: origin.stop.clone().filter(|_| step.action == Action::Blocked),
        }
    }
}
