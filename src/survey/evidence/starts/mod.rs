//! Who starts a bot again and again. A bot that ends because its lock is held lives for a moment, so most looks find no
//! process of it. What is left to see: whoever would start it (a loop, a manager's entry), that one's own count, the
//! starts while somebody watches, and the refrain in the logs.
//!
//! It is watched for a moment where somebody may start it, and for as long as a manager's usual pause only where something
//! hints at a loop. Not promised: a loop that pauses for longer and keeps no count.

mod machine;
mod pm2;
mod refrain;
mod supervisord;
mod tail;
mod watcher;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use super::facts::{BotFacts, NamedProcess, Respawner, SeenInstance, WatchedStart};
use crate::base::text::plural;
use crate::logs::input::Input;
use crate::logs::rhythm::PatternKind;
use crate::platform::identity::{Identity, Stat};
use crate::process::origin::{self, LoadedUnit, Manager, Origin, UnitState};
use crate::survey::FoundBot;
use crate::survey::logs;

use self::machine::{Machine, StarterKind, StartingProcess};
use self::watcher::{BotStarts, CaughtStart, Wanted, Watcher};

/// An instance younger than this may be one of many short lives.
const YOUNG: Duration = Duration::from_secs(15);
/// How long to watch where somebody may start it.
const MOMENT: Duration = Duration::from_millis(1200);
/// How long to watch where something hints at a loop: the usual pause of a manager is ten seconds.
const WATCH: Duration = Duration::from_secs(12);
/// So many starts by a manager's own count are a loop.
const MANY: u64 = 3;
/// An instance that ends within this time of its start has failed.
const SHORT: Duration = Duration::from_mins(1);

/// Told before starts are watched: the bot's name, how long that may take, and why.
pub type OnStartWatch<'a> = dyn FnMut(&str, Duration, &str) + 'a;

/// Why a bot's starts are watched.
#[derive(Debug, Default)]
struct Suspicion {
    /// Whoever would start it in any case, or has done so often.
    respawners: Vec<Respawner>,
    /// Processes below which it may be started.
    below: Vec<i32>,
    /// Somebody may start it: a moment is enough to see that, and nobody has to be told.
    is_possible: bool,
    /// An instance was just started.
    is_young: Option<String>,
    /// What is worth a longer watch.
    hint: Option<String>,
}

impl Suspicion {
    /// Why it is watched, and for how long at most.
    fn why(&self) -> Option<(&str, Duration)> {
        let span = if self.is_proved() { MOMENT } else { WATCH };
        let hint = self.hint.as_deref().map(|why| (why, span));
        hint.or_else(|| self.is_young.as_deref().map(|why| (why, MOMENT)))
    }

    /// Whether a manager's own count says it all.
    fn is_proved(&self) -> bool {
        self.respawners.iter().any(|one| one.is_proved)
    }

    fn hint(&mut self, why: impl Into<String>) {
        self.hint.get_or_insert(why.into());
    }
}

/// The watch over the starts of several bots.
pub struct StartWatch<'a> {
    machine: Machine,
    bots: Vec<WatchedBot<'a>>,
    watcher: Watcher<'a>,
    /// How long to watch in any case.
    least: Duration,
}

impl<'a> StartWatch<'a> {
    /// Looks who may start these bots; the facts of each stand at its place.
    pub fn begin(
        found: &'a [FoundBot],
        facts: &mut [BotFacts],
        now: Timestamp,
        on_watch: &mut OnStartWatch<'_>,
    ) -> Self {
        let has_program = found.iter().any(|one| one.bot.program.is_some());
        let machine = if has_program { Machine::look(now) } else { Machine::default() };
        let mut bots: Vec<WatchedBot<'a>> = Vec::new();
        for (at, (one, bot)) in found.iter().zip(facts.iter_mut()).enumerate() {
            let Some(program) = &one.bot.program else { continue };
            let wanted = Wanted { program, name: one.bot.configured.then_some(one.bot.name.as_str()) };
            let suspicion = suspicion(&machine, wanted, one, bot, now);
            if let Some((why, span)) = suspicion.why() {
                on_watch(&bot.name, span, why);
            }
            bots.push(WatchedBot { at, wanted, suspicion });
        }
        let is_suspected = bots.iter().any(|one| one.suspicion.is_possible || one.suspicion.why().is_some());
        let least = if is_suspected { MOMENT } else { Duration::ZERO };
        let below = bots.iter().flat_map(|one| one.suspicion.below.iter().copied()).collect();
        let starts = bots.iter().map(|one| bot_starts(one.wanted, &facts[one.at])).collect();
        Self { machine, bots, watcher: Watcher::new(starts, below), least }
    }

