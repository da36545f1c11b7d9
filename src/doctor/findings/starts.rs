//! Unwanted starts: of a new release while the old one runs, by CI, by an IDE, in a loop.

use std::path::{Component, Path};

use super::super::finding::{Finding, Level};
use super::logged::conflicts;
use super::stopping::stop_surplus;
use crate::base::duration::show;
use crate::base::finding_code::Code;
use crate::base::shell;
use crate::lock::coverage::LockCoverage;
use crate::lock::state::State;
use crate::logs::rhythm::PatternKind;
use crate::process::origin::{Manager, Origin};
use crate::survey::evidence::facts::{Automation, BotFacts, Facts, SeenInstance};

/// A new release runs while the old one still runs.
pub fn deploy_overlap(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let mut shown: Vec<&SeenInstance> = bot.all().collect();
        shown.sort_by_key(|seen| seen.instance.root.start_ticks);
        let (newest, older) = shown.split_last()?;
        let signs: Vec<(&SeenInstance, String)> =
            older.iter().filter_map(|old| Some((*old, sign_of_deploy(old, newest)?))).collect();
        let (oldest, _) = signs.first()?;
        let summary = format!("a new release of {} was started before the old one ended", bot.name);
        let stop = oldest.origin().stop().filter(|_| oldest.origin() != newest.origin());
        Some(
            Finding::new(Code::DeployOverlap, level_of(bot), summary)
                .shown_by(signs.iter().map(|(old, sign)| format!("PID {}: {sign}", old.pid())))
                .shown_by(bot.describe_all(shown.iter().copied(), facts.now))
                .about(shown.iter().map(|seen| seen.pid()))
                .fixed_by(stop.or_else(|| bot.solobot("kill-duplicates --keep newest"))),
        )
    })
}

/// Why the older instance seems to be of an older release.
fn sign_of_deploy(old: &SeenInstance, new: &SeenInstance) -> Option<String> {
    if old.folder_is_gone && !new.folder_is_gone {
        return Some("its working folder has been deleted".into());
    }
    let path = |seen: &SeenInstance| seen.instance.program.as_ref().map(ToString::to_string);
    let by_program = || releases(Path::new(&path(old)?), Path::new(&path(new)?));
    let by_folder = || releases(old.instance.cwd.as_deref()?, new.instance.cwd.as_deref()?);
    if let Some((ours, theirs)) = by_program().or_else(by_folder) {
        return Some(format!("it runs release {ours}; PID {}, started later, runs {theirs}", new.pid()));
    }
    let trace = new.traces.iter().find(|trace| trace.of == Automation::Deploy)?;
    Some(format!("PID {}, started later, was started by a deploy: {}", new.pid(), trace.evidence))
}

/// The one component in which two paths differ, if it names a release.
fn releases(one: &Path, other: &Path) -> Option<(String, String)> {
    let parts = |path: &Path| -> Vec<String> {
        path.components()
            .filter_map(|part| match part {
                Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
                _ => None,
            })
            .collect()
    };
    let (one, other) = (parts(one), parts(other));
    let differing: Vec<usize> = (0..one.len()).filter(|&at| one.get(at) != other.get(at)).collect();
    let &[at] = differing.as_slice() else { return None };
    let parent = at.checked_sub(1).and_then(|above| one.get(above));
    let is_shelf = parent.is_some_and(|name| {
        matches!(name.as_str(), "releases" | "release" | "versions" | "deploys" | "deployments" | "builds")
    });
    let both = is_shelf || (is_version(&one[at]) && is_version(other.get(at)?));
    (one.len() == other.len() && both).then(|| (one[at].clone(), other[at].clone()))
}

/// `20250110152714`, `v1.2.3`, `1.2-rc1`, a commit's hash.
fn is_version(name: &str) -> bool {
    let number = name.strip_prefix('v').unwrap_or(name);
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let is_hash = name.len() >= 7 && digits > 0 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash || (number.starts_with(|c: char| c.is_ascii_digit()) && (number.contains('.') || digits >= 8))
}

