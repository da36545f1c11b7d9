//! What `doctor --explain CODE` says: the cause, how to be sure of it, how to fix it.

mod telegram;
mod text;

use crate::base::finding_code::Code;
use text::explain;

pub use text::Explanation;

/// A code's cause, how to be sure of it, and how to fix it.
pub fn explanation(code: Code) -> Explanation {
    match code {
        Code::DuplicateInstances
        | Code::Respawner
        | Code::Pm2Cluster
        | Code::SupervisordNumprocs
        | Code::SecondManager
        | Code::TwoContainers
        | Code::ContainerAndHost => of_duplicates(code),
        Code::DeployOverlap | Code::CiOverlap | Code::IdeAutorun | Code::RespawnLoop | Code::FoldedInstance => {
            of_starts(code)
        }
        Code::LeakedSkipVariable
        | Code::UnlockedInstance
        | Code::ReplacedLock
        | Code::PidfileOnly
        | Code::FcntlLock
        | Code::InheritedLock => of_locks(code),
        Code::PrivateTmp | Code::NetworkFs | Code::TmpCleaner | Code::StaleLock => of_places(code),
        Code::WebhookActive | Code::TokenInvalid | Code::TokenWhitespace | Code::TokenShared | Code::LocalApiServer => {
            telegram::of_tokens(code)
        }
        Code::SeveralPollers | Code::RemotePoller | Code::RepeatingProxy | Code::RecentTakeover | Code::NotPolling => {
            telegram::of_pollers(code)
        }
        Code::Dns | Code::Tcp | Code::Tls | Code::Proxy | Code::TelegramDown | Code::ClockSkew | Code::RateLimited => {
            telegram::of_network(code)
        }
    }
}

fn of_duplicates(code: Code) -> Explanation {
    match code {
        Code::DuplicateInstances => explain(
            "Telegram serves one long poll per token. With a second instance each one ends the other's poll with 409 \
             Conflict, again and again: updates are lost, doubled or late. Instances are counted, not processes: the \
             workers and wrappers of one bot are one.",
            "`solobot status` lists each instance with its age, user and origin; stop one and watch whether the \
             conflicts end within a minute.",
            "`solobot kill-duplicates` keeps one (the lock's holder, else the managed one) and stops the rest; start \
             the bot with `solobot acquire -- COMMAND` from then on, so that a second start is refused.",
        ),
        Code::Respawner => explain(
            "A surplus instance belongs to a manager that starts again what is killed: systemd, pm2, supervisord, \
             runit, a container's restart policy, a shell loop or a supervisor of your own. Killing it is in vain.",
            "Its origin in `solobot status` names the manager; a killed one is back with another PID.",
            "Stop it with its manager's own command, which the finding shows; or keep that one and stop the others.",
        ),
        Code::Pm2Cluster => explain(
            "pm2 runs several copies of the bot: `instances` above 1 in the ecosystem file, `pm2 start -i N`, or `pm2 \
             scale`. That balances web servers; every copy of a polling bot polls.",
            "`pm2 ls` shows one name several times, each with its own id.",
            "Delete the surplus ids, set `instances: 1` and `exec_mode: \"fork\"` in the ecosystem file, then `pm2 \
             save`, or the next reboot brings them back.",
        ),
        Code::SupervisordNumprocs => explain(
            "supervisord's `numprocs` is above 1 for the bot's program, so it starts as many copies, and each polls.",
            "`supervisorctl status` shows one group with several processes.",
            "Stop the surplus ones, set `numprocs=1` in the program's section, then `supervisorctl reread` and \
             `supervisorctl update`.",
        ),
        Code::SecondManager => explain(
            "Two services know the bot: an old pm2 entry beside a new systemd unit, two units, cron beside \
             supervisord. Each starts it, and each brings it back.",
            "The origins in `solobot status` differ.",
            "Choose one. Stop the bot in the other, and take it out of there for good (`systemctl disable`, `pm2 \
             delete` and `pm2 save`, a line less in the crontab), or the next reboot repeats it.",
        ),
        Code::TwoContainers => explain(
            "The bot runs in two containers: a scaled service, a compose project under a second name, an old container \
             with a restart policy beside the new one. A lock inside a container excludes nobody outside.",
            "`docker ps` shows both; they poll with one token if the fingerprints in `solobot status` agree.",
            "Stop and remove the surplus container. A lock that both can see must lie in a volume that both mount.",
        ),
        _ => explain(
            "The bot runs in a container and on the host as well: a hand start for a test, or a unit that was left \
             when the bot moved into a container. Their lock files are two different files.",
            "The origins in `solobot status` are `container` and another one.",
            "Stop the one that was not meant to stay, with the command that the finding shows.",
        ),
    }
}

