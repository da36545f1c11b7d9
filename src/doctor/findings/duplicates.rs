//! More than one instance, and processes that only look like it.

use super::super::finding::{Finding, Level};
use super::logged::conflicts;
use super::stopping::stop_surplus;
use crate::base::finding_code::Code;
use crate::platform::advice;
use crate::survey::evidence::facts::{BotFacts, Facts, SeenInstance};

/// More than one instance of one bot. Other findings may name the cause.
pub fn duplicate_instances(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| duplicates_of(bot, facts))
}

fn duplicates_of(bot: &BotFacts, facts: &Facts) -> Option<Finding> {
    let shown: Vec<&SeenInstance> = bot.pollers().collect();
    let sure = bot.instances.len();
    if shown.len() < 2 {
        return None;
    }
    let (level, summary, command) = if sure > 1 {
        let summary = format!("{sure} instances of {} are running instead of one", bot.name);
        (Level::Error, summary, stop_surplus(bot))
    } else {
        let (level, why) = if bot.logs.recent > 0 {
            (Level::Error, "its logs show conflicts, and another process may be the bot too")
        } else {
            (Level::Warning, "cannot tell whether these processes are the same bot")
        };
        let summary = format!("{} may be running more than once: {why}", bot.name);
        (level, summary, bot.solobot("kill-duplicates --include-probable --dry-run"))
    };
    let finding = Finding::new(Code::DuplicateInstances, level, summary)
        .shown_by(bot.describe_all(shown.iter().copied(), facts.now))
        .shown_by(left_behind(&shown))
        .shown_by(conflicts(bot, facts.now))
        .about(shown.iter().map(|seen| seen.pid()));
    Some(finding.fixed_by(command))
}

/// Which of them a manager has left behind, and what keeps that from happening again.
fn left_behind(shown: &[&SeenInstance]) -> Vec<String> {
    let lost =
        shown.iter().filter_map(|seen| Some((seen.pid(), seen.instance.origin.starter().into_owned().left_behind_by?)));
    lost.map(|(pid, by)| format!("PID {pid} was left behind by {}: {}", by.manager, by.remedy)).collect()
}

