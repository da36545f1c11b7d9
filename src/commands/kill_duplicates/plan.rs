//! The plan: which instance to keep, which to stop, and which solobot may not stop. Pure.

use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::exit::Exit;
use crate::lock::coverage::LockCoverage;
use crate::outcome::kill_duplicates::Action;
use crate::outcome::process::command_line;
use crate::platform::identity::Identity;
use crate::process::instance::Instance;
use crate::process::keep::{self, Keep, KeepFacts, is_around_us};
use crate::process::matching::Doubt;
use crate::process::origin::{self, Manager, Origin};
use crate::process::stop::StopTarget;
use crate::survey::FoundBot;

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub struct StopRequest {
    /// Which instance stays.
    pub keep: Keep,
    /// Instances that are only probably the bot go too.
    pub include_probable: bool,
    /// Instances that a manager would start again go too.
    pub include_managed: bool,
}

/// An instance, as far as the plan needs it.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that the choice looks at")]
pub struct PlannedInstance {
    /// Its bot's name.
    pub bot: String,
    /// Its bot's lock.
    pub lock: PathBuf,
    /// Its topmost process.
    pub root: Identity,
    /// All its processes, the root first.
    pub members: Vec<Identity>,
    /// What wraps it.
    pub wrappers: Vec<Identity>,
    /// Its ancestors' PIDs.
    pub ancestors: Vec<i32>,
    /// Its command line, tokens masked.
    pub command: String,
    /// Who started it.
    pub origin: Origin,
    /// It holds the lock, or an ancestor does.
    pub holds: bool,
    /// It is connected to Telegram, as far as that was looked at.
    pub polls: bool,
    /// Stopped (SIGSTOP): it serves nobody.
    pub is_stopped: bool,
    /// Why it may be another bot.
    pub doubt: Option<Doubt>,
    /// It holds the lock, and what is missing for a proof that it may be stopped for that.
    pub unproved: Option<String>,
    /// It runs around solobot itself, or is one of its ancestors.
    pub is_around_us: bool,
    /// Who started it, as it was when the plan was made.
    pub starter: Option<Identity>,
    /// It is no instance: it would start one again.
    pub is_starter: bool,
}

impl PlannedInstance {
    /// An instance that was found by its program.
    pub fn of(instance: &Instance, bot: &FoundBot) -> Self {
        let origin = instance.origin.clone();
        let starter = instance.ancestors.iter().copied().find(|ancestor| origin.pid == Some(ancestor.pid));
        let mut candidate = Self {
            members: instance.members.clone(),
            wrappers: instance.wrappers.clone(),
            ancestors: instance.ancestors.iter().map(|ancestor| ancestor.pid).collect(),
            command: instance.command.clone(),
            holds: matches!(bot.covered(instance), LockCoverage::Holder | LockCoverage::Covered),
            is_stopped: instance.is_stopped(),
            doubt: instance.doubt,
            starter,
            origin,
            ..Self::of_process(instance.root, &bot.bot.name, &bot.bot.lock)
        };
        candidate.is_around_us = is_around_us(&candidate.members);
        candidate
    }

    /// A process that holds the lock, where no program says what the bot is.
    pub fn of_holder(holder: Identity, bot: &FoundBot) -> Self {
        let origin = origin::of_process(holder).unwrap_or_else(Origin::unknown);
        let starter = origin.pid.and_then(Identity::of);
        Self { holds: true, origin, starter, ..Self::of_process(holder, &bot.bot.name, &bot.bot.lock) }
    }

    /// The loop or home-made supervisor that would start it again, and so has to stop first.
    fn restarter(&self) -> Option<Identity> {
        self.starter.filter(|_| matches!(self.origin.manager, Manager::Loop(_) | Manager::Parent(_)))
    }

    /// That one as a candidate.
    fn its_starter(&self) -> Option<Self> {
        let origin = self.origin.above.as_deref().cloned().unwrap_or_else(Origin::unknown);
        Some(Self { origin, is_starter: true, ..Self::of_process(self.restarter()?, &self.bot, &self.lock) })
    }

