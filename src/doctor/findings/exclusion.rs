//! Instances without the lock, and locks that do not exclude other programs.

use super::super::finding::{Finding, Level};
use crate::base::error::typed;
use crate::base::finding_code::Code;
use crate::lock::carriers::{self, LockedFile};
use crate::lock::coverage::LockCoverage;
use crate::lock::state::State;
use crate::platform::advice;
use crate::platform::locks::TABLE;
use crate::survey::evidence::facts::{BotFacts, Facts, LockEvidence, SeenInstance, run_by};

/// Instances take no lock because a variable says that one is held for them, but none is.
pub fn leaked_skip_variable(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let leaked: Vec<&SeenInstance> = bot.instances.iter().filter(|seen| is_leaked(bot, seen)).collect();
        let pid = leaked.first()?.pid();
        let name = bot.skip_env.as_deref().unwrap_or_default();
        let verb = if leaked.len() > 1 { "run" } else { "runs" };
        let summary =
            format!("{} of {} {verb} without the lock: {name}=1 leaked into its environment", pids(&leaked), bot.name);
        Some(
            Finding::new(Code::LeakedSkipVariable, Level::Error, summary)
                .shown_by(bot.describe_all(leaked.iter().copied(), facts.now))
                .shown_by([
                    format!("{name}=1 says that a parent process holds the lock, but none does"),
                    "look for the variable in shell exports, `.env` and Environment=, remove it, and restart the bot"
                        .to_owned(),
                ])
                .about(leaked.iter().map(|seen| seen.pid()))
                .explored_by(advice::variable_of(pid, name)),
        )
    })
}

fn pids(seen: &[&SeenInstance]) -> String {
    match seen {
        [one] => format!("PID {}", one.pid()),
        [one, other] => format!("PIDs {}, {}", one.pid(), other.pid()),
        many => format!("{} instances", many.len()),
    }
}

fn is_leaked(bot: &BotFacts, seen: &SeenInstance) -> bool {
    seen.skips_lock == Some(true) && bot.covered(seen) == LockCoverage::Unlocked && other_lock(seen).is_none()
}

/// A lock that the instance or an ancestor holds, at any path.
fn other_lock(seen: &SeenInstance) -> Option<&LockedFile> {
    seen.flocks.iter().find(|file| carriers::is_named_like_a_lock(&file.path))
}

/// Instances run without the lock, and no other finding says why.
pub fn unlocked_instance(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let unlocked: Vec<&SeenInstance> = bot.instances.iter().filter(|seen| is_unlocked(bot, seen)).collect();
        (!unlocked.is_empty()).then(|| self::unlocked(bot, &unlocked, facts))
    })
}

fn is_unlocked(bot: &BotFacts, seen: &SeenInstance) -> bool {
    let is_explained = |lock: &LockEvidence| {
        let locks_otherwise = lock.fcntl.iter().any(|one| seen.instance.members.contains(&one.process));
        let claims = lock.claimant.as_ref().is_some_and(|one| seen.instance.members.contains(&one.process));
        locks_otherwise || claims || lock.elsewhere.iter().any(|one| one.pid == seen.pid())
    };
    let is_protected = !bot.lock_is_named && other_lock(seen).is_some();
    bot.covered(seen) == LockCoverage::Unlocked
        && !is_leaked(bot, seen)
        && !is_protected
        && !bot.locks.iter().any(is_explained)
}