/// A CI job or a git hook started an instance while another one was running.
pub fn ci_overlap(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let shown: Vec<&SeenInstance> = bot.all().collect();
        let traced: Vec<(&SeenInstance, &str, &str)> = shown
            .iter()
            .filter_map(|seen| {
                let trace = seen.traces.iter().find(|trace| trace.of != Automation::Deploy)?;
                let what = if trace.of == Automation::Ci { "a CI job" } else { "a git hook" };
                Some((*seen, what, trace.evidence.as_str()))
            })
            .collect();
        let &(_, what, _) = traced.first().filter(|_| shown.len() > 1)?;
        let summary = format!("{what} started an instance of {} while another one was running", bot.name);
        Some(
            Finding::new(Code::CiOverlap, level_of(bot), summary)
                .shown_by(traced.iter().map(|(seen, what, evidence)| format!("PID {}: {what}: {evidence}", seen.pid())))
                .shown_by(bot.describe_all(shown.iter().copied(), facts.now))
                .about(traced.iter().map(|(seen, ..)| seen.pid()))
                .fixed_by(stop_surplus(bot)),
        )
    })
}

/// An IDE started an instance.
pub fn ide_autorun(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let by_ide: Vec<(&SeenInstance, &str, &str)> = bot
            .instances
            .iter()
            .filter_map(|seen| ide(&seen.instance.origin).map(|(name, evidence)| (seen, name, evidence)))
            .collect();
        let &(_, name, _) = by_ide.first()?;
        let (level, command) = if bot.instances.len() > 1 {
            (Level::Error, stop_surplus(bot))
        } else {
            (Level::Info, bot.solobot("stop"))
        };
        let summary =
            format!("{name} started {}, and may start it again when you save a file or open the folder", bot.name);
        Some(
            Finding::new(Code::IdeAutorun, level, summary)
                .shown_by(by_ide.iter().map(|(seen, _, evidence)| format!("PID {}: {evidence}", seen.pid())))
                .shown_by(bot.describe_all(by_ide.iter().map(|(seen, ..)| *seen), facts.now))
                .about(by_ide.iter().map(|(seen, ..)| seen.pid()))
                .fixed_by(command),
        )
    })
}

/// The IDE that started an instance, and the evidence.
fn ide(origin: &Origin) -> Option<(&'static str, &str)> {
    std::iter::successors(Some(origin), |origin| origin.above.as_deref()).find_map(|one| match one.manager {
        Manager::Ide(name) => Some((name, one.evidence.as_str())),
        _ => None,
    })
}

/// Something starts the bot again and again, and it ends each time.
pub fn respawn_loop(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let starts = &bot.starts;
        let Some(first) = starts.respawners.first() else { return loop_without_starter(bot, facts) };
        let is_proved = starts.respawners.iter().any(|one| one.is_proved);
        let names: Vec<&str> = starts.respawners.iter().map(|one| one.name.as_str()).collect();
        let seen = seen_starts(bot);
        let how_often =
            seen.clone().or_else(|| first.count.clone()).map_or_else(String::new, |often| format!(": {often}"));
        let summary = match names.as_slice() {
            [name] => format!("{name} keeps starting {}{how_often}", bot.name),
            names => format!("{} keep starting {}{how_often}", names.join(" and "), bot.name),
        };
        let mut stop: Vec<&str> = starts.respawners.iter().filter_map(|one| one.stop.as_deref()).collect();
        stop.dedup();
        Some(
            Finding::new(Code::RespawnLoop, if is_proved { Level::Error } else { Level::Warning }, summary)
                .shown_by(starts.respawners.iter().flat_map(|one| {
                    let count = one.count.as_ref().map(|count| format!("{}: {count}", one.name));
                    one.evidence.iter().cloned().chain(count)
                }))
                .shown_by(refrain(bot))
                .shown_by(holder(bot))
                .shown_by(lives(bot))
                .about(starts.seen.iter().map(|start| start.process.pid))
                .fixed_by((!stop.is_empty()).then(|| shell::and(&stop)))
                .explored_by(bot.solobot("status")),
        )
    })
}

/// How many starts were seen.
fn seen_starts(bot: &BotFacts) -> Option<String> {
    let count = bot.starts.seen.len();
    (count > 1).then(|| format!("{count} starts in {}", show(bot.starts.watched)))
}

fn lives(bot: &BotFacts) -> impl Iterator<Item = String> {
    bot.starts.seen.iter().map(|start| match start.lived {
        Some(lived) => format!("PID {} ended after {}", start.process.pid, show(lived)),
        None => format!("PID {} is running", start.process.pid),
    })
}

/// Why each of them ends: the one that has the lock.
fn holder(bot: &BotFacts) -> Option<String> {
    let lock = bot.locks.iter().find(|lock| matches!(lock.facts.state, State::Held { .. }))?;
    let instance = bot.instances.iter().find(|seen| bot.covered(seen) != LockCoverage::Unlocked);
    let (pid, command) = match instance {
        Some(seen) => (seen.pid(), seen.instance.command.clone()),
        None => lock.sharers.first().map(|sharer| (sharer.who.process.pid, sharer.who.command.clone()))?,
    };
    Some(format!("PID {pid} has the lock {}, and is to stay: {command}", lock.facts.path.display()))
}