    /// Watches while something else is looked at, and at least for a moment where somebody may start one of them.
    pub fn while_looking<T>(&mut self, look: impl FnOnce() -> T) -> T {
        if self.bots.is_empty() {
            return look();
        }
        let is_done = AtomicBool::new(false);
        let (watcher, least) = (&mut self.watcher, self.least);
        thread::scope(|scope| {
            let watch = || {
                watcher.watch(least, &|_| false);
                watcher.watch(WATCH, &|_| is_done.load(Ordering::Relaxed));
            };
            // Without a thread nothing is watched meanwhile.
            let watching = thread::Builder::new().spawn_scoped(scope, watch);
            let answer = look();
            is_done.store(true, Ordering::Relaxed);
            drop(watching);
            answer
        })
    }

    /// Watches on where something hints at a loop, and puts what was found into the facts.
    pub fn finish(mut self, facts: &mut [BotFacts], on_watch: &mut OnStartWatch<'_>) {
        for (one, starts) in self.bots.iter_mut().zip(&self.watcher.bots) {
            if one.suspicion.hint.is_none()
                && let Some(why) = late_hint(&self.machine, one, &facts[one.at], starts)
            {
                on_watch(&facts[one.at].name, WATCH, &why);
                one.suspicion.hint(why);
            }
        }
        let hinted = |one: &WatchedBot<'_>| one.suspicion.hint.is_some() && !one.suspicion.is_proved();
        let hinted: Vec<bool> = self.bots.iter().map(hinted).collect();
        let is_over = |bots: &[BotStarts<'_>]| bots.iter().zip(&hinted).all(|(bot, hinted)| !hinted || bot.is_proved());
        self.watcher.watch(WATCH.saturating_sub(self.watcher.watched), &is_over);
        let has_units = self.bots.iter().any(|one| one.has_units(&self.machine));
        let units = if has_units { machine::units() } else { Vec::new() };
        for (one, starts) in self.bots.into_iter().zip(&self.watcher.bots) {
            let bot = &mut facts[one.at];
            one.conclude(&self.machine, &units, starts, bot, self.watcher.watched);
            if !bot.starts.respawners.is_empty() {
                // One of its many lives is over.
                bot.instances.retain(|seen| seen.instance.root.is_alive());
                bot.probable.retain(|seen| seen.instance.root.is_alive());
            }
        }
    }
}

fn bot_starts<'a>(wanted: Wanted<'a>, bot: &BotFacts) -> BotStarts<'a> {
    let members = bot.all().flat_map(|seen| seen.instance.pids()).collect();
    BotStarts::new(wanted, bot.instances.iter().map(|seen| seen.instance.root).collect(), members)
}