fn unlocked(bot: &BotFacts, seen: &[&SeenInstance], facts: &Facts) -> Finding {
    let first = seen[0];
    let lock = bot.locks.first();
    let exists = lock.is_some_and(|lock| lock.facts.state != State::Absent);
    let verb = if seen.len() > 1 { "run" } else { "runs" };
    let (level, summary) = if bot.lock_is_named || exists {
        (Level::Warning, format!("{} {verb} without the lock, so a second instance can start", pids(seen)))
    } else {
        (Level::Info, format!("{} {verb} without any lock, so a second instance can start", pids(seen)))
    };
    let state = lock.map(|lock| format!("lock {}: {}", lock.facts.path.display(), holder_of(lock)));
    let other = other_lock(first).zip(bot.select.as_ref());
    let acquire = bot.acquire(first.instance.typed.as_deref(), first.other_user.as_deref());
    let edit = first.origin().manager.edit();
    let shown = other.as_ref().map(|(file, select)| format!("solobot status {select} --lock {}", typed(&file.path)));
    let (advice, command) = match (&other, acquire, edit) {
        (Some((file, _)), ..) => {
            (format!("it holds another lock, {}: use that one as the bot's lock", file.path.display()), None)
        }
        (_, Some(acquire), Some(edit)) => (format!("change its ExecStart= to: {acquire}"), Some(edit)),
        (_, None, _) if bot.solobot("acquire").is_some() => {
            let acquire = bot.solobot("acquire").unwrap_or_default();
            (format!("its title hides its command; stop it, then start it again with: {acquire} -- COMMAND"), None)
        }
        (_, acquire, _) if first.origin().is_managed() => {
            (format!("change what {} starts to the command below", first.origin()), acquire)
        }
        (_, acquire, _) if seen.len() > 1 => ("stop them, then start one with the command below".to_owned(), acquire),
        (_, acquire, _) => ("stop it, then start it again with the command below".to_owned(), acquire),
    };
    Finding::new(Code::UnlockedInstance, level, summary)
        .shown_by(bot.describe_all(seen.iter().copied(), facts.now))
        .shown_by(state)
        .shown_by([advice])
        .about(seen.iter().map(|seen| seen.pid()))
        .explored_by(shown)
        .fixed_by(command)
}

fn holder_of(lock: &LockEvidence) -> String {
    match &lock.facts.state {
        State::Held { holders, .. } | State::Replaced { holders } => match holders.as_slice() {
            [] => "held by a process that cannot be seen".into(),
            holders => {
                let pids: Vec<String> = holders.iter().map(|holder| format!("PID {}", holder.pid)).collect();
                format!("held by {}", pids.join(", "))
            }
        },
        State::Absent => "does not exist".into(),
        State::Free | State::Stale(_) | State::OwnerAliveUnlocked(_) => "not held".into(),
        State::Unreadable { why, .. } => format!("unknown: {why}"),
    }
}

/// The lock file names a running process that holds no flock: it is a PID file, or a program's own kind of lock.
pub fn pidfile_only(facts: &Facts) -> Vec<Finding> {
    facts.locks().filter_map(|(bot, lock)| pidfile(bot, lock)).collect()
}

fn pidfile(bot: &BotFacts, lock: &LockEvidence) -> Option<Finding> {
    let claimant = lock.claimant.as_ref()?;
    let pid = claimant.process.pid;
    let owner = bot.all().find(|seen| seen.instance.members.contains(&claimant.process));
    let is_covered = owner.is_some_and(|seen| bot.covered(seen) != LockCoverage::Unlocked);
    if is_covered || lock.fcntl.iter().any(|one| one.process == claimant.process) {
        return None;
    }
    let path = lock.facts.path.display();
    let command = format!("PID {pid}: {}", claimant.command);
    let finding = |level, summary| Finding::new(Code::PidfileOnly, level, summary).about([pid]);
    if bot.has_program && !bot.has_process(claimant.process) {
        let summary = format!("{path} is a PID file, and its PID {pid} now belongs to another program");
        let remove = format!("if that is not your bot, remove the file: {}", advice::remove(&lock.facts.path));
        let shows = advice::processes(&[pid]);
        return Some(finding(Level::Warning, summary).shown_by([command, remove]).explored_by(shows));
    }
    // What a program of that kind does about itself is enough for it, and for nobody else.
    let is_lock = lock.facts.is_existence_a_lock();
    let level = if is_lock { Level::Info } else { Level::Warning };
    let (summary, why) = if let (Some(program), Some(layout)) = (lock.facts.program(), lock.facts.layout) {
        let why = format!("a second start of it {}; other programs do not look at the file", layout.second_start);
        (format!("{path} belongs to {program}: it names PID {pid}, which holds no other lock"), why)
    } else {
        let why = format!("no flock on the file in {TABLE} or on any open descriptor");
        (format!("{path} is only a PID file: it names PID {pid}, which does not hold the lock"), why)
    };
    let fix = if is_lock && !bot.has_program {
        let acquire =
            |command: &String| run_by(claimant.other_user.as_deref(), format!("solobot acquire -- {command}"));
        claimant.typed.as_ref().map(acquire)
    } else {
        bot.acquire(claimant.typed.as_deref(), claimant.other_user.as_deref())
    };
    Some(finding(level, summary).shown_by([command, why]).fixed_by(fix))
}

