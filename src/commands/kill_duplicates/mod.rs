//! `kill-duplicates` and `stop`: first the plan, then the act. The plan is a value: `--dry-run` prints the same plan
//! that would be carried out, and on a terminal solobot asks before that.

mod act;
pub mod plan;

use std::path::Path;

use self::plan::{Plan, PlanStep, PlannedInstance, StopRequest};

use crate::base::error::Error;
use crate::base::exit::Exit;
use crate::base::secret::TokenId;
use crate::cli;
use crate::journal::{Event, EventKind, Journal};
use crate::lock::carriers;
use crate::lock::file::open_to_look;
use crate::lock::replaced::LockPathNow;
use crate::lock::state::State;
use crate::outcome::events::{Events, Notice};
use crate::outcome::kill_duplicates::{Action, BotBrief, PlanView, ResultView, StopOutcome, StopStatusView};
use crate::outcome::lock::HiddenHolder;
use crate::outcome::process::TokenRival;
use crate::outcome::sentence::{Sentence, shortened};
use crate::outcome::unseen;
use crate::platform::advice;
use crate::platform::filesystem::FileId;
use crate::platform::identity::{Identity, lineage};
use crate::platform::proc;
use crate::process::instance::Instance;
use crate::process::keep::{self, Keep, KeepFacts};
use crate::settings::{Bot, Settings};
use crate::survey::connections::{self, Polling, Subject};
use crate::survey::holders::{HolderContext, Holders, LockCarrier, topmost};
use crate::survey::token_users::{self, TokenUser};
use crate::survey::users::Users;
use crate::survey::{FoundBot, Surveyor, folder, held_locks, servers};

/// Runs `kill-duplicates`.
///
/// # Errors
/// Nothing says which bot, or several are meant; `--keep PID` names no instance.
pub fn run(
    args: &cli::KillDuplicates,
    global: &cli::Global,
    settings: &Settings,
    events: &mut dyn Events,
) -> Result<StopOutcome, Error> {
    StopRun { bot: args.bot.as_deref(), keep: args.keep, options: &args.stopping, json: global.json }
        .run(settings, events)
}

/// Runs `stop`: every instance.
///
/// # Errors
/// As [`run`].
pub fn stop(
    args: &cli::Stop,
    global: &cli::Global,
    settings: &Settings,
    events: &mut dyn Events,
) -> Result<StopOutcome, Error> {
    StopRun { bot: args.bot.as_deref(), keep: Keep::None, options: &args.stopping, json: global.json }
        .run(settings, events)
}

/// Writes down which duplicates there were, and what became of them.
fn tell(journal: &Journal, asked: &Bot, plan: &Plan, results: &[ResultView]) {
    let event = |what, pid| {
        // What was started again is in no step: it is the asked one's.
        let step = plan.steps.iter().find(|step| step.candidate.root.pid == pid);
        let (name, lock) = step.map_or((&asked.name, &asked.lock), |step| (&step.candidate.bot, &step.candidate.lock));
        Event::new(what, name).lock(lock).pid(pid)
    };
    let (starters, instances): (Vec<&PlanStep>, Vec<&PlanStep>) =
        plan.steps.iter().partition(|step| step.candidate.is_starter);
    for duplicate in instances.iter().filter(|step| step.action != Action::Keep) {
        let detail = PlanView::of(duplicate).origin;
        journal.append(&event(EventKind::DuplicateFound, duplicate.candidate.root.pid).detail(&detail));
    }
    let is_starter = |result: &&ResultView| starters.iter().any(|step| step.candidate.root.pid == result.pid);
    for result in results.iter().filter(|result| !is_starter(result)) {
        let what = match result.result {
            StopStatusView::Terminated | StopStatusView::Killed | StopStatusView::Gone => EventKind::DuplicateStopped,
            StopStatusView::Survived | StopStatusView::NotPermitted => EventKind::DuplicateSurvived,
            StopStatusView::Respawned => EventKind::DuplicateRespawned,
            StopStatusView::Blocked => continue,
        };
        journal.append(&event(what, result.pid).detail(result.result.as_str()));
    }
}

struct StopRun<'a> {
    bot: Option<&'a str>,
    keep: Keep,
    options: &'a cli::Stopping,
    json: bool,
}

