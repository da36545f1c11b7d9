//! Managers that start the bot several times, or start it again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::finding::{Finding, Level};
use crate::base::finding_code::Code;
use crate::base::shell;
use crate::process::origin::{Manager, Origin};
use crate::survey::evidence::facts::{BotFacts, Facts, SeenInstance};

/// A surplus instance that its manager would start again if it were killed.
pub fn respawner(facts: &Facts) -> Vec<Finding> {
    let surplus = facts.bots.iter().flat_map(|bot| bot.surplus().into_iter().map(move |seen| (bot, seen)));
    surplus
        .filter(|(_, seen)| seen.instance.origin.would_respawn())
        .map(|(bot, seen)| {
            let origin = &seen.instance.origin;
            let kept = bot
                .to_keep()
                .map(|kept| format!("the instance to keep is PID {}, {}", kept.pid(), kept.instance.origin));
            let summary = format!("killing PID {} does not help: {origin} would start it again", seen.pid());
            Finding::new(Code::Respawner, Level::Warning, summary)
                .shown_by([bot.describe(seen, facts.now), format!("origin: {}", origin.evidence)])
                .shown_by(again(origin))
                .shown_by(kept)
                .about([seen.pid()])
                .fixed_by(origin.stop())
                .explored_by(bot.solobot("status"))
        })
        .collect()
}

/// cron starts another one while one is running, and then again.
pub fn cron_respawner(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let line = bot.starts.cron.lines.first()?;
        // One that takes the lock by itself ends where another one has it.
        let callers = bot.locks.iter().flat_map(|lock| &lock.sharers).filter_map(|sharer| sharer.caller);
        let locks_itself = |pid: i32| bot.instances.iter().any(|seen| seen.instance.pids().contains(&pid));
        if bot.instances.is_empty() || callers.into_iter().any(locks_itself) {
            return None;
        }
        let level = if bot.instances.len() > 1 { Level::Error } else { Level::Warning };
        let summary = format!("cron starts another instance of {} {}", bot.name, line.when);
        let each = bot.starts.cron.lines.iter();
        let lines = each.map(|line| format!("line {} of {}: {}", line.number, line.file.display(), line.text));
        let fix = "to fix it, remove the line, or put `solobot acquire -n --` before the command";
        Some(
            Finding::new(Code::Respawner, level, summary)
                .shown_by(lines)
                .shown_by(minutes_apart(bot))
                .shown_by([fix.to_owned()])
                .about(bot.instances.iter().map(SeenInstance::pid))
                .fixed_by(line.edit.clone()),
        )
    })
}

/// That instances were started whole minutes apart, as cron does.
fn minutes_apart(bot: &BotFacts) -> Option<String> {
    let mut starts: Vec<i64> = bot.instances.iter().map(|seen| seen.instance.started.as_second()).collect();
    starts.sort_unstable();
    let pauses: Vec<i64> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let is_whole = |pause: &i64| *pause >= 58 && (pause + 2) % 60 <= 4;
    let first = pauses.first().filter(|_| pauses.iter().all(is_whole))?;
    Some(format!("its instances were started {first}s apart"))
}

/// How often its manager has started it again so far.
fn again(origin: &Origin) -> Option<String> {
    let times = match origin.manager.restarts()? {
        0 => return None,
        1 => "once".to_owned(),
        many => format!("{many} times"),
    };
    Some(format!("{origin} has started it again {times} so far"))
}

/// pm2 runs one entry several times: `instances` above 1.
pub fn pm2_cluster(facts: &Facts) -> Vec<Finding> {
    let hint = "in its ecosystem file, set `instances: 1` and `exec_mode: \"fork\"`, then run: pm2 save";
    let is_of = |manager: &Manager| matches!(manager, Manager::Pm2 { .. });
    copies(facts, is_of, |name, count, bot| {
        let summary = format!("pm2 runs {count} copies of {} (`{name}`), and each one polls", bot.name);
        Finding::new(Code::Pm2Cluster, Level::Error, summary).shown_by([hint.to_owned()])
    })
}

