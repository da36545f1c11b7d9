//! What `doctor --explain CODE` says.

mod fetching;
mod lease;
mod telegram;
mod text;

use crate::base::finding_code::Code;
use text::explain;

pub use text::{Explanation, ExplanationLine, lines};

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
        Code::SeveralPollers
        | Code::UnseenPoller
        | Code::RemotePoller
        | Code::RepeatingProxy
        | Code::RecentTakeover
        | Code::NotPolling => telegram::of_pollers(code),
        Code::Deaf | Code::SlowHandler | Code::NobodyFetches => fetching::of_queues(code),
        Code::LeaseElsewhere
        | Code::LeaseLost
        | Code::EngineUnreachable
        | Code::EngineForgets
        | Code::LeaseTtlDiffers => lease::of_leases(code),
        Code::Dns | Code::Tcp | Code::Tls | Code::Proxy | Code::TelegramDown | Code::ClockSkew | Code::RateLimited => {
            telegram::of_network(code)
        }
    }
}

fn of_duplicates(code: Code) -> Explanation {
    match code {
        Code::DuplicateInstances => explain(
            "Telegram serves one long poll per token. When two instances poll, each ends the other's poll with 409 \
             Conflict, again and again. Updates are lost, doubled or late. solobot counts instances, not processes: \
             the workers and wrappers of one bot are one instance.",
            "List the instances, with age, user and origin:\n\
             $ solobot status\n\
             Stop one of them and see whether the conflicts end within a minute.",
            "Keep one instance and stop the others. The one that holds the lock stays, otherwise the one that a \
             manager runs:\n\
             $ solobot kill-duplicates\n\
             From then on, start the bot under its lock, so that a second start is refused:\n\
             $ solobot acquire -- COMMAND",
        ),
        Code::Respawner => explain(
            "The extra instance belongs to a manager that starts it again when it is killed: systemd, pm2, \
             supervisord, runit, a container's restart policy, a shell loop or your own supervisor; or a line of a \
             crontab starts another one at its next time. Killing it does not help.",
            "The column ORIGIN names the manager. An instance that was killed is back with another PID:\n\
             $ solobot status",
            "Stop it with its manager's own command, which the finding shows. Or keep this instance and stop the \
             others.",
        ),
        Code::Pm2Cluster => explain(
            "pm2 runs several copies of the bot, because of `instances` in the ecosystem file, `pm2 start -i N` or \
             `pm2 scale`. That is meant for web servers. Each copy of a bot polls, and they conflict.",
            "One name is listed several times, each with its own id:\n\
             $ pm2 ls",
            "Delete the extra ids:\n\
             $ pm2 delete ID\n\
             In the ecosystem file, set `instances: 1` and `exec_mode: \"fork\"`. Then save the list, or the next \
             reboot brings the copies back:\n\
             $ pm2 save",
        ),
        Code::SupervisordNumprocs => explain(
            "`numprocs` is above 1 for the bot's program, so supervisord starts that many copies. Each copy polls, \
             and they conflict.",
            "One group is listed with several processes:\n\
             $ supervisorctl status",
            "Set `numprocs=1` in the program's section. Then apply it, which stops the extra copies:\n\
             $ supervisorctl reread\n\
             $ supervisorctl update",
        ),
        Code::SecondManager => explain(
            "Two managers start the bot: for example an old pm2 entry and a new systemd unit, two units, or cron and \
             supervisord. Each one starts it, and starts it again when it ends.",
            "The column ORIGIN shows different managers:\n\
             $ solobot status",
            "Choose one manager. In the other one, stop the bot and remove it for good, or the next reboot starts it \
             again. For systemd:\n\
             $ systemctl disable --now UNIT\n\
             For pm2:\n\
             $ pm2 delete NAME\n\
             $ pm2 save\n\
             For cron, delete the line:\n\
             $ crontab -e",
        ),
        Code::TwoContainers => explain(
            "The bot is running in two containers: a service with several replicas, a compose project under a second \
             name, or an old container with a restart policy. A lock inside one container does not exclude the other \
             one.",
            "Both containers are listed:\n\
             $ docker ps\n\
             They use the same token if the fingerprints are the same:\n\
             $ solobot status",
            "Stop the extra container with the command that the finding shows, then remove it. To share a lock, put \
             it on a volume that both containers mount.",
        ),
        _ => explain(
            "The bot is running in a container and also on the host: someone started it by hand, or an old unit was \
             left when the bot moved into a container. The two use different lock files, so neither excludes the \
             other.",
            "The origin of one instance is a container, that of the other one is not:\n\
             $ solobot status",
            "Stop the one that you do not want, with the command that the finding shows.",
        ),
    }
}