impl StopRun<'_> {
    fn run(&self, settings: &Settings, events: &mut dyn Events) -> Result<StopOutcome, Error> {
        let mut asked = folder::select_one(settings, &self.options.selection, self.bot, self.name())?;
        if self.names_a_lock_alone() {
            asked.program = None;
        }
        if asked.program.is_some() {
            // Whoever looks goes on without a token; here it says which instances are to go.
            asked.token.resolve()?;
        }
        let mut surveyor = Surveyor::new(settings);
        let mut survey = surveyor.look_at(std::slice::from_ref(&asked))?;
        survey.refuse_nothing()?;
        if self.options.include_probable && survey.bots.iter().any(|bot| !bot.found.probable.is_empty()) {
            survey.look_at_connections(&mut servers::of_bot, &mut connections::wait);
        } else {
            survey.set_workers_aside();
        }
        survey.warnings.iter().for_each(|warning| events.notice(&Notice::Warning(warning.clone())));
        let bots = survey.bots.as_slice();
        let mut candidates = match &asked.program {
            Some(_) => self.meant(bots, events)?,
            None => bots.iter().map(|bot| holders_of(bot, settings)).collect::<Result<_, _>>()?,
        };
        if self.keep == Keep::None && candidates.iter().all(Vec::is_empty) {
            candidates.push(bots.iter().filter_map(|bot| waiting_solobot(bot, settings)).collect());
        }
        if matches!(self.keep, Keep::Holder | Keep::Managed) {
            for candidates in &mut candidates {
                see_who_polls(candidates, &asked);
            }
        }
        let plan = Plan::make(candidates, &self.wishes())?;
        let cannot_tell = bots.first().and_then(|bot| self.cannot_tell(bot, &plan));
        let exit = if cannot_tell.is_some() { Exit::NotPermitted } else { plan.exit() };
        let mut outcome = StopOutcome {
            plan: plan.steps.iter().map(PlanView::of).collect(),
            bots: bots.iter().map(BotBrief::of).collect(),
            results: None,
            same_token: if self.keep == Keep::None { Vec::new() } else { same_token(bots, settings)? },
            uninspected: survey.uninspected,
            hidden: survey.hidden,
            cannot_tell,
            shown: false,
            exit,
        };
        if self.options.dry_run || !plan.stops_any() {
            return Ok(outcome);
        }
        if !self.options.yes && !self.json && events.can_ask() {
            events.notice(&Notice::Plan(outcome.plan.clone()));
            outcome.shown = true;
            let question = if plan.to_stop().count() == 1 { "Stop it?" } else { "Stop them?" };
            if events.confirm(question) == Some(false) {
                outcome.exit = Exit::No;
                return Ok(outcome);
            }
        }
        let known = bots.iter().flat_map(|bot| bot.found.all()).flat_map(|one| one.members.clone()).collect();
        let mut again = || {
            let survey = surveyor.look_at(std::slice::from_ref(&asked))?;
            Ok(survey.bots.into_iter().flat_map(|bot| bot.found.instances).collect())
        };
        let grace = self.options.grace.unwrap_or(asked.grace);
        let results = act::carry_out(&plan, self.options, grace, &known, &mut again, events)?;
        outcome.exit = act::exit(&plan, &results);
        if self.keep != Keep::None {
            tell(&Journal::at(settings.journal()), &asked, &plan, &results);
        }
        outcome.results = Some(results);
        Ok(outcome)
    }

    fn name(&self) -> &'static str {
        if self.keep == Keep::None { "stop" } else { "kill-duplicates" }
    }

    /// `--lock PATH` and nothing else: then the holder of that lock is meant, even if solobot.toml has a bot with that lock.
    fn names_a_lock_alone(&self) -> bool {
        let selection = &self.options.selection;
        let has_program = self.bot.is_some() || selection.program.is_some() || selection.module.is_some();
        selection.lock.is_some() && !has_program
    }

    /// Where no instance was seen, and none can be stopped, something that may be one and cannot be judged from here.
    fn cannot_tell(&self, bot: &FoundBot, plan: &Plan) -> Option<Sentence> {
        if !bot.found.instances.is_empty() || plan.stops_any() {
            return None;
        }
        let command = format!("solobot {} {}", self.name(), bot.bot.typed());
        let as_root = || advice::as_root("to look", &command);
        let (why, how) = match unseen::instance(&bot.found) {
            Some(why) => (why, as_root()),
            None if proc::hides_others() => (unseen::holder(&bot.locks.own)?, as_root()),
            None => {
                let there = format!("to stop it on the host or in the other container: {command}");
                (unseen::holder(&bot.locks.own)?, there)
            }
        };
        Some(why.followed_by(&format!("; {how}")))
    }

    fn wishes(&self) -> StopRequest {
        StopRequest {
            keep: self.keep,
            include_probable: self.options.include_probable,
            include_managed: self.options.include_managed,
        }
    }

    /// The instances of each bot that is meant. A bare name can mean several: each is asked for on a terminal, a script
    /// is told.
    fn meant(&self, bots: &[FoundBot], events: &mut dyn Events) -> Result<Vec<Vec<PlannedInstance>>, Error> {
        let needs = |bot: &FoundBot| self.keep == Keep::None || bot.found.instances.len() > 1;
        let several = bots.iter().filter(|bot| needs(bot)).count() > 1 && !self.options.all;
        let mut meant: Vec<Vec<PlannedInstance>> = Vec::new();
        for bot in bots {
            // With nothing surplus the plan still says what is kept.
            let question = || format!("Several bots match. This one? {}", describe(bot));
            let is_meant = match (several && needs(bot)).then(|| events.confirm(&question())) {
                None => true,
                Some(Some(answer)) => answer,
                Some(None) => return Err(several_meant(bots)),
            };
            if !is_meant {
                continue;
            }
            let found = &bot.found;
            let candidate = |one: &Instance| PlannedInstance::of(one, bot);
            // Of several bots none can be said to be theirs that runs something else.
            let is_its = |one: &&Instance| bots.len() == 1 || found.runs_program_of(one);
            let (own, strange): (Vec<_>, Vec<_>) = found.probable.iter().partition(is_its);
            meant.push(found.instances.iter().chain(own).map(candidate).collect());
            meant.push(strange.into_iter().map(candidate).collect());
        }
        Ok(meant)
    }
}