/// Several processes that are one instance, not duplicates.
pub fn folded_instance(facts: &Facts) -> Vec<Finding> {
    facts
        .instances()
        .filter(|(_, seen)| seen.instance.members.len() > 1)
        .map(|(bot, seen)| {
            let pids = seen.instance.pids();
            let list: Vec<String> = pids.iter().map(i32::to_string).collect();
            let pid = if list.len() > 2 { "PIDs" } else { "PID" };
            let summary = format!("{} processes belong to one instance of {}: not duplicates", pids.len(), bot.name);
            let command = advice::processes(&pids);
            Finding::new(Code::FoldedInstance, Level::Info, summary)
                .shown_by([
                    bot.describe(seen, facts.now),
                    format!("PID {} started {pid} {}", list[0], list[1..].join(", ")),
                ])
                .about(pids)
                .explored_by(command)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::say;
    use super::*;
    use crate::platform::identity::RunState;
    use crate::process::matching::{Confidence, Doubt};
    use crate::survey::connections::Polling;
    use crate::survey::evidence::testing::{
        bot, facts, fresh_conflicts, from, held_by, identity, pm2, polling, seen, unit,
    };

    #[test]
    fn two_instances_are_duplicates_and_one_is_not() {
        let kill = Some("solobot kill-duplicates main".to_owned());
        let two = bot("main", vec![seen(10), seen(20)]);
        assert_eq!(say(duplicate_instances, two), [(Level::Error, vec![10, 20], kill)]);
        assert_eq!(say(duplicate_instances, bot("main", vec![seen(10)])), []);
        assert_eq!(say(duplicate_instances, bot("main", vec![])), []);
    }

    #[test]
    fn what_a_manager_would_start_again_is_stopped_by_its_own_command() {
        let copy = |pid| from(pid, pm2("bot"));
        let command = |bot| say(duplicate_instances, bot).remove(0).2.unwrap();
        assert_eq!(command(bot("main", vec![copy(10), copy(20), copy(30)])), "PM2_HOME=/home/bot/.pm2 pm2 stop bot");
        let service = |pid| from(pid, unit(&format!("{pid}.service")));
        let mixed = "systemctl stop 20.service && solobot kill-duplicates main";
        assert_eq!(command(bot("main", vec![service(10), service(20), seen(30)])), mixed);
        assert_eq!(command(bot("main", vec![service(10), seen(30)])), "solobot kill-duplicates main");
    }

    #[test]
    fn conflicts_in_the_logs_are_evidence() {
        let mut two = bot("main", vec![seen(10), seen(20)]);
        two.logs = fresh_conflicts(7);
        let found = duplicate_instances(&facts(vec![two]));
        let text = "7 conflicts with another poller in the last 5m, in /srv/bot.log";
        assert!(found[0].evidence.iter().any(|line| line == text), "{found:?}");
    }

    #[test]
    fn the_one_that_stays_is_that_of_kill_duplicates() {
        let surplus = |instances: Vec<SeenInstance>, holder: Option<i32>| {
            let mut bot = bot("main", instances);
            bot.locks.extend(holder.map(|pid| held_by("/x.lock", &[pid])));
            bot.surplus().into_iter().map(SeenInstance::pid).collect::<Vec<_>>()
        };
        let polls = |pid| polling(seen(pid), Polling::Yes);
        let service = |pid| from(pid, unit("bot.service"));
        let stopped = |pid| {
            let mut one = seen(pid);
            one.instance.state = RunState::Stopped;
            one
        };
        assert_eq!(surplus(vec![seen(10), service(20), polls(30)], Some(10)), [20, 30], "the holder stays");
        assert_eq!(surplus(vec![seen(10), service(20), polls(30)], None), [10, 30], "the managed one");
        assert_eq!(surplus(vec![seen(10), seen(20), polls(30)], None), [10, 20], "the one that polls");
        assert_eq!(surplus(vec![seen(10), seen(20)], None), [20], "the oldest");
        assert_eq!(surplus(vec![stopped(10), seen(20)], Some(10)), [10], "never one that is stopped");
        assert_eq!(surplus(vec![stopped(10), stopped(20)], None), [10, 20]);
        assert_eq!(surplus(vec![stopped(10)], None), [] as [i32; 0], "the only one is no duplicate");
        let around = SeenInstance { is_around_us: true, ..seen(20) };
        assert_eq!(surplus(vec![seen(10), around], Some(10)), [10], "solobot's own ancestor");
    }

    #[test]
    fn a_probable_one_warns() {
        let mut one = bot("main", vec![seen(10)]);
        let mut other = seen(20);
        (other.instance.confidence, other.instance.doubt) = (Confidence::Probable, Some(Doubt::OtherArguments));
        one.probable.push(other);
        let said = say(duplicate_instances, one.clone());
        assert_eq!((said[0].0, &said[0].1), (Level::Warning, &vec![10, 20]));
        one.logs = fresh_conflicts(3);
        assert_eq!(
            say(duplicate_instances, one.clone())[0].0,
            Level::Error,
            "conflicts are logged: somebody polls beside"
        );
        one.instances.clear();
        assert_eq!(say(duplicate_instances, one), []);
    }

    #[test]
    fn workers_fold_into_their_instance() {
        let mut forked = seen(10);
        forked.instance.members.extend([identity(11), identity(12)]);
        let said = say(folded_instance, bot("main", vec![forked, seen(20)]));
        assert_eq!(said.len(), 1);
        assert_eq!((said[0].0, &said[0].1), (Level::Info, &vec![10, 11, 12]));
        assert_eq!(say(folded_instance, bot("main", vec![seen(10), seen(20)])), []);
    }
}