/// Who may start a bot, before it is watched.
fn suspicion(machine: &Machine, wanted: Wanted<'_>, found: &FoundBot, bot: &mut BotFacts, now: Timestamp) -> Suspicion {
    let mut suspicion = Suspicion::default();
    // Whoever started an instance that goes on does its work; a young one may be one of many.
    let is_at_work = |process: &StartingProcess| {
        let is_its = |seen: &&SeenInstance| seen.instance.kin().any(|pid| pid == process.process.pid);
        let is_single = !matches!(process.what, StarterKind::Supervisord(_));
        bot.all().filter(is_its).any(|seen| is_single || !is_young(seen))
    };
    let mut outputs: Vec<Input> = logs::of_bot(found).inputs;
    for process in machine.processes.iter().filter(|one| !is_at_work(one)) {
        let pid = process.process.pid;
        let before = suspicion.below.len();
        match &process.what {
            StarterKind::Loop | StarterKind::Service => {
                let Some(start) = process.start(wanted.program, wanted.name) else { continue };
                suspicion.below.push(pid);
                if start.looks_first || matches!(process.what, StarterKind::Service) {
                    suspicion.is_possible = true;
                } else {
                    suspicion.hint(format!("PID {pid} starts it in a loop"));
                    suspicion.respawners.push(looping(process));
                }
            }
            StarterKind::Supervisord(programs) => {
                let is_its = |one: &&supervisord::SupervisedProgram| {
                    wanted.program.start_by(&one.command, &one.folder, wanted.name).is_some()
                };
                for one in programs.iter().filter(is_its).filter(|one| !one.is_over && one.starts > 1) {
                    suspicion.below.push(pid);
                    outputs.extend(one.logs.iter().cloned().map(Input::File));
                    let name = Origin { manager: one.manager.clone(), ..Origin::unknown() }.to_string();
                    suspicion.hint(format!("{name} was started {} times in the last minute", one.starts));
                    if one.starts >= MANY {
                        suspicion.respawners.push(supervised(process, one, name));
                    }
                }
            }
            StarterKind::Pm2(restarts) if *restarts > 1 => {
                suspicion.below.push(pid);
                suspicion.hint(format!("pm2 (PID {pid}) has just restarted an app"));
            }
            StarterKind::Script(_) if process.mentions(wanted.program) => {
                suspicion.below.push(pid);
                suspicion.is_possible = true;
            }
            StarterKind::Pm2(_) | StarterKind::Script(_) => {}
        }
        if suspicion.below.len() > before {
            outputs.extend(logs::written_by(process.process).into_iter().map(Input::File));
        }
    }
    for unit in machine.units.iter().filter(|unit| is_started_by(unit, wanted)) {
        if let Some(respawner) = restarting(unit, None) {
            suspicion.hint(format!("{} is about to be started again", unit.name));
            suspicion.respawners.push(respawner);
        }
    }
    for seen in bot.instances.iter().filter(|seen| is_young(seen)) {
        suspicion.below.extend(seen.instance.origin.pid);
        let why = format!("PID {} was started a moment ago", seen.pid());
        if has_started_before(machine, &seen.instance.origin) {
            suspicion.hint(why);
        } else {
            suspicion.is_young.get_or_insert(why);
        }
    }
    bot.starts.refrain = refrain::look(&outputs, now);
    if let Some(refrain) = &bot.starts.refrain {
        suspicion.hint(format!("{} repeats a refusal", refrain.place));
    }
    if has_regular_conflicts(bot) {
        suspicion.hint("its logs show conflicts at regular intervals");
    }
    suspicion
}

/// Whether its logs show fresh conflicts at regular intervals. Two that run side by side explain them.
fn has_regular_conflicts(bot: &BotFacts) -> bool {
    let is_logged = bot.logs.pattern.as_ref().is_some_and(|pattern| pattern.kind == PatternKind::RespawnLoop);
    is_logged && bot.logs.fresh.other_poller > 0 && bot.pollers().count() < 2
}

fn is_young(seen: &SeenInstance) -> bool {
    let origin = &seen.instance.origin;
    origin.would_respawn() && seen.instance.root.age().is_some_and(|age| age < YOUNG)
}

/// Whether the one that started a young instance has started others before, by its own count or by the children it has lost.
fn has_started_before(machine: &Machine, origin: &Origin) -> bool {
    if let Some(restarts) = origin.manager.restarts() {
        return restarts > 0;
    }
    let known = machine.processes.iter().find(|one| Some(one.process.pid) == origin.pid);
    match known.map(|one| (&one.what, one)) {
        Some((StarterKind::Supervisord(programs), _)) => programs.iter().any(|one| one.starts > 1),
        Some((StarterKind::Pm2(restarts), _)) => *restarts > 1,
        Some((_, process)) => process.has_had_children(),
        None => origin.pid.and_then(Stat::read).is_some_and(|stat| stat.children_faults > Some(0)),
    }
}

fn is_started_by(unit: &LoadedUnit, wanted: Wanted<'_>) -> bool {
    let folder = unit.folder.as_deref().unwrap_or(Path::new("/"));
    wanted.program.start_by(&unit.command, folder, wanted.name).is_some()
}

