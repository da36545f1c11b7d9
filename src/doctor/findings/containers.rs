//! Containers: a lock inside one does not exclude processes outside.

use std::collections::BTreeSet;

use super::super::finding::{Finding, Level};
use crate::base::finding_code::Code;
use crate::process::origin::Manager;
use crate::survey::evidence::facts::{BotFacts, Facts, SeenInstance};

/// The bot runs in more than one container.
pub fn two_containers(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let inside: Vec<&SeenInstance> = bot.all().filter(|seen| is_contained(seen)).collect();
        let containers: BTreeSet<String> = inside.iter().map(|seen| seen.origin().to_string()).collect();
        if containers.len() < 2 {
            return None;
        }
        let summary = format!("{} is running in {} containers", bot.name, containers.len());
        Some(side_by_side(Code::TwoContainers, summary, bot, &inside, facts))
    })
}

/// The bot runs in a container and outside it.
pub fn container_and_host(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let shown: Vec<&SeenInstance> = bot.all().collect();
        let inside = shown.iter().filter(|seen| is_contained(seen)).count();
        if inside == 0 || inside == shown.len() {
            return None;
        }
        let summary = format!("{} is running in a container and on the host", bot.name);
        Some(side_by_side(Code::ContainerAndHost, summary, bot, &shown, facts))
    })
}

fn is_contained(seen: &SeenInstance) -> bool {
    matches!(seen.origin().manager, Manager::Container(_))
}

fn side_by_side(code: Code, summary: String, bot: &BotFacts, shown: &[&SeenInstance], facts: &Facts) -> Finding {
    let is_sure = shown.iter().all(|seen| bot.instances.iter().any(|sure| sure.pid() == seen.pid()));
    let (level, summary) = if is_sure {
        (Level::Error, summary)
    } else {
        (Level::Warning, format!("{summary}, perhaps with the same token: cannot tell from here"))
    };
    let keep = bot.to_keep().map(SeenInstance::pid);
    let surplus = shown.iter().rev().find(|seen| Some(seen.pid()) != keep && seen.origin().stop().is_some());
    Finding::new(code, level, summary)
        .shown_by(bot.describe_all(shown.iter().copied(), facts.now))
        .shown_by(shown.iter().filter_map(|seen| {
            let stop = seen.origin().stop()?;
            Some(format!("to stop PID {}: {stop}", seen.pid()))
        }))
        .about(shown.iter().map(|seen| seen.pid()))
        .fixed_by(surplus.and_then(|seen| seen.origin().stop()).or_else(|| bot.solobot("kill-duplicates")))
}

#[cfg(test)]
mod tests {
    use super::super::testing::say;
    use super::*;
    use crate::survey::evidence::testing::{bot, container, from, seen};

    fn inside(pid: i32, id: &str) -> SeenInstance {
        from(pid, container(id))
    }

    #[test]
    fn two_containers_but_not_one_with_two_instances() {
        let stop = Some("docker stop bbb".to_owned());
        let two = bot("main", vec![inside(10, "aaa"), inside(20, "bbb")]);
        assert_eq!(say(two_containers, two.clone()), [(Level::Error, vec![10, 20], stop)]);
        assert_eq!(say(container_and_host, two), []);
        assert_eq!(say(two_containers, bot("main", vec![inside(10, "aaa"), inside(20, "aaa")])), []);
        let mut unsure = bot("main", vec![]);
        unsure.probable = vec![inside(10, "aaa"), inside(20, "bbb")];
        assert_eq!(say(two_containers, unsure)[0].0, Level::Warning);
    }

    #[test]
    fn a_container_and_the_host() {
        let both = bot("main", vec![inside(10, "aaa"), seen(20)]);
        let said = say(container_and_host, both.clone());
        assert_eq!((said[0].0, &said[0].1), (Level::Error, &vec![10, 20]));
        assert_eq!(say(two_containers, both), []);
        assert_eq!(say(container_and_host, bot("main", vec![seen(10), seen(20)])), []);
        assert_eq!(say(container_and_host, bot("main", vec![inside(10, "aaa")])), []);
    }
}