fn refrain(bot: &BotFacts) -> Option<String> {
    let refrain = bot.starts.refrain.as_ref()?;
    let every = refrain.every.map_or_else(String::new, |every| format!(", one every {}", show(every)));
    Some(format!("{} says {} times{every}: {}", refrain.place, refrain.count, refrain.line))
}

/// A loop of which only the logs tell.
fn loop_without_starter(bot: &BotFacts, facts: &Facts) -> Option<Finding> {
    let Some(said) = refrain(bot) else { return logged_loop(bot, facts) };
    let summary = format!("something keeps starting {}, and each start is refused", bot.name);
    Some(
        Finding::new(Code::RespawnLoop, Level::Warning, summary)
            .shown_by([said])
            .shown_by(holder(bot))
            .shown_by(["did not see what starts it: look for a loop, a manager or a job of cron".to_owned()])
            .about([])
            .explored_by(bot.solobot("status")),
    )
}

/// A loop whose pauses are longer than the watch is found in the logs.
fn logged_loop(bot: &BotFacts, facts: &Facts) -> Option<Finding> {
    let is_loop = bot.logs.pattern.as_ref().is_some_and(|pattern| pattern.kind == PatternKind::RespawnLoop);
    if !is_loop || bot.logs.fresh.other_poller == 0 {
        return None;
    }
    let summary =
        format!("conflicts of {} come at regular intervals, as if something keeps starting it again", bot.name);
    Some(
        Finding::new(Code::RespawnLoop, Level::Warning, summary)
            .shown_by(conflicts(bot, facts.now))
            .shown_by(bot.describe_all(bot.all(), facts.now))
            .about(bot.all().map(SeenInstance::pid))
            .explored_by(bot.solobot("status")),
    )
}