/// supervisord runs one program several times: `numprocs` above 1.
pub fn supervisord_numprocs(facts: &Facts) -> Vec<Finding> {
    let hint = "in its section, set numprocs=1, then run: supervisorctl reread && supervisorctl update";
    let is_of = |manager: &Manager| matches!(manager, Manager::Supervisord { .. });
    copies(facts, is_of, |name, count, bot| {
        let summary = format!("supervisord runs {count} copies of {} (`{name}`), and each one polls", bot.name);
        Finding::new(Code::SupervisordNumprocs, Level::Error, summary).shown_by([hint.to_owned()])
    })
}

/// Several instances of one entry of a manager.
fn copies(facts: &Facts, is_of: fn(&Manager) -> bool, say: impl Fn(&str, usize, &BotFacts) -> Finding) -> Vec<Finding> {
    let mut found = Vec::new();
    for bot in &facts.bots {
        let is_several = |copies: &[&SeenInstance]| copies.len() > 1 && is_of(&copies[0].origin().manager);
        for (service, copies) in services(bot).into_iter().filter(|(_, copies)| is_several(copies)) {
            let keep = bot.to_keep().map(SeenInstance::pid);
            let stop: Vec<String> = copies
                .iter()
                // All of them, if the one to keep is not among them.
                .filter(|seen| Some(seen.pid()) != keep)
                .filter_map(|seen| seen.origin().stop())
                .collect();
            let mut finding = say(&service.name, copies.len(), bot)
                .about(copies.iter().map(|seen| seen.pid()))
                .fixed_by((!stop.is_empty()).then(|| shell::and(&stop)));
            finding.evidence.splice(0..0, bot.describe_all(copies.iter().copied(), facts.now));
            found.push(finding);
        }
    }
    found
}

/// Two services, loops or supervisors each start the bot.
pub fn second_manager(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let services = services(bot);
        if services.len() < 2 {
            return None;
        }
        let names: Vec<String> = services.values().map(|seen| seen[0].origin().to_string()).collect();
        let keep = bot.to_keep().map(SeenInstance::pid);
        let others = services.values().filter(|seen| seen.iter().all(|one| Some(one.pid()) != keep));
        let leave: Vec<String> = others.filter_map(|seen| seen[0].origin().forget()).collect();
        let summary = format!("{} managers start {}: {}", services.len(), bot.name, names.join(", "));
        let shown = services.values().flatten().copied();
        let finding = Finding::new(Code::SecondManager, Level::Error, summary)
            .shown_by(bot.describe_all(shown.clone(), facts.now))
            .about(shown.map(SeenInstance::pid));
        Some(finding.fixed_by((!leave.is_empty()).then(|| shell::and(&leave))))
    })
}

/// One entry of one manager.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ServiceEntry {
    kind: &'static str,
    name: String,
    /// The manager's process, where there may be several of the kind.
    manager: Option<i32>,
}

/// The sure instances by entry of a manager, except containers.
fn services(bot: &BotFacts) -> BTreeMap<ServiceEntry, Vec<&SeenInstance>> {
    let mut services: BTreeMap<ServiceEntry, Vec<&SeenInstance>> = BTreeMap::new();
    for seen in &bot.instances {
        if let Some(service) = service(seen.origin()) {
            services.entry(service).or_default().push(seen);
        }
    }
    services
}

fn service(origin: &Origin) -> Option<ServiceEntry> {
    let is_manager = origin.is_managed() || origin.would_respawn() || matches!(origin.manager, Manager::Cron(_));
    let name = match &origin.manager {
        _ if !is_manager => return None,
        Manager::Container(_) => return None,
        Manager::Supervisord { process, .. } => process.as_ref().map(|process| process.section().to_owned()),
        manager => manager.name().map(Cow::into_owned),
    };
    let manager = match origin.manager {
        Manager::Systemd { .. } | Manager::Cron(_) => None,
        _ => origin.pid,
    };
    Some(ServiceEntry { kind: origin.manager.as_str(), name: name.unwrap_or_default(), manager })
}

#[cfg(test)]
mod tests {
    use super::super::testing::say;
    use super::*;
    use crate::process::origin::Script;
    use crate::survey::evidence::facts::CronLine;
    use crate::survey::evidence::testing::{bot, from, held_by, pm2, seen, supervisord, unit};