fn of_starts(code: Code) -> Explanation {
    match code {
        Code::DeployOverlap => explain(
            "A deploy started the new release before the old one had ended, or moved the old one's folder away without \
             ending it.",
            "The instances run from different release folders, or the older one's folder is deleted.",
            "Stop the old one. In the deploy script stop, wait for the end, then start; or start with `solobot acquire \
             --wait 30s`, which waits for the old one to end.",
        ),
        Code::CiOverlap => explain(
            "A CI job or a git hook started an instance beside the one that was there: two jobs at once, or a hook \
             that starts the bot in the background besides the service.",
            "The finding names the runner or hook among its ancestors, or the variable that it left behind.",
            "Let the job restart the service instead of starting the bot, and let one job run at a time (`concurrency` \
             or `resource_group` in the pipeline).",
        ),
        Code::IdeAutorun => explain(
            "An IDE started the bot: a run configuration, a debugger, or a task that runs when the folder is opened or \
             a file is saved. With the production token in `.env`, it polls against the real bot.",
            "The IDE's server is an ancestor of the instance.",
            "Stop the run in the IDE, turn off the task's automatic run, and give the development folder a token of \
             its own (a second bot from @BotFather).",
        ),
        Code::RespawnLoop => explain(
            "The bot ends soon after every start and is started again: it crashes, or it exits because the lock is \
             held and its manager takes that for a failure. Each start may poll for a moment, and so disturb the one \
             that runs.",
            "The finding counts the starts that it saw; the manager's log shows them all.",
            "Read why it ends (`journalctl -u UNIT`, `pm2 logs`). If it ends because the lock is held, let it wait: \
             `solobot acquire --wait forever -- COMMAND`, and `RestartPreventExitStatus=78` in a unit.",
        ),
        _ => explain(
            "Several processes run the bot's command line, but one started the others: a fork, `multiprocessing` \
             workers, a reloader, `sh -c`. `ps` and `pgrep` show duplicates where there is one bot.",
            "`ps -o pid,ppid,args -p PIDS` shows that the first is the ancestor of the others.",
            "Nothing is wrong. If conflicts remain, look whether more than one of these processes polls.",
        ),
    }
}