    fn of_process(process: Identity, bot: &str, lock: &Path) -> Self {
        Self {
            bot: bot.to_owned(),
            lock: lock.to_owned(),
            root: process,
            members: vec![process],
            wrappers: Vec::new(),
            ancestors: Vec::new(),
            command: command_line(process.pid),
            origin: Origin::unknown(),
            holds: false,
            polls: false,
            is_stopped: false,
            doubt: None,
            unproved: None,
            is_around_us: is_around_us(&[process]),
            starter: None,
            is_starter: false,
        }
    }

    /// What is for or against keeping it.
    pub fn standing(&self) -> KeepFacts {
        KeepFacts {
            is_around_us: self.is_around_us,
            holds: self.holds,
            polls: self.polls,
            is_stopped: self.is_stopped,
            ..KeepFacts::of_origin(&self.origin)
        }
    }

    fn has(&self, pid: i32) -> bool {
        self.members.iter().chain(&self.wrappers).any(|member| member.pid == pid)
    }

    /// What gets the signal: a solobot instead of its bot, since it passes TERM on and would count a second one as impatience.
    pub fn target(&self) -> StopTarget {
        let solobot = self.starter.filter(|_| matches!(self.origin.manager, Manager::Solobot(_)));
        StopTarget { root: solobot.unwrap_or(self.root), members: self.members.clone() }
    }
}

/// One line of the plan.
#[derive(Debug, Clone)]
pub struct PlanStep {
    pub candidate: PlannedInstance,
    /// What is to be done with it.
    pub action: Action,
    pub reason: String,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The kept one first.
    pub steps: Vec<PlanStep>,
    /// None is to stay.
    wants_none: bool,
}

impl Plan {
    /// Makes it. The candidates of each bot come oldest first, and of each bot one stays.
    ///
    /// # Errors
    /// `--keep PID` names a process of no instance.
    pub fn make(bots: Vec<Vec<PlannedInstance>>, wishes: &StopRequest) -> Result<Self, Error> {
        if let Keep::Pid(pid) = wishes.keep
            && !bots.iter().flatten().any(|one| one.has(pid))
        {
            return Err(no_such_instance(bots.iter().flatten(), pid));
        }
        let steps = bots.into_iter().flat_map(|candidates| steps_of(candidates, wishes));
        let mut steps = with_starters(steps);
        steps.sort_by_key(|step| step.action != Action::Keep);
        Ok(Self { steps, wants_none: wishes.keep == Keep::None })
    }

    /// Whether anything is to be stopped.
    pub fn stops_any(&self) -> bool {
        self.to_stop().next().is_some()
    }

    /// What is to be stopped.
    pub fn to_stop(&self) -> impl Iterator<Item = &PlannedInstance> {
        self.steps.iter().filter(|step| step.action == Action::Stop).map(|step| &step.candidate)
    }

    /// Every process of what stays.
    pub fn protected(&self) -> Vec<i32> {
        let kept = self.steps.iter().filter(|step| step.action == Action::Keep).map(|step| &step.candidate);
        kept.flat_map(|one| one.members.iter().chain(&one.wrappers)).map(|member| member.pid).collect()
    }

    /// A surplus instance stays because solobot does not touch it. One that is only probably the bot is taken for another
    /// one where a certain one was found; where none was, it may be the one that is to go, or one too many.
    pub fn is_blocked(&self) -> bool {
        let instances = || self.steps.iter().filter(|step| !step.candidate.is_starter);
        let mut blocked = instances().filter(|step| step.action == Action::Blocked);
        let is_guess = instances().all(|step| step.candidate.doubt.is_some());
        let counts = is_guess && (self.wants_none || instances().count() > 1);
        blocked.any(|step| step.candidate.doubt.is_none() || counts)
    }

    /// The exit code of the plan alone: a negative answer if anything would be stopped, or is blocked.
    pub fn exit(&self) -> Exit {
        if self.stops_any() || self.is_blocked() { Exit::No } else { Exit::Ok }
    }
}

/// The steps. Before each instance to stop comes the process that would start it again, which has to stop first: nothing is
/// stopped that is not in the plan.
fn with_starters(steps: impl Iterator<Item = PlanStep>) -> Vec<PlanStep> {
    let mut all: Vec<PlanStep> = Vec::new();
    for step in steps {
        let starter = step.candidate.its_starter().filter(|_| step.action == Action::Stop);
        if let Some(starter) = starter.filter(|starter| all.iter().all(|step| step.candidate.root != starter.root)) {
            let reason = format!("would start PID {} again", step.candidate.root.pid);
            all.push(PlanStep { candidate: starter, action: Action::Stop, reason });
        }
        all.push(step);
    }
    all
}