/// The other programs that have a token of these bots: what would be a duplicate, but for its program.
fn same_token(bots: &[FoundBot], settings: &Settings) -> Result<Vec<TokenRival>, Error> {
    let tokens: Vec<TokenId> = bots.iter().flat_map(|bot| bot.found.tokens(bot.token.as_ref())).collect();
    let io = |source| Error::Io { action: "list processes".into(), source };
    let users = token_users::of_tokens(&tokens, settings.context().caller).map_err(io)?;
    let kin: Vec<i32> = bots.iter().flat_map(|bot| bot.found.kin()).collect();
    let others: Vec<&TokenUser> = users.iter().filter(|user| !kin.contains(&user.process.pid)).collect();
    let is_connected =
        |user: &TokenUser| bots.iter().flat_map(|bot| &bot.rivals).any(|one| one.process == user.process);
    // What one of them has started is a part of it.
    let is_other = |pid: i32| others.iter().any(|user| user.process.pid == pid);
    let is_top = |user: &&&TokenUser| !lineage(user.process.pid).skip(1).any(is_other);
    Ok(others.iter().filter(is_top).map(|user| TokenRival::of(user, is_connected(user))).collect())
}

fn describe(bot: &FoundBot) -> String {
    let all = &bot.found.instances;
    let list: Vec<String> =
        all.iter().map(|one| format!("PID {} ({})", one.root.pid, shortened(&one.command))).collect();
    format!("{}: {}", bot.label, list.join(", "))
}

fn several_meant(bots: &[FoundBot]) -> Error {
    let list: Vec<String> = bots.iter().map(describe).collect();
    let first = &bots[0].bot;
    let have_paths = bots.iter().any(|one| one.bot.program != first.program);
    let which = if have_paths {
        format!("to choose one, name its path, as in {}", first.typed())
    } else {
        "to choose one, name its token: --token-env NAME, --token-file PATH or --env-file PATH".to_owned()
    };
    Error::Usage {
        message: format!("several bots match: {}", list.join("; ")),
        hints: vec![which, "to choose all of them: --all".into()],
    }
}

