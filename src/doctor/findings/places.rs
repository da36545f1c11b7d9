//! Places where a lock does not work.

use super::super::finding::{Finding, Level};
use crate::base::error::typed;
use crate::base::finding_code::Code;
use crate::base::shell;
use crate::lock::state::State;
use crate::survey::evidence::facts::Facts;

/// An instance sees a different folder at the lock's path.
pub fn private_tmp(facts: &Facts) -> Vec<Finding> {
    facts
        .locks()
        .filter(|(_, lock)| !lock.elsewhere.is_empty())
        .map(|(bot, lock)| {
            let pids: Vec<i32> = lock.elsewhere.iter().map(|one| one.pid).collect();
            let others = bot.instances.iter().any(|seen| !pids.contains(&seen.pid()));
            let level = if others { Level::Error } else { Level::Warning };
            let path = lock.facts.path.display();
            let list: Vec<String> = pids.iter().map(|pid| format!("PID {pid}")).collect();
            let summary = format!("{} sees a different file at {path} than the rest of this host", list.join(", "));
            let edit =
                bot.all().filter(|seen| pids.contains(&seen.pid())).find_map(|seen| seen.origin().manager.edit());
            let advice = if edit.is_some() {
                "set PrivateTmp=no below [Service], or use a lock outside that folder"
            } else {
                "use a lock outside that folder: in /run/lock or in the bot's own folder"
            };
            Finding::new(Code::PrivateTmp, level, summary)
                .shown_by(lock.elsewhere.iter().map(|one| {
                    let mount = one.mount.as_ref().map_or_else(String::new, |mount| format!(", a mount of {mount}"));
                    format!("PID {} sees a different folder at {}{mount}", one.pid, one.folder.display())
                }))
                .shown_by([advice.to_owned()])
                .about(pids.iter().copied())
                .fixed_by(edit)
                .explored_by(format!("nsenter -t {} -m ls -li {}", pids[0], typed(&lock.facts.path)))
        })
        .collect()
}

/// The lock lies on a network file system.
pub fn network_fs(facts: &Facts) -> Vec<Finding> {
    facts
        .locks()
        .filter_map(|(_, lock)| {
            let network = lock.network.as_ref()?;
            let path = &lock.facts.path;
            let level = if lock.network_allowed { Level::Warning } else { Level::Error };
            let summary =
                format!("{} is on a network file system ({network}): two hosts may both hold it", path.display());
            Some(
                Finding::new(Code::NetworkFs, level, summary)
                    .shown_by(["move it to a local disk, for example lock = \"/run/lock/NAME.lock\"".to_owned()])
                    .explored_by(format!("findmnt -T {}", typed(path))),
            )
        })
        .collect()
}

/// A cleaner will delete the lock file when it is old.
pub fn tmp_cleaner(facts: &Facts) -> Vec<Finding> {
    facts
        .locks()
        .filter(|(bot, lock)| bot.lock_is_named || lock.facts.state != State::Absent)
        .filter_map(|(_, lock)| {
            let cleaner = lock.cleaner.as_ref()?;
            let path = &lock.facts.path;
            let summary = format!("{} removes {} when it is older than {}", cleaner.name, path.display(), cleaner.age);
            let keeps_away = (cleaner.name == "systemd-tmpfiles").then(|| {
                let rule = shell::quote(&format!("x {}*", path.display())).into_owned();
                format!("echo {rule} >/etc/tmpfiles.d/solobot.conf")
            });
            Some(
                Finding::new(Code::TmpCleaner, Level::Warning, summary)
                    .shown_by([
                        cleaner.source.clone(),
                        "a lock that is held for longer than that may be deleted while it is held".to_owned(),
                    ])
                    .fixed_by(keeps_away)
                    .explored_by("solobot doctor --explain tmp-cleaner".to_owned()),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::say;
    use super::*;
    use crate::survey::evidence::facts::{BotFacts, Cleaner, LockEvidence, OtherView, SeenInstance};
    use crate::survey::evidence::testing::{bot, from, lock, seen, unit};

    fn with_lock(instances: Vec<SeenInstance>, lock: LockEvidence) -> BotFacts {
        BotFacts { locks: vec![lock], ..bot("main", instances) }
    }

    #[test]
    fn a_tmp_of_its_own() {
        let elsewhere =
            vec![OtherView { pid: 10, folder: "/tmp".into(), mount: Some("/tmp/systemd-private-x/tmp".into()) }];
        let hidden = || LockEvidence { elsewhere: elsewhere.clone(), ..lock("/tmp/l", State::Absent) };
        let service = || from(10, unit("bot.service"));
        let edit = Some("systemctl edit bot.service".to_owned());
        let said = say(private_tmp, with_lock(vec![service()], hidden()));
        assert_eq!(said, [(Level::Warning, vec![10], edit.clone())]);
        let said = say(private_tmp, with_lock(vec![service(), seen(20)], hidden()));
        assert_eq!(said, [(Level::Error, vec![10], edit)]);
        assert_eq!(say(private_tmp, with_lock(vec![seen(10)], lock("/tmp/l", State::Free))), []);
    }

    #[test]
    fn a_network_file_system() {
        let nfs = |allowed| LockEvidence {
            network: Some("NFS".into()),
            network_allowed: allowed,
            ..lock("/mnt/l", State::Free)
        };
        let look = Some("findmnt -T /mnt/l".to_owned());
        assert_eq!(say(network_fs, with_lock(vec![], nfs(false))), [(Level::Error, vec![], look.clone())]);
        assert_eq!(say(network_fs, with_lock(vec![], nfs(true))), [(Level::Warning, vec![], look)]);
        assert_eq!(say(network_fs, with_lock(vec![], lock("/mnt/l", State::Free))), []);
    }

    #[test]
    fn a_cleaner() {
        let cleaner = Cleaner { name: "systemd-tmpfiles", source: "tmp.conf: q /tmp".into(), age: "10d".into() };
        let in_tmp = |state| LockEvidence { cleaner: Some(cleaner.clone()), ..lock("/tmp/l", state) };
        let exclude = Some("echo 'x /tmp/l*' >/etc/tmpfiles.d/solobot.conf".to_owned());
        let said = say(tmp_cleaner, with_lock(vec![], in_tmp(State::Free)));
        assert_eq!(said, [(Level::Warning, vec![], exclude)]);
        assert_eq!(say(tmp_cleaner, with_lock(vec![], in_tmp(State::Absent))), []);
        assert_eq!(say(tmp_cleaner, with_lock(vec![], lock("/tmp/l", State::Free))), []);
    }
}