fn of_locks(code: Code) -> Explanation {
    match code {
        Code::LeakedSkipVariable => explain(
            "A supervisor that holds the lock tells its child by SKIP_TELEGRAM_LOCK=1 not to take it. This instance \
             has the variable, but nobody holds a lock for it: the variable leaked through a shell's export, a `.env` \
             file or a unit's Environment=, and the bot runs unprotected.",
            "`tr '\\0' '\\n' </proc/PID/environ | grep SKIP` shows it, and no ancestor holds the lock.",
            "Remove the variable where it is set, and start the bot again; `solobot acquire` sets it only for the \
             child that it holds the lock for.",
        ),
        Code::UnlockedInstance => explain(
            "The instance runs, and neither it nor an ancestor holds the lock: started by hand, by a manager that \
             knows no lock, or with another lock path. A second start would not be refused.",
            "`solobot status` shows `unlocked` in the lock column.",
            "Start it with `solobot acquire -- COMMAND`; if it holds another lock, name that one with `--lock` or \
             `lock` in solobot.toml.",
        ),
        Code::ReplacedLock => explain(
            "The lock file was removed or replaced while it was held: `rm -f *.lock` in a restart script, a cleaner, a \
             library that unlinks on release. The holder holds a file that nobody can open any more, so the next start \
             gets a new file, and the lock.",
            "`ls -l /proc/PID/fd` of the holder shows the path with `(deleted)`, or another inode than `ls -i`.",
            "Find what removes the file and take it out; then restart the bot. `solobot clean-stale` clears without \
             removing.",
        ),
        Code::PidfileOnly => explain(
            "The file names a living process that holds no flock. That is a PID file: two starts at the same moment \
             both find it empty, and a reused PID looks alive for ever.",
            "`lslocks` does not list the file.",
            "Start the bot with `solobot acquire -- COMMAND`. If the process is a stranger that got the PID, empty the \
             file.",
        ),
        Code::FcntlLock => explain(
            "The file is locked with fcntl(2) (Python's `fcntl.lockf`, s6-setlock, `lckdo`), not with flock(2). The \
             two do not see each other: flock(1), filelock and solobot would be granted the lock as well.",
            "`/proc/locks` shows POSIX or OFDLCK for the file's inode.",
            "Use `fcntl.flock` in the bot, `chpst -L` or flock(1) instead of s6-setlock, or start it with `solobot \
             acquire -- COMMAND`.",
        ),
        _ => explain(
            "A flock belongs to the open file, not to the process: a helper that was started with the descriptor open \
             keeps the lock when the bot has ended, and every start is refused.",
            "`/proc/PID/fdinfo` of the helper has a `lock:` line with another PID than its own.",
            "End the helper. Let the bot start helpers without the descriptor (`close_fds=True`, O_CLOEXEC, `9>&-` in \
             a shell); solobot itself gives the lock back explicitly when the bot has ended.",
        ),
    }
}

fn of_places(code: Code) -> Explanation {
    match code {
        Code::PrivateTmp => explain(
            "The lock lies in a folder that the instance sees differently: a systemd unit with PrivateTmp=yes has a \
             /tmp of its own. The same path means two files, and both can be locked.",
            "`nsenter -t PID -m ls -i LOCK` shows another inode than `ls -i LOCK`.",
            "Move the lock to a folder that is everybody's (`lock = \"/run/lock/NAME.lock\"`, or the bot's own folder), \
             or set PrivateTmp=no in the unit.",
        ),
        Code::NetworkFs => explain(
            "The lock lies on a network file system (NFS, CIFS, 9p, FUSE), where flock(2) is emulated, local to each \
             host, or lost with the connection. Two hosts may both hold it.",
            "`stat -f -c %T LOCK` names the file system.",
            "Move the lock to a local disk. A lock never excludes another host: there, let one host run the bot.",
        ),
        Code::TmpCleaner => explain(
            "A cleaner removes files that have not been touched for some time from the lock's folder: systemd-tmpfiles, \
             tmpreaper, tmpwatch. Old versions of systemd-tmpfiles do not ask whether a plain file is locked, the \
             others never do. After that the holder holds a deleted file, and a second start succeeds.",
            "`systemd-tmpfiles --cat-config` shows the line; `systemctl list-timers` when it runs next.",
            "Move the lock out of that folder (/run/lock, or the bot's own folder), or exclude it by an `x` line in \
             /etc/tmpfiles.d.",
        ),
        _ => explain(
            "The lock file or its owner record names a process that is gone: it was killed, or the host rebooted. That \
             hinders no program that takes a flock, but one that only looks at the PID may refuse to start.",
            "`solobot status` shows `stale`, and nobody holds the file.",
            "`solobot clean-stale` clears text and record, and leaves the file.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_an_explanation_of_its_own() {
        let mut causes: Vec<&str> = Code::ALL.iter().map(|&code| explanation(code).cause).collect();
        causes.sort_unstable();
        causes.dedup();
        assert_eq!(causes.len(), Code::ALL.len());
        for &code in Code::ALL {
            let Explanation { cause, check, fix } = explanation(code);
            assert!([cause, check, fix].iter().all(|text| text.ends_with('.') && !text.contains("  ")), "{code:?}");
        }
    }
}