/// Where several run and neither the lock nor a manager says which one counts, the one that is connected does.
fn see_who_polls(candidates: &mut [PlannedInstance], bot: &Bot) {
    let standings: Vec<KeepFacts> = candidates.iter().map(PlannedInstance::standing).collect();
    if !keep::depends_on_polling(&standings) {
        return;
    }
    let servers = servers::of_bot(bot);
    let subjects: Vec<Subject<'_>> =
        candidates.iter().map(|one| Subject { members: &one.members, servers: &servers }).collect();
    let seen = connections::look(&subjects);
    for (candidate, evidence) in candidates.iter_mut().zip(seen) {
        candidate.polls = evidence.polling == Polling::Yes;
    }
}

/// Where only a lock says which bot is meant, its holders are the instances, as far as they are proved.
fn holders_of(bot: &FoundBot, settings: &Settings) -> Result<Vec<PlannedInstance>, Error> {
    let (facts, lock) = (&bot.locks.own, &bot.bot.lock);
    let carrying = match &facts.state {
        State::Held { .. } => carrying(lock)?,
        State::Replaced { holders } => {
            let present = FileId::of(lock);
            LockCarrier::replaced(
                &LockPathNow::of(lock, present, &facts.record).held_by(holders.iter().map(|one| one.pid)),
            )
        }
        _ => return Ok(Vec::new()),
    };
    if carrying.is_empty() {
        return Err(HiddenHolder { lock: lock.clone() }.into());
    }
    let Holders { proved, unproved } = judge(bot, settings, &carrying);
    let candidate = |holder: Identity, unproved: Option<String>| PlannedInstance {
        unproved,
        ..PlannedInstance::of_holder(holder, bot)
    };
    let proved = topmost(&proved).into_iter().map(|holder| candidate(holder, None));
    Ok(proved.chain(unproved.into_iter().map(|(holder, why)| candidate(holder, Some(why)))).collect())
}

fn carrying(lock: &Path) -> Result<Vec<LockCarrier>, Error> {
    let carriers = carriers::of(&open_to_look(lock)?)
        .map_err(|source| Error::Io { action: "find the holders of the lock".into(), source })?;
    Ok(LockCarrier::present(&carriers))
}

/// Who of these may be stopped for the bot's lock.
fn judge(bot: &FoundBot, settings: &Settings, carrying: &[LockCarrier]) -> Holders {
    let (facts, caller) = (&bot.locks.own, settings.context().caller);
    let users = Users::of_bot(bot.bot.program.as_ref(), &facts.path, caller, &bot.bot.users);
    let runs_program = |process: Identity| {
        bot.found.instances.iter().any(|one| one.members.contains(&process) || one.wrappers.contains(&process))
    };
    HolderContext { lock: &facts.path, record: &facts.record, users: &users, runs_program: &runs_program }
        .holders(carrying)
}

/// A solobot that holds the lock for this bot and runs nothing just now: it waits before a restart.
fn waiting_solobot(bot: &FoundBot, settings: &Settings) -> Option<PlannedInstance> {
    let facts = &bot.locks.own;
    let details = facts.record.details()?;
    let holder = details.holder();
    let carries = carrying(&facts.path).ok()?.into_iter().find(|one| one.process == holder)?;
    // Two programs of one folder share its default lock.
    let is_its = match (&bot.bot.program, held_locks::program_of(details, &facts.path)) {
        (Some(ours), Some(theirs)) => ours.is_same_but_for_args(&theirs),
        _ => true,
    };
    let is_proved = || judge(bot, settings, &[carries]).proved.contains(&holder);
    (is_its && is_proved()).then(|| PlannedInstance::of_holder(holder, bot))
}

impl PlanView {
    fn of(step: &plan::PlanStep) -> Self {
        let origin = &step.candidate.origin;
        Self {
            bot: step.candidate.bot.clone(),
            pid: step.candidate.root.pid,
            action: step.action,
            reason: step.reason.clone(),
            origin: origin.to_string(),
            command: step.candidate.command.clone(),
            stop: origin.stop().filter(|_| step.action == Action::Blocked),
        }
    }
}