fn of_starts(code: Code) -> Explanation {
    match code {
        Code::DeployOverlap => explain(
            "A deploy started the new release before the old one ended. Or it moved the folder of the old release \
             away without stopping it.",
            "The instances run from different release folders, or the folder of the older one is `(deleted)`:\n\
             $ ls -l /proc/PID/cwd",
            "Stop the old instance. In the deploy script, stop it, wait for its end, then start the new one. Or let \
             the new one wait for the old one:\n\
             $ solobot acquire --wait 30s -- COMMAND",
        ),
        Code::CiOverlap => explain(
            "A CI job or a git hook started an instance while another one was running. Either two jobs ran at once, \
             or the job starts the bot although a service runs it too.",
            "The finding names the job or hook, or the variable that it left in the environment.",
            "Let the job restart the service instead of starting the bot itself. Let only one job run at a time \
             (`concurrency` or `resource_group` in the pipeline).",
        ),
        Code::IdeAutorun => explain(
            "An IDE started the bot: a run configuration, a debugger, or a task that runs when you open the folder \
             or save a file. With the production token in `.env`, it polls for the real bot.",
            "The column ORIGIN names the IDE:\n\
             $ solobot status",
            "Stop the run in the IDE and turn off the automatic task. Create a second bot at @BotFather and use its \
             token for development.",
        ),
        Code::RespawnLoop => explain(
            "The bot ends soon after every start and is started again. Either it crashes, or it exits because the \
             lock is held, and its manager takes that for a failure. Each start may poll for a moment and disturb \
             the running instance.",
            "The finding counts the starts that it saw. The manager's log has all of them. For systemd and pm2:\n\
             $ journalctl -u UNIT\n\
             $ pm2 logs NAME",
            "Find out from the log why it ends. If it ends because the lock is held, let it wait instead:\n\
             $ solobot acquire --wait forever -- COMMAND\n\
             In a systemd unit, also set `RestartPreventExitStatus=78`, so that a wrong configuration is not started \
             again.",
        ),
        _ => explain(
            "Several processes have the bot's command line, but one of them started the others: a fork, \
             `multiprocessing` workers, a reloader or `sh -c`. `ps` and `pgrep` show several processes, but it is \
             one instance.",
            "The first process is the parent of the others:\n\
             $ ps -o pid,ppid,args -p PIDS",
            "Nothing is wrong. If there are conflicts, check whether more than one of these processes polls.",
        ),
    }
}

fn of_locks(code: Code) -> Explanation {
    match code {
        Code::LeakedSkipVariable => explain(
            "A supervisor that holds the lock sets SKIP_TELEGRAM_LOCK=1 for its child, so that the child does not \
             take it too. This instance has the variable, but nobody holds a lock for it. The variable leaked from a \
             shell's `export`, a `.env` file or a unit's Environment=. Nothing stops a second start.",
            "The variable is in the environment of the process, and the lock is not held:\n\
             $ tr '\\0' '\\n' </proc/PID/environ | grep SKIP\n\
             $ solobot status",
            "Remove the variable where it is set, then restart the bot. Only a program that holds the lock may set \
             it, and only for its own child, as `solobot acquire` does.",
        ),
        Code::UnlockedInstance => explain(
            "The instance is running, but neither it nor a parent process holds the lock. It was started by hand, by \
             a manager without solobot, or with another lock. Nothing stops a second start.",
            "The column LOCK says `unlocked`:\n\
             $ solobot status",
            "Start the bot under its lock:\n\
             $ solobot acquire -- COMMAND\n\
             If it takes another lock, name that one with `--lock` or as `lock` in solobot.toml.",
        ),
        Code::ReplacedLock => explain(
            "The lock file was deleted or replaced while it was held: by `rm -f *.lock` in a restart script, by a \
             cleaner, or by a library that deletes it on release. The holder still holds the old file, which nobody \
             else can open. The next start creates a new file and gets the lock too.",
            "Among the open files of the holder, the lock is marked `(deleted)`, or has another path:\n\
             $ ls -l /proc/PID/fd",
            "Find out what deletes the file and turn it off. Then restart the bot. To clear a stale lock, use a \
             command that does not delete the file:\n\
             $ solobot clean-stale",
        ),
        Code::PidfileOnly => explain(
            "The file names a running process that does not hold a flock on it. So it is only a PID file: two starts \
             at the same moment both find it free, and a PID that was reused looks alive forever.",
            "This does not list the file:\n\
             $ lslocks",
            "Start the bot under a lock:\n\
             $ solobot acquire -- COMMAND\n\
             If the bot keeps its own PID in that file, let it:\n\
             $ solobot acquire --handover -l bot.pid -- COMMAND\n\
             If the PID now belongs to another program, remove the file:\n\
             $ rm bot.pid\n\
             The gateways that have such a file of their own are in the recipe \"AI gateways\".",
        ),
        Code::FcntlLock => explain(
            "The file is locked with fcntl(2), as by Python's `fcntl.lockf`, s6-setlock or `lckdo`, and not with \
             flock(2). The two kinds of lock ignore each other: flock(1), filelock and solobot would get the lock \
             too.",
            "The column TYPE says POSIX or OFDLCK:\n\
             $ lslocks",
            "In Python, use `fcntl.flock`. Instead of s6-setlock, use `chpst -L` or flock(1). Or start the bot with \
             solobot:\n\
             $ solobot acquire -- COMMAND",
        ),
        _ => explain(
            "A flock belongs to the open file, not to the process. A helper that the bot started inherited the open \
             file, and keeps the lock when the bot has ended. Every start is refused.",
            "The helper has a `lock:` line with a PID that is not its own:\n\
             $ grep lock: /proc/PID/fdinfo/*",
            "Stop the helper:\n\
             $ kill PID\n\
             In the bot, start helpers without the file: `close_fds=True` in Python, O_CLOEXEC in C, `9>&-` in a \
             shell. `solobot acquire` releases its lock when the bot ends, even if a helper inherited it.",
        ),
    }
}

