//! Locks with a wrong holder: of a deleted file, a helper that inherited it, a process that no longer exists.

use super::super::finding::{Finding, Level};
use super::stopping::stop;
use crate::base::error::typed;
use crate::base::finding_code::Code;
use crate::lock::state::State;
use crate::platform::advice;
use crate::survey::evidence::facts::{BotFacts, Facts, LockEvidence, LockSharer, SeenInstance};

/// A process holds a file that is no longer at the lock's path.
pub fn replaced_lock(facts: &Facts) -> Vec<Finding> {
    facts
        .locks()
        .filter_map(|(bot, lock)| {
            let State::Replaced { holders } = &lock.facts.state else { return None };
            let path = lock.facts.path.display();
            let pids: Vec<i32> = holders.iter().map(|holder| holder.pid).collect();
            let present = lock
                .sharers
                .iter()
                .map(|sharer| format!("PID {} holds the new file: {}", sharer.who.process.pid, sharer.who.command));
            let summary = format!("the lock file {path} was removed or replaced while it was held");
            let holds = |seen: &&SeenInstance| seen.instance.members.iter().any(|one| holders.contains(one));
            let shown: Vec<&SeenInstance> = bot.all().filter(holds).collect();
            let command = stop(bot, &shown, "stop");
            Some(
                Finding::new(Code::ReplacedLock, Level::Error, summary)
                    .shown_by(
                        pids.iter().map(|pid| {
                            format!("PID {pid} still holds the old file, so a second start would get the lock")
                        }),
                    )
                    .shown_by(present)
                    .shown_by(bot.describe_all(shown, facts.now))
                    .shown_by(["after stopping it, start it again, and find out what removes the file".to_owned()])
                    .about(pids.iter().copied())
                    .fixed_by(command)
                    .explored_by(pids.first().map(|&pid| advice::open_files_of(pid))),
            )
        })
        .collect()
}

/// A process that is not the bot has inherited the descriptor, and so holds the lock.
pub fn inherited_lock(facts: &Facts) -> Vec<Finding> {
    facts.locks().filter_map(|(bot, lock)| inherited(bot, lock)).collect()
}

fn inherited(bot: &BotFacts, lock: &LockEvidence) -> Option<Finding> {
    let is_heir = |sharer: &&LockSharer| {
        let process = sharer.who.process;
        !sharer.is_keeper
            && sharer.caller.is_some_and(|caller| caller != process.pid)
            && !lock.named.contains(&process.pid)
            && !bot.has_process(process)
    };
    let heirs: Vec<&LockSharer> = lock.sharers.iter().filter(is_heir).collect();
    let first = heirs.first()?;
    let rightful: Vec<&LockSharer> = lock.sharers.iter().filter(|sharer| !is_heir(sharer)).collect();
    // solobot and flock(1) unlock explicitly, which releases the lock even if others have the descriptor.
    if rightful.iter().any(|sharer| sharer.is_keeper) {
        return None;
    }
    let path = lock.facts.path.display();
    let (level, summary) = if rightful.is_empty() {
        (Level::Error, format!("{path} is held by a helper process that inherited it: no bot can start"))
    } else {
        (Level::Warning, format!("{path} will stay locked when the bot ends: a helper process inherited the lock"))
    };
    let pids = heirs.iter().map(|heir| heir.who.process.pid);
    let kill: Vec<i32> = pids.clone().collect();
    let called = match first.caller {
        Some(caller) if caller > 0 => format!("the lock was taken by PID {caller}"),
        _ => "the process that took the lock has ended or cannot be seen".into(),
    };
    Some(
        Finding::new(Code::InheritedLock, level, summary)
            .shown_by(heirs.iter().map(|heir| format!("PID {}: {}", heir.who.process.pid, heir.who.command)))
            .shown_by([called])
            .shown_by(rightful.iter().map(|one| format!("PID {} holds it for the bot", one.who.process.pid)))
            .about(pids)
            .fixed_by(advice::end(None, &kill)),
    )
}

/// The lock names a process that no longer exists.
pub fn stale_lock(facts: &Facts) -> Vec<Finding> {
    facts
        .locks()
        .filter_map(|(_, lock)| {
            let State::Stale(why) = &lock.facts.state else { return None };
            let path = &lock.facts.path;
            let (level, of) = match lock.facts.program() {
                Some(program) => (Level::Info, format!(", which belongs to {program},")),
                None => (Level::Warning, String::new()),
            };
            let (effect, remove) = if lock.facts.is_existence_a_lock() {
                ("to its program the file itself is the lock: it may refuse to start", "--remove ")
            } else {
                ("nobody holds it: flock works, but a program that only looks at the PID may refuse to start", "")
            };
            let summary = format!("{}{of} is stale: {why}", path.display());
            let finding = Finding::new(Code::StaleLock, level, summary).shown_by([effect.to_owned()]);
            Some(finding.fixed_by(format!("solobot clean-stale {remove}{}", typed(path))))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::say;
    use super::*;
    use crate::lock::state::Stale;
    use crate::survey::evidence::testing::{bot, from, held_by, identity, lock, seen, sharer, unit};

    fn with_lock(lock: LockEvidence) -> BotFacts {
        BotFacts { locks: vec![lock], ..bot("main", vec![seen(10)]) }
    }

    #[test]
    fn replaced_while_held() {
        let replaced = lock("/l", State::Replaced { holders: vec![identity(10)] });
        let stop = Some("solobot stop main".to_owned());
        assert_eq!(say(replaced_lock, with_lock(replaced)), [(Level::Error, vec![10], stop)]);
        assert_eq!(say(replaced_lock, with_lock(held_by("/l", &[10]))), []);
        // Its manager would start it again.
        let replaced = lock("/l", State::Replaced { holders: vec![identity(10)] });
        let managed = BotFacts { locks: vec![replaced], ..bot("main", vec![from(10, unit("bot.service"))]) };
        assert_eq!(say(replaced_lock, managed)[0].2.as_deref(), Some("systemctl stop bot.service"));
    }

    #[test]
    fn a_helper_that_outlived_the_bot() {
        let heir = |sharers| LockEvidence { sharers, ..held_by("/l", &[30]) };
        let kill = Some("kill 30".to_owned());
        let alone = heir(vec![sharer(30, 9)]);
        assert_eq!(say(inherited_lock, with_lock(alone.clone())), [(Level::Error, vec![30], kill.clone())]);
        // The bot has it too; so has solobot, which unlocks explicitly; a supervisor took it itself; the record knows it.
        let both = heir(vec![sharer(10, 10), sharer(30, 10)]);
        assert_eq!(say(inherited_lock, with_lock(both)), [(Level::Warning, vec![30], kill)]);
        let keeper = LockSharer { is_keeper: true, ..sharer(5, 5) };
        assert_eq!(say(inherited_lock, with_lock(heir(vec![keeper, sharer(30, 5)]))), []);
        assert_eq!(say(inherited_lock, with_lock(heir(vec![sharer(30, 30)]))), []);
        assert_eq!(say(inherited_lock, with_lock(LockEvidence { named: vec![30], ..alone })), []);
        assert_eq!(say(inherited_lock, with_lock(heir(vec![sharer(10, 9)]))), []);
    }

    #[test]
    fn stale() {
        let clean = Some("solobot clean-stale '/a b'".to_owned());
        let gone = lock("/a b", State::Stale(Stale::Gone(7)));
        assert_eq!(say(stale_lock, with_lock(gone)), [(Level::Warning, vec![], clean)]);
        assert_eq!(say(stale_lock, with_lock(lock("/l", State::Free))), []);
    }
}