    #[test]
    fn a_surplus_instance_that_would_come_back() {
        // The managed one is kept.
        let managed = bot("main", vec![seen(10), from(20, unit("bot.service"))]);
        assert_eq!(say(respawner, managed.clone()), []);
        // The hand-started one holds the lock and is kept.
        let mut locked = managed.clone();
        locked.locks.push(held_by("/l", &[10]));
        let stop = Some("systemctl stop bot.service".to_owned());
        assert_eq!(say(respawner, locked), [(Level::Warning, vec![20], stop)]);
        assert_eq!(say(respawner, bot("main", vec![from(20, pm2("bot"))])), []);
    }

    #[test]
    fn a_line_of_cron_that_starts_another_one() {
        let line = CronLine {
            file: "/etc/cron.d/bot".into(),
            number: 3,
            text: "* * * * * root python3 main.py &".into(),
            when: "every minute".into(),
            edit: "sudoedit /etc/cron.d/bot".into(),
        };
        let with_line = |instances| {
            let mut bot = bot("main", instances);
            bot.starts.cron.lines.push(line.clone());
            bot
        };
        let edit = || Some("sudoedit /etc/cron.d/bot".to_owned());
        assert_eq!(say(cron_respawner, with_line(vec![seen(10)])), [(Level::Warning, vec![10], edit())]);
        let two = with_line(vec![seen(10), seen(70)]);
        assert_eq!(minutes_apart(&two).as_deref(), Some("its instances were started 60s apart"));
        assert_eq!(say(cron_respawner, two), [(Level::Error, vec![10, 70], edit())]);
        assert_eq!(minutes_apart(&with_line(vec![seen(10), seen(40)])), None);
        assert_eq!(say(cron_respawner, with_line(vec![])), []);
        let mut locked = with_line(vec![seen(10)]);
        locked.locks.push(held_by("/l", &[10]));
        assert_eq!(say(cron_respawner, locked), [], "the next one ends at once");
    }

    #[test]
    fn copies_of_one_pm2_entry() {
        let copy = |pid, name| from(pid, pm2(name));
        let said = say(pm2_cluster, bot("main", vec![copy(10, "bot"), copy(20, "bot")]));
        assert_eq!(said, [(Level::Error, vec![10, 20], Some("PM2_HOME=/home/bot/.pm2 pm2 stop bot".to_owned()))]);
        assert_eq!(say(pm2_cluster, bot("main", vec![copy(10, "bot")])), []);
        assert_eq!(say(pm2_cluster, bot("main", vec![copy(10, "bot"), copy(20, "old")])), []);
        assert_eq!(say(supervisord_numprocs, bot("main", vec![copy(10, "bot"), copy(20, "bot")])), []);
    }

    #[test]
    fn copies_of_one_supervisord_section() {
        let copy = |pid, group, process| from(pid, supervisord(group, process));
        let two = bot("main", vec![copy(10, "bot", "bot_00"), copy(20, "bot", "bot_01")]);
        let stop = Some("supervisorctl stop bot:bot_01".to_owned());
        assert_eq!(say(supervisord_numprocs, two.clone()), [(Level::Error, vec![10, 20], stop)]);
        assert_eq!(say(second_manager, two), []);
        let apart = bot("main", vec![copy(10, "bot", "bot_00"), copy(20, "old", "old")]);
        assert_eq!(say(supervisord_numprocs, apart.clone()), []);
        assert_eq!(say(second_manager, apart).len(), 1);
    }

    #[test]
    fn two_managers() {
        let systemd = |pid| from(pid, unit("bot.service"));
        let pm2 = |pid| from(pid, pm2("bot"));
        let said = say(second_manager, bot("main", vec![pm2(10), systemd(20)]));
        let leave = Some("systemctl disable --now bot.service".to_owned());
        assert_eq!((said[0].0, &said[0].2), (Level::Error, &leave));
        assert_eq!(say(second_manager, bot("main", vec![systemd(10), systemd(20), seen(30)])), []);
        // A supervisor of one's own inside the unit is the unit's, and so is solobot.
        let script = || Script { name: "supervisor.py".into(), owner: None, instance: 30 };
        for manager in [Manager::Parent(script()), Manager::Solobot(script())] {
            let mut inner = from(30, manager.clone());
            inner.instance.origin.above = Some(Box::new(systemd(1).instance.origin));
            assert_eq!(say(second_manager, bot("main", vec![systemd(10), inner])), [], "{manager:?}");
        }
    }
}