/// An error if there is certainly more than one instance.
fn level_of(bot: &BotFacts) -> Level {
    if bot.instances.len() > 1 { Level::Error } else { Level::Warning }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::say;
    use super::*;
    use crate::logs::rhythm::Pattern;
    use crate::process::program::Program;
    use crate::survey::evidence::facts::{LogFacts, Refrain, Respawner, StartFacts, StartTrace, WatchedStart};
    use crate::survey::evidence::testing::{bot, facts, fresh_conflicts, from, held_by, identity, seen};

    fn release(pid: i32, path: &str) -> SeenInstance {
        let mut one = seen(pid);
        one.instance.program = Some(Program::script(Path::new(path)));
        one
    }

    fn traced(pid: i32, of: Automation) -> SeenInstance {
        let mut one = seen(pid);
        one.traces.push(StartTrace { of, evidence: "an ancestor".into() });
        one
    }

    #[test]
    fn releases_side_by_side() {
        let differ = |one: &str, other: &str| releases(Path::new(one), Path::new(other)).is_some();
        assert!(differ("/srv/releases/a/main.py", "/srv/releases/b/main.py"));
        assert!(differ("/srv/20250110152714/main.py", "/srv/20250111152714/main.py"));
        assert!(differ("/srv/app-x/v1.2/main.py", "/srv/app-x/v1.3/main.py"));
        assert!(!differ("/srv/alice/main.py", "/srv/bob/main.py"));
        assert!(!differ("/srv/releases/a/main.py", "/srv/releases/a/main.py"));
        assert!(!differ("/srv/releases/a/main.py", "/srv/releases/b/lib/main.py"));
        assert!(!differ("/srv/bot1/main.py", "/srv/bot2/main.py"));
    }

    #[test]
    fn an_old_release_beside_the_new_one() {
        let keep = Some("solobot kill-duplicates --keep newest main".to_owned());
        let two = vec![release(10, "/srv/releases/1/main.py"), release(20, "/srv/releases/2/main.py")];
        assert_eq!(say(deploy_overlap, bot("main", two)), [(Level::Error, vec![10, 20], keep)]);
        let mut gone = seen(10);
        gone.folder_is_gone = true;
        assert_eq!(say(deploy_overlap, bot("main", vec![gone.clone(), seen(20)])).len(), 1);
        assert_eq!(say(deploy_overlap, bot("main", vec![gone])), []);
        assert_eq!(say(deploy_overlap, bot("main", vec![seen(10), traced(20, Automation::Deploy)])).len(), 1);
        // The older one came from a deploy: the newer one did not.
        assert_eq!(say(deploy_overlap, bot("main", vec![traced(10, Automation::Deploy), seen(20)])), []);
        assert_eq!(say(deploy_overlap, bot("main", vec![seen(10), seen(20)])), []);
    }

    #[test]
    fn ci_and_hooks() {
        for starter in [Automation::Ci, Automation::GitHook] {
            let said = say(ci_overlap, bot("main", vec![seen(10), traced(20, starter)]));
            assert_eq!((said[0].0, &said[0].1), (Level::Error, &vec![20]));
        }
        assert_eq!(say(ci_overlap, bot("main", vec![traced(20, Automation::Ci)])), []);
        assert_eq!(say(ci_overlap, bot("main", vec![seen(10), traced(20, Automation::Deploy)])), []);
    }

    #[test]
    fn an_ide() {
        let ide = |pid| from(pid, Manager::Ide("VS Code"));
        assert_eq!(say(ide_autorun, bot("main", vec![ide(10)]))[0].0, Level::Info);
        let said = say(ide_autorun, bot("main", vec![seen(5), ide(10)]));
        assert_eq!((said[0].0, &said[0].1), (Level::Error, &vec![10]));
        assert_eq!(say(ide_autorun, bot("main", vec![seen(5), seen(10)])), []);
    }

    #[test]
    fn a_loop_that_only_the_logs_show() {
        let logged = |kind, fresh| {
            let pattern = Pattern { kind, every: Some(30.0), evidence: "9 starts of the bot".into(), suggestion: "" };
            BotFacts {
                logs: LogFacts { pattern: Some(pattern), ..fresh_conflicts(fresh) },
                ..bot("main", vec![seen(10)])
            }
        };
        assert_eq!(say(respawn_loop, logged(PatternKind::RespawnLoop, 3))[0].0, Level::Warning);
        assert_eq!(say(respawn_loop, logged(PatternKind::RespawnLoop, 0)), [], "it is over");
        assert_eq!(say(respawn_loop, logged(PatternKind::PingPong, 3)), []);
    }

    fn looped(starts: Vec<WatchedStart>, respawner: Respawner) -> BotFacts {
        let starts = StartFacts {
            seen: starts,
            watched: Duration::from_secs(3),
            respawners: vec![respawner],
            ..StartFacts::default()
        };
        BotFacts { starts, ..bot("main", vec![]) }
    }

    #[test]
    fn several_short_lives_are_a_loop() {
        let start =
            |pid, lived: Option<u64>| WatchedStart { process: identity(pid), lived: lived.map(Duration::from_secs) };
        let kill = || Some("kill 5".to_owned());
        let by = |is_proved| Respawner { name: "PID 5".into(), stop: kill(), is_proved, ..Respawner::default() };
        let found = |starts, is_proved| respawn_loop(&facts(vec![looped(starts, by(is_proved))])).remove(0);
        let seen = found(vec![start(10, Some(1)), start(20, Some(1)), start(30, None)], true);
        assert_eq!((seen.level, seen.pids, seen.command), (Level::Error, vec![10, 20, 30], kill()));
        assert_eq!(seen.summary, "PID 5 keeps starting main: 3 starts in 3s");
        assert_eq!(found(vec![start(10, Some(1)), start(20, None)], false).level, Level::Warning);
        assert_eq!(found(vec![], false).summary, "PID 5 keeps starting main");
    }

    #[test]
    fn who_has_the_lock_is_named_and_stays() {
        let mut loops = looped(vec![], Respawner { count: Some("34 starts".into()), ..Respawner::default() });
        loops.instances.push(seen(10));
        loops.locks.push(held_by("/l", &[10]));
        let found = respawn_loop(&facts(vec![loops])).remove(0);
        assert!(
            found.evidence.iter().any(|line| line == "PID 10 has the lock /l, and is to stay: python main.py"),
            "{found:?}"
        );
        assert!(found.pids.is_empty() && found.command.is_some_and(|command| !command.contains("10")));
    }

    #[test]
    fn what_only_the_logs_repeat() {
        let mut quiet = bot("main", vec![seen(10)]);
        quiet.starts.refrain = Some(Refrain {
            line: "already held by PID 10".into(),
            place: "/srv/bot.log".into(),
            count: 34,
            every: Some(Duration::from_secs(1)),
        });
        let found = respawn_loop(&facts(vec![quiet])).remove(0);
        assert_eq!(found.level, Level::Warning);
        assert!(found.evidence[0].contains("/srv/bot.log says 34 times, one every 1s: already held"), "{found:?}");
    }
}