/// The lock file is locked with `fcntl(2)`, which does not exclude `flock(2)`.
pub fn fcntl_lock(facts: &Facts) -> Vec<Finding> {
    facts
        .locks()
        .filter(|(_, lock)| !lock.fcntl.is_empty())
        .map(|(bot, lock)| {
            let also: Vec<String> = lock
                .sharers
                .iter()
                .filter(|sharer| lock.fcntl.iter().all(|one| one.process != sharer.who.process))
                .map(|sharer| format!("PID {} holds a flock on it: {}", sharer.who.process.pid, sharer.who.command))
                .collect();
            let level = if also.is_empty() { Level::Warning } else { Level::Error };
            let path = lock.facts.path.display();
            let summary = format!("{path} is locked with fcntl, which does not keep out programs that use flock");
            Finding::new(Code::FcntlLock, level, summary)
                .shown_by(
                    lock.fcntl.iter().map(|one| {
                        format!("{TABLE} shows a POSIX lock held by PID {}: {}", one.process.pid, one.command)
                    }),
                )
                .shown_by(also)
                .about(lock.fcntl.iter().map(|one| one.process.pid))
                .fixed_by(bot.acquire(lock.fcntl[0].typed.as_deref(), lock.fcntl[0].other_user.as_deref()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::say;
    use super::*;
    use crate::lock::layouts;
    use crate::lock::state::Obstacle;
    use crate::survey::evidence::testing::{bot, from, held_by, identity, lock, named, seen, sharer, unit};

    fn with_lock(mut bot: BotFacts, lock: LockEvidence) -> BotFacts {
        bot.locks.push(lock);
        bot
    }

    fn skipping(pid: i32) -> SeenInstance {
        SeenInstance { skips_lock: Some(true), ..seen(pid) }
    }

    fn locked(path: &str) -> LockedFile {
        LockedFile { path: path.into(), caller: Some(10) }
    }

    #[test]
    fn the_variable_without_a_lock() {
        let free = || lock("/l", State::Free);
        let said = say(leaked_skip_variable, with_lock(bot("main", vec![skipping(10), seen(20)]), free()));
        assert_eq!((said.len(), said[0].0, &said[0].1), (1, Level::Error, &vec![10]));
        // Its ancestor, PID 1, holds it; it holds it itself; an ancestor holds another lock; unreadable.
        assert_eq!(say(leaked_skip_variable, with_lock(bot("main", vec![skipping(10)]), held_by("/l", &[1]))), []);
        assert_eq!(say(leaked_skip_variable, with_lock(bot("main", vec![skipping(10)]), held_by("/l", &[10]))), []);
        let mut elsewhere = skipping(10);
        elsewhere.flocks.push(locked("/tmp/telegram_polling.lock"));
        assert_eq!(say(leaked_skip_variable, with_lock(bot("main", vec![elsewhere]), free())), []);
        let unread = SeenInstance { skips_lock: None, ..seen(10) };
        assert_eq!(say(leaked_skip_variable, with_lock(bot("main", vec![unread]), free())), []);
        // A locked database does not count.
        let mut database = skipping(10);
        database.flocks.push(locked("/srv/app/bot.db"));
        assert_eq!(say(leaked_skip_variable, with_lock(bot("main", vec![database]), free())).len(), 1);
    }

    #[test]
    fn without_the_lock() {
        let held_by_other = || held_by("/l", &[10]);
        let said = say(unlocked_instance, with_lock(bot("main", vec![seen(10), seen(20)]), held_by_other()));
        let acquire = Some("solobot acquire main -- python main.py".to_owned());
        assert_eq!(said, [(Level::Warning, vec![20], acquire)]);
        let service = with_lock(bot("main", vec![from(10, unit("bot.service"))]), lock("/l", State::Free));
        assert_eq!(say(unlocked_instance, service)[0].2.as_deref(), Some("systemctl edit bot.service"));
        // Nothing is configured, and there is no lock anywhere.
        assert_eq!(say(unlocked_instance, bot("main", vec![seen(10)]))[0].0, Level::Info);
        let named = BotFacts { lock_is_named: true, ..bot("main", vec![seen(10)]) };
        let said = say(unlocked_instance, with_lock(named, lock("/l", State::Absent)));
        assert_eq!(said[0].0, Level::Warning);
        assert_eq!(say(unlocked_instance, with_lock(bot("main", vec![seen(10)]), held_by_other())), []);
        let unreadable = State::Unreadable { why: "a folder".into(), obstacle: Obstacle::Place };
        assert_eq!(say(unlocked_instance, with_lock(bot("main", vec![seen(10)]), lock("/l", unreadable))), []);
    }

    #[test]
    fn what_another_finding_explains_is_not_said_twice() {
        let free = || lock("/l", State::Free);
        assert_eq!(say(unlocked_instance, with_lock(bot("main", vec![skipping(10)]), free())), []);
        let posix = LockEvidence { fcntl: vec![named(10)], ..free() };
        assert_eq!(say(unlocked_instance, with_lock(bot("main", vec![seen(10)]), posix)), []);
        let pidfile = LockEvidence { claimant: Some(named(10)), ..free() };
        assert_eq!(say(unlocked_instance, with_lock(bot("main", vec![seen(10)]), pidfile)), []);
        let mut other = seen(10);
        other.flocks.push(locked("/run/bot.lock"));
        assert_eq!(say(unlocked_instance, with_lock(bot("main", vec![other.clone()]), free())), []);
        let named = BotFacts { lock_is_named: true, ..bot("main", vec![other]) };
        let said = say(unlocked_instance, with_lock(named, free()));
        assert_eq!(said[0].2.as_deref(), Some("solobot status main --lock /run/bot.lock"));
    }

    #[test]
    fn a_pid_file() {
        let claimed =
            |pid| LockEvidence { claimant: Some(named(pid)), ..lock("/l", State::OwnerAliveUnlocked(identity(pid))) };
        let said = say(pidfile_only, with_lock(bot("main", vec![seen(10)]), claimed(10)));
        let acquire = Some("solobot acquire main -- command 10".to_owned());
        assert_eq!(said, [(Level::Warning, vec![10], acquire)]);
        let said = say(pidfile_only, with_lock(bot("main", vec![seen(10)]), claimed(99)));
        assert_eq!(said[0].2.as_deref(), Some("ps -o pid,ppid,lstart,args -p 99"));
        let posix = LockEvidence { fcntl: vec![named(10)], ..claimed(10) };
        assert_eq!(say(pidfile_only, with_lock(bot("main", vec![seen(10)]), posix)), []);
        assert_eq!(say(pidfile_only, with_lock(bot("main", vec![seen(10)]), held_by("/l", &[10]))), []);
        // Under the bot's own lock it is nobody's business.
        let both = with_lock(with_lock(bot("main", vec![seen(10)]), held_by("/own", &[10])), claimed(10));
        assert_eq!(say(pidfile_only, both), []);
    }

    #[test]
    fn a_lock_that_only_its_program_looks_at() {
        let path = "/tmp/openclaw-1/gateway.0123abcd.lock";
        let mut own = lock(path, State::OwnerAliveUnlocked(identity(10)));
        (own.claimant, own.facts.layout) = (Some(named(10)), layouts::of_path(path.as_ref()));
        let acquire = |command: &str| Some(command.to_owned());
        let said = say(pidfile_only, with_lock(bot("main", vec![seen(10)]), own.clone()));
        assert_eq!(said, [(Level::Info, vec![10], acquire("solobot acquire main -- command 10"))]);
        // Of a bot that nothing names, the file is no lock for solobot.
        let alone = BotFacts { lock_flag: Some(format!("-l {path}")), ..BotFacts::default() };
        let said = say(pidfile_only, with_lock(alone, own));
        assert_eq!(said[0].2, acquire("solobot acquire -- command 10"));
    }

    #[test]
    fn fcntl_excludes_nobody() {
        let posix = LockEvidence { fcntl: vec![named(10)], ..lock("/l", State::Free) };
        assert_eq!(say(fcntl_lock, with_lock(bot("main", vec![seen(10)]), posix.clone()))[0].0, Level::Warning);
        let twice = LockEvidence { sharers: vec![sharer(20, 20)], ..posix };
        assert_eq!(say(fcntl_lock, with_lock(bot("main", vec![seen(10)]), twice))[0].0, Level::Error);
        assert_eq!(say(fcntl_lock, with_lock(bot("main", vec![seen(10)]), held_by("/l", &[10]))), []);
    }
}