/// What has shown itself while it was watched for a moment.
fn late_hint(machine: &Machine, one: &WatchedBot<'_>, bot: &BotFacts, starts: &BotStarts<'_>) -> Option<String> {
    if let Some(caught) = starts.caught.first() {
        return Some(format!("PID {} was just started", caught.start.process.pid));
    }
    if let Some(ended) = starts.running.iter().find(|start| start.lived.is_some_and(|lived| lived < SHORT)) {
        let is_managed = |seen: &SeenInstance| seen.instance.root == ended.process && is_young(seen);
        return bot.instances.iter().any(is_managed).then(|| format!("PID {} has just ended", ended.process.pid));
    }
    let lost = machine
        .processes
        .iter()
        .find(|process| one.suspicion.below.contains(&process.process.pid) && process.has_lost_child());
    lost.map(|process| format!("PID {} starts something", process.process.pid))
}

/// A bot while its starts are watched.
struct WatchedBot<'a> {
    /// Its place among the facts.
    at: usize,
    wanted: Wanted<'a>,
    suspicion: Suspicion,
}

impl WatchedBot<'_> {
    fn has_units(&self, machine: &Machine) -> bool {
        machine.units.iter().any(|unit| is_started_by(unit, self.wanted))
    }

    fn conclude(
        self,
        machine: &Machine,
        units: &[LoadedUnit],
        starts: &BotStarts<'_>,
        bot: &mut BotFacts,
        watched: Duration,
    ) {
        let mut respawners = self.suspicion.respawners;
        for unit in units.iter().filter(|unit| is_started_by(unit, self.wanted)) {
            let before = machine.units.iter().find(|one| one.name == unit.name && one.scope == unit.scope);
            if let Some(found) = restarting(unit, before) {
                merge(&mut respawners, found);
            }
        }
        let seen: Vec<_> = starts.seen().copied().collect();
        let is_loop = seen.len() > 1 && seen.iter().any(|start| start.lived.is_some_and(|lived| lived < SHORT));
        if is_loop {
            let running = bot.instances.iter().filter(|seen| is_young(seen));
            let origins = running.map(|seen| (seen.instance.origin.clone(), None));
            let caught = starts.caught.iter().map(|one: &CaughtStart| (one.origin.clone(), one.parent.as_ref()));
            for found in caught.chain(origins).filter_map(|(origin, parent)| of_origin(origin, parent)) {
                merge(&mut respawners, found);
            }
        }
        // A life that is longer than the others may go on once its loop is stopped.
        let longest = seen.iter().filter_map(|start| start.lived).max().unwrap_or_default();
        let goes_on = |start: &&WatchedStart| {
            start.lived.is_none() && start.process.age().is_some_and(|age| age > longest + MOMENT)
        };
        let alive: Vec<i32> = seen.iter().filter(goes_on).map(|start| start.process.pid).collect();
        for one in &mut respawners {
            one.is_proved |= is_loop && starts.is_proved();
            if let (Some(pid), Some(stop)) = (one.pid, &mut one.stop)
                && *stop == origin::kill_by_hand(&[pid])
                && !alive.is_empty()
            {
                *stop = origin::kill_by_hand(&[&[pid], alive.as_slice()].concat());
            }
        }
        (bot.starts.seen, bot.starts.watched, bot.starts.respawners) = (seen, watched, respawners);
    }
}

/// One of them is known already: what is new about it is added.
fn merge(respawners: &mut Vec<Respawner>, found: Respawner) {
    let is_same = |one: &Respawner| match (one.pid, found.pid) {
        (Some(one), Some(other)) => one == other,
        _ => one.name == found.name,
    };
    match respawners.iter_mut().find(|one| is_same(one)) {
        Some(known) => {
            if known.stop.is_none() {
                (known.name, known.stop) = (found.name, found.stop);
            }
            if known.count.is_none() {
                known.count = found.count;
            }
            known.is_proved |= found.is_proved;
        }
        None => respawners.push(found),
    }
}

/// A shell loop, watch(1).
fn looping(process: &StartingProcess) -> Respawner {
    let pid = process.process.pid;
    Respawner {
        name: format!("PID {pid}"),
        evidence: vec![format!("PID {pid} starts it in a loop: {}", process.command)],
        pid: Some(pid),
        stop: Some(stop_of(process.process)),
        ..Respawner::default()
    }
}