fn of_places(code: Code) -> Explanation {
    match code {
        Code::PrivateTmp => explain(
            "The instance sees a different folder where the lock is. A systemd unit with PrivateTmp=yes, for \
             example, has its own /tmp. The same path is then two files, and both can be locked.",
            "The two commands show different inodes:\n\
             $ nsenter -t PID -m ls -i LOCK\n\
             $ ls -i LOCK",
            "Move the lock to a folder that every process sees: `lock = \"/run/lock/NAME.lock\"`, or the bot's own folder. Or \
             set PrivateTmp=no in the unit:\n\
             $ systemctl edit UNIT",
        ),
        Code::NetworkFs => explain(
            "The lock is on a network file system (NFS, CIFS, 9p, FUSE). There, flock(2) may be emulated, may only \
             work within one host, or may get lost with the connection. Two hosts may both hold it.",
            "This names the file system:\n\
             $ stat -f -c %T LOCK",
            "Move the lock to a local disk. Note that a local lock does not exclude other hosts: run the bot on one \
             host only.",
        ),
        Code::TmpCleaner => explain(
            "A cleaner (systemd-tmpfiles, tmpreaper or tmpwatch) deletes old files from the lock's folder. Old \
             versions of systemd-tmpfiles do not check whether a file is locked, and the others never do. The holder \
             then holds a deleted file, and a second start succeeds.",
            "The first command shows the rule. The second one shows when it is applied next:\n\
             $ systemd-tmpfiles --cat-config\n\
             $ systemctl list-timers",
            "Move the lock out of that folder, to /run/lock or the bot's own folder. Or exclude it with an `x` line \
             in /etc/tmpfiles.d.",
        ),
        _ => explain(
            "The lock file or its owner record names a process that no longer exists: it was killed, or the host \
             rebooted. Programs that use flock are not affected. A program that only looks at the PID may refuse to \
             start.",
            "The lock is shown as `stale`:\n\
             $ solobot status",
            "Clear the text and the owner record. The file itself stays:\n\
             $ solobot clean-stale",
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
            for text in [cause, check, fix] {
                assert!(!text.contains("  "), "{code:?}: {text}");
                let commands = lines(text).filter(|line| matches!(line, ExplanationLine::Command(_))).count();
                assert_eq!(
                    commands,
                    text.matches("$ ").count(),
                    "{code:?}: a command that is not on its own line: {text}"
                );
                let is_whole = |line: ExplanationLine<'_>| match line {
                    ExplanationLine::Prose(text) => text.ends_with(['.', ':']),
                    ExplanationLine::Command(_) => true,
                };
                assert!(lines(text).all(is_whole), "{code:?}: {text}");
            }
        }
    }
}