/// What is to be done with the instances of one bot.
fn steps_of(candidates: Vec<PlannedInstance>, wishes: &StopRequest) -> Vec<PlanStep> {
    let kept = choose(&candidates, wishes);
    let kept_ancestors = kept.as_ref().map(|(at, _)| candidates[*at].ancestors.clone()).unwrap_or_default();
    let step = |(at, candidate): (usize, PlannedInstance)| match &kept {
        Some((kept, why)) if *kept == at => PlanStep { candidate, action: Action::Keep, reason: (*why).to_owned() },
        _ => {
            let (action, reason) = fate(&candidate, wishes, &kept_ancestors);
            PlanStep { candidate, action, reason }
        }
    };
    candidates.into_iter().enumerate().map(step).collect()
}

/// The one that stays, and why. What is only probably the bot stays at most where the others of its kind are to go and
/// nothing surer is there.
fn choose(candidates: &[PlannedInstance], wishes: &StopRequest) -> Option<(usize, &'static str)> {
    let takes_probable = wishes.include_probable && candidates.iter().all(|one| one.doubt.is_some());
    let standing = |one: &PlannedInstance| KeepFacts {
        is_doubtful: one.doubt.is_some_and(|doubt| !takes_probable || !doubt.may_be_overruled()),
        is_named: matches!(wishes.keep, Keep::Pid(pid) if one.has(pid)),
        ..one.standing()
    };
    let standings: Vec<KeepFacts> = candidates.iter().map(standing).collect();
    keep::choose(&standings, wishes.keep)
}

fn no_such_instance<'a>(candidates: impl Iterator<Item = &'a PlannedInstance>, pid: i32) -> Error {
    let there: Vec<String> = candidates.map(|one| one.root.pid.to_string()).collect();
    let hint = match there.first() {
        None => "no instance is running; to see what is: solobot status".to_owned(),
        Some(first) => {
            format!("to keep one of the instances ({}): solobot kill-duplicates --keep {first} …", there.join(", "))
        }
    };
    Error::usage(format!("PID {pid} is not part of an instance of this bot"), hint)
}

/// What happens to one that does not stay.
fn fate(candidate: &PlannedInstance, wishes: &StopRequest, kept_ancestors: &[i32]) -> (Action, String) {
    if let Some(doubt) = candidate.doubt.filter(|doubt| !wishes.include_probable || !doubt.may_be_overruled()) {
        let how =
            if doubt.may_be_overruled() { "--include-probable stops it" } else { "no option stops it for this bot" };
        return (Action::Blocked, format!("only probably this bot: {}; {how}", doubt.reason()));
    }
    if candidate.is_around_us {
        return (Action::Blocked, "this solobot runs inside it".into());
    }
    if let Some(missing) = &candidate.unproved {
        return (Action::Blocked, format!("holds the lock, but solobot cannot prove that it is the bot: {missing}"));
    }
    let origin = &candidate.origin;
    let shares_starter = origin.pid.is_some_and(|starter| kept_ancestors.contains(&starter));
    if shares_starter && matches!(origin.manager, Manager::Loop(_) | Manager::Parent(_) | Manager::Solobot(_)) {
        let pid = origin.pid.unwrap_or_default();
        return (Action::Blocked, format!("PID {pid} started both it and the instance that is kept"));
    }
    if let Some(unseen) = origin.unseen().filter(|_| !wishes.include_managed) {
        return (Action::Blocked, format!("{unseen} and may start it again; --include-managed stops it anyway"));
    }
    if origin.would_respawn() && !wishes.include_managed {
        return (Action::Blocked, format!("{origin} would start it again; --include-managed stops it anyway"));
    }
    if let Some(starter) = candidate.restarter().filter(|&starter| is_around_us(&[starter])) {
        return (
            Action::Blocked,
            format!(
                "PID {starter} would start it again and is never stopped: it is PID 1, or this solobot runs inside it"
            ),
        );
    }
    (Action::Stop, if wishes.keep == Keep::None { "stop all" } else { "surplus" }.into())
}

#[cfg(test)]
mod tests;