fn supervised(process: &StartingProcess, one: &supervisord::SupervisedProgram, name: String) -> Respawner {
    let ended = one.last_end.as_ref().map_or_else(String::new, |how| format!("; it ended last with {how}"));
    Respawner {
        evidence: vec![format!("{name} starts it (PID {}){ended}", process.process.pid)],
        name,
        pid: Some(process.process.pid),
        stop: one.manager.stop(),
        count: one.count(),
        is_proved: one.starts >= MANY,
    }
}

/// A unit that is between two starts, or was started again since it was asked before.
fn restarting(unit: &LoadedUnit, before: Option<&LoadedUnit>) -> Option<Respawner> {
    let grew = before.is_some_and(|before| unit.restarts > before.restarts);
    let is_between =
        unit.state == UnitState::BetweenStarts || before.is_some_and(|before| before.state == UnitState::BetweenStarts);
    if unit.state == UnitState::Inactive || (!grew && !is_between) {
        return None;
    }
    let manager = unit.manager();
    let name = Origin { manager: manager.clone(), ..Origin::unknown() }.to_string();
    let ended =
        unit.last_end.as_ref().map_or_else(String::new, |status| format!("; it ended last with status {status}"));
    let state = if is_between { "is about to be started again (auto-restart)" } else { "was started again just now" };
    Some(Respawner {
        evidence: vec![format!("{} {state}{ended}", unit.name)],
        name,
        pid: None,
        stop: manager.stop(),
        count: (unit.restarts > 0)
            .then(|| format!("{} by systemd's count (NRestarts)", plural(unit.restarts, "restart"))),
        is_proved: grew || unit.restarts >= MANY,
    })
}

/// Whoever stands behind a start that was seen.
fn of_origin(mut origin: Origin, parent: Option<&NamedProcess>) -> Option<Respawner> {
    // A loop forks for what it starts.
    while matches!(origin.manager, Manager::Loop(_))
        && let Some(above) = origin.above.take_if(|above| matches!(above.manager, Manager::Loop(_)))
    {
        origin = *above;
    }
    origin::ManagerAnswers::default().forecast(&mut origin);
    let named = |pid: i32, command: &str, stop: String| Respawner {
        name: format!("PID {pid}"),
        evidence: vec![format!("PID {pid} starts it: {command}")],
        pid: Some(pid),
        stop: Some(stop),
        ..Respawner::default()
    };
    match &origin.manager {
        Manager::Loop(_) | Manager::Parent(_) => {
            let process = Identity::of(origin.pid?)?;
            let command = super::lock::named(process).map_or_else(|| origin.evidence.clone(), |it| it.command);
            Some(named(process.pid, &command, stop_of(process)))
        }
        _ if origin.would_respawn() || origin.is_managed() => {
            let restarts = origin.manager.restarts().filter(|&restarts| restarts > 0);
            Some(Respawner {
                name: origin.to_string(),
                evidence: vec![format!("{origin} starts it: {}", origin.evidence)],
                pid: origin.pid,
                stop: origin.stop(),
                count: restarts.map(|count| format!("{} by its own count", plural(count, "restart"))),
                is_proved: restarts.is_some_and(|count| count >= MANY),
            })
        }
        Manager::Cron(_) => Some(Respawner {
            name: "cron".into(),
            evidence: vec![format!("cron starts it: {}", origin.evidence)],
            pid: None,
            stop: origin.stop(),
            ..Respawner::default()
        }),
        // A loop that somebody has typed into a shell.
        _ => {
            let parent = parent.filter(|parent| parent.process.pid > 1 && parent.process.is_alive())?;
            let pid = parent.process.pid;
            let kill = origin::kill_by_hand(&[pid]);
            // An interactive shell ignores TERM.
            let stop = if matches!(origin.manager, Manager::Terminal) {
                kill.replacen("kill ", "kill -HUP ", 1)
            } else {
                kill
            };
            Some(named(pid, &parent.command, stop))
        }
    }
}

/// What stops a loop for good: its manager's own command, or else a signal.
fn stop_of(starter: Identity) -> String {
    let origin = origin::of_process(starter).filter(|origin| origin.is_managed() || origin.would_respawn());
    origin.and_then(|origin| origin.stop()).unwrap_or_else(|| origin::kill_by_hand(&[starter.pid]))
}

#[cfg(test)]
mod tests;
