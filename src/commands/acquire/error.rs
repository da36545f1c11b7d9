//! Why `acquire` did not get the lock, or did not run COMMAND.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::duration::{Limit, show};
use crate::base::error::{Expected, exit_of_io, hints_of_io, plain, typed};
use crate::base::exit::Exit;
use crate::base::shell;
use crate::lease::engine::EngineError;
use crate::lease::record::LeaseRecord;
use crate::outcome::holding::Holding;
use crate::outcome::lease_notice::{LeaseName, LostLease, WaitingFor};
use crate::outcome::lock::lock_option;
use crate::outcome::process::UnlockedProcess;
use crate::outcome::sentence::shortened;
use crate::platform::advice::{self, PYTHON, SHELLS_PID};
use crate::platform::words::names_folder;
use crate::process::launch::command_for;
use crate::process::origin::kill_by_hand;

/// An expected failure of `acquire`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another holds the lock.
    #[error("{}", held(.holding, *.waited, &.holding.by()))]
    Held {
        holding: Box<Holding>,
        /// How long solobot waited.
        waited: Limit,
        /// 75, or what `-E` says.
        exit: Exit,
    },
    /// Nobody holds the lock's file, but instances run without it, or hold one that was there before.
    #[error("{}", unlocked(.lock, .instances, str::to_owned))]
    Unlocked {
        lock: PathBuf,
        instances: Vec<UnlockedProcess>,
        /// What means this bot behind a subcommand.
        typed: String,
        /// 75, or what `-E` says.
        exit: Exit,
    },
    /// Nobody can say from here whether a process is the bot.
    #[error("cannot tell whether the bot is running: PID {pid} ({command}) of user {user} may be it")]
    Undecided {
        pid: i32,
        user: String,
        /// Its command line.
        command: String,
        /// What means this bot behind a subcommand.
        typed: String,
    },
    /// `--takeover` is not allowed to stop the holder.
    #[error("takeover of lock `{}` refused: {why}", .lock.display())]
    TakeoverRefused {
        lock: PathBuf,
        why: String,
        /// What to do instead.
        hints: Vec<String>,
        /// 75, or what `-E` says.
        exit: Exit,
    },
    /// Another host has the lease, or may have it.
    #[error("{}", lease_held(.lease, .why.as_deref(), *.waited))]
    LeaseHeld {
        lease: LeaseName,
        why: Option<Box<WaitingFor>>,
        /// How long solobot waited.
        waited: Limit,
        /// 75, or what `-E` says.
        exit: Exit,
    },
    /// The lease could not be renewed, or another host has it.
    #[error("{}", lease_lost(.lease, .why))]
    LeaseLost {
        lease: LeaseName,
        why: LostLease,
        /// 75, or what `-E` says, where another host has it.
        exit: Exit,
    },
    /// The lease's engine did not answer, or not as it should.
    #[error("lease {}: {error}", .lease.name)]
    Engine { lease: LeaseName, error: EngineError },
    /// The lease of that name is another bot's.
    #[error("lease {} on {} belongs to another bot{}", .lease.name, .lease.engine, of_bot(.record))]
    OtherBot { lease: LeaseName, record: Box<LeaseRecord> },
    /// On this platform nothing could stop the bot in time.
    #[error("bot `{bot}` has a lease, and a lease needs Linux or macOS so far")]
    NoLeases { bot: String },
    /// The process for which the lock should be held has ended.
    #[error("process {pid} does not exist, so there is nothing to hold the lock for")]
    TargetGone { pid: i32 },
    /// COMMAND was not found.
    #[error("command `{command}` was not found")]
    NotFound {
        /// Its first word.
        command: String,
    },
    /// COMMAND cannot be executed.
    #[error("cannot execute `{command}`: {}", plain(.source))]
    NotExecutable {
        /// Its first word.
        command: String,
        source: io::Error,
    },
    /// The log of a bot in the background cannot be opened.
    #[error("cannot write the log `{}`: {}", .path.display(), plain(.source))]
    LogNotOpened { path: PathBuf, source: io::Error },
    /// What is there is not to be written to.
    #[error("`{}` cannot be a log: {why}", .path.display())]
    NotALog { path: PathBuf, why: &'static str },
    /// Another solobot writes to it.
    #[error("the log `{}` is in use by another bot in the background", .path.display())]
    LogInUse { path: PathBuf },
    /// The keeper was killed, or its file replaced, before it held the lock.
    #[error("the keeper was stopped before it held lock `{}`", .lock.display())]
    KeeperEnded {
        lock: PathBuf,
        /// 75, or what `-E` says.
        exit: Exit,
    },
    /// The keeper ended with an error of its own before it held the lock.
    #[error("the keeper did not start: exit code {code}")]
    Keeper {
        /// Its code, which is ours too.
        code: u32,
    },
}

fn held(holding: &Holding, waited: Limit, by: &str) -> String {
    let (still, waited) = match waited {
        Limit::For(duration) if duration.is_zero() => ("", String::new()),
        limit => (" still", format!(" after {limit}")),
    };
    let of = holding.bot.as_deref().map_or_else(String::new, |bot| format!(" (for `{bot}`)"));
    let orphaned = if holding.lock.orphaned { ", orphaned (its solobot has died)" } else { "" };
    format!("lock `{}` is{still} held{of}{waited} by {by}{orphaned}", holding.lock.path.display())
}

fn lease_held(lease: &LeaseName, why: Option<&WaitingFor>, waited: Limit) -> String {
    let (still, waited) = match waited {
        Limit::For(duration) if duration.is_zero() => ("", String::new()),
        limit => (" still", format!(" after {limit}")),
    };
    let LeaseName { name, engine, .. } = lease;
    match why {
        Some(WaitingFor::Holder { record, .. }) => {
            format!("lease {name} on {engine} is{still} held{waited} by {}", record.by.shown())
        }
        Some(WaitingFor::Own { free_in }) => {
            format!("our own last grant of lease {name} on {engine} has not run out: it is free in {}", show(*free_in))
        }
        Some(WaitingFor::Unused { free_in }) => format!(
            "lease {name} on {engine} has no record yet, so another host may still be running the bot: it is free in {}",
            show(*free_in)
        ),
        Some(WaitingFor::Foreign { free_in }) => format!(
            "something that this solobot did not write stands in the place of lease {name} on {engine}: it is free if \
             that does not change for another {}",
            show(*free_in)
        ),
        Some(WaitingFor::Engine { why, .. }) => format!("lease {name}: {why}"),
        None => format!("lease {name} on {engine} was not granted{waited}"),
    }
}

/// Why the bot was stopped.
pub fn lease_lost(lease: &LeaseName, why: &LostLease) -> String {
    let LeaseName { name, engine, .. } = lease;
    match why {
        LostLease::Silence { why: Some(why) } => {
            format!("lease {name} could not be renewed, so the bot was stopped: {why}")
        }
        LostLease::Silence { why: None } => {
            format!("lease {name} could not be renewed on {engine} in time, so the bot was stopped")
        }
        LostLease::Another(record) => {
            format!("lease {name} on {engine} is held by {}, so the bot was stopped", record.by.shown())
        }
    }
}

fn of_bot(record: &LeaseRecord) -> String {
    record.by.bot_id.as_ref().map_or_else(String::new, |id| format!(" (bot {id}, {})", record.by.shown()))
}

fn unlocked(lock: &Path, instances: &[UnlockedProcess], command: fn(&str) -> String) -> String {
    let named = |one: &UnlockedProcess| {
        let doubt = one.doubt.map_or_else(String::new, |doubt| format!(" ({doubt})"));
        let program = one.program.map_or_else(String::new, |program| format!(" ({program})"));
        format!("PID {}{program}: {}{doubt}", one.process.pid, command(&one.process.command))
    };
    let list = instances.iter().map(named).collect::<Vec<_>>().join("; ");
    if instances.iter().any(|one| one.holds_removed) {
        return format!("lock `{}` was deleted, and its holder still holds the deleted file: {list}", lock.display());
    }
    if instances.iter().all(|one| one.doubt.is_some()) {
        return format!("the lock is free, but not starting a second instance, because this may be the bot: {list}");
    }
    if instances.iter().all(|one| one.program.is_some()) {
        return format!("the lock is free, but a program with the bot's token is already running: {list}");
    }
    format!("the lock is free, but the bot is already running without it: {list}")
}

fn hints_of_lease(lease: &LeaseName, why: Option<&WaitingFor>) -> Vec<String> {
    match why {
        Some(WaitingFor::Holder { record, free_in, .. }) => vec![
            record.by.hint(lease.bot.as_deref()),
            format!("if that host is dead, the lease is free in {}: solobot acquire --wait forever …", show(*free_in)),
        ],
        Some(WaitingFor::Own { free_in } | WaitingFor::Unused { free_in } | WaitingFor::Foreign { free_in }) => {
            vec![format!("to wait for that: solobot acquire --wait {}s …", free_in.as_secs() + 2)]
        }
        Some(WaitingFor::Engine { hints, .. }) => hints.clone(),
        None => vec![lease.hint()],
    }
}

fn hints_of_unlocked(instances: &[UnlockedProcess], typed: &str) -> Vec<String> {
    // A process that only a file names may be any process, so no hint tells to end it.
    let is_known = |one: &&UnlockedProcess| one.is_proved || one.doubt.is_some();
    // A kill does not help if the bot is started again: the hint stops what starts it.
    let known = || instances.iter().filter(is_known);
    let is_managed = known().any(|one| one.started_again.is_some());
    let pids: Vec<i32> = known().filter(|one| one.started_again.is_none()).map(|one| one.process.pid).collect();
    let if_bot = if instances.iter().all(|one| one.doubt.is_some()) { ", if it is the bot" } else { "" };
    // Of another program, and so in no list of this one's.
    let typed = if instances.iter().all(|one| one.program.is_some()) { String::new() } else { format!(" {typed}") };
    let mut hints = vec![format!("to look at it: solobot status{typed}")];
    // Of several, one may stay: what started that one, perhaps somebody's session, is left alone.
    if instances.len() > 1 && instances.iter().all(|one| one.is_proved) && is_managed {
        hints.push(format!("to keep one of them and stop the others: solobot kill-duplicates{typed}"));
    } else {
        hints.extend(known().filter_map(|one| one.started_again.clone()));
    }
    hints.extend((!pids.is_empty()).then(|| format!("to stop it{if_bot}: {}", kill_by_hand(&pids))));
    // A takeover from what is started again is refused.
    if !is_managed && instances.iter().all(|one| one.orphaned) {
        hints.push("to stop the orphan and take its place: solobot acquire --takeover=orphan …".into());
    } else if !is_managed && instances.iter().all(|one| one.is_proved) {
        hints.push("to stop it and take its place: solobot acquire --takeover …".into());
    }
    if instances.iter().any(|one| one.doubt.is_some()) {
        hints.push("if it is another bot: solobot acquire --lock-only …".into());
    } else if !instances.iter().any(|one| one.holds_removed || one.orphaned) {
        hints.push("to start anyway: solobot acquire --lock-only …".into());
    }
    hints
}

/// A whole command line in quotes, a file of this folder without its interpreter, or a program that is not installed.
fn hint_of_not_found(command: &str) -> String {
    let words = shell::split(command).unwrap_or_default();
    if words.len() > 1 {
        return format!("without the quotes: solobot acquire -- {}", shell::join(words));
    }
    if !names_folder(command.as_bytes()) && Path::new(command).is_file() {
        let command = shell::join(command_for(&[command.to_owned()]));
        return format!("to run the file in this folder: solobot acquire -- {command}");
    }
    format!("is it installed, and in PATH? to find out: {}", advice::find_program(command))
}

impl Expected for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Held { exit, .. }
            | Self::Unlocked { exit, .. }
            | Self::TakeoverRefused { exit, .. }
            | Self::KeeperEnded { exit, .. }
            | Self::LeaseHeld { exit, .. }
            | Self::LeaseLost { exit, why: LostLease::Another(_), .. } => *exit,
            Self::LeaseLost { why: LostLease::Silence { .. }, .. } => Exit::Unavailable,
            Self::Engine { error, .. } => error.kind.exit(),
            Self::OtherBot { .. } | Self::NoLeases { .. } | Self::NotALog { .. } | Self::LogInUse { .. } => {
                Exit::Config
            }
            Self::LogNotOpened { source, .. } => exit_of_io(source),
            Self::Undecided { .. } => Exit::NotPermitted,
            Self::TargetGone { .. } => Exit::Usage,
            Self::NotFound { .. } => Exit::NotFound,
            Self::NotExecutable { .. } => Exit::NotExecutable,
            Self::Keeper { code } => Exit::Code(*code),
        }
    }

    fn brief(&self) -> String {
        match self {
            Self::Held { holding, waited, .. } => held(holding, *waited, &holding.by_briefly()),
            Self::Unlocked { lock, instances, .. } => unlocked(lock, instances, shortened),
            _ => self.to_string(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::Unlocked { .. } => "runs-unlocked",
            Self::Undecided { .. } => "undecided",
            Self::LeaseHeld { .. } => "lease-held",
            Self::LeaseLost { .. } => "lease-lost",
            Self::Engine { .. } => "engine-unreachable",
            Self::OtherBot { .. } => "lease-of-another-bot",
            Self::NoLeases { .. } => "lease-unsupported",
            Self::TakeoverRefused { .. } => "takeover-refused",
            Self::TargetGone { .. } => "target-gone",
            Self::NotFound { .. } => "command-not-found",
            Self::NotExecutable { .. } => "command-not-executable",
            Self::LogNotOpened { .. } => "log-not-opened",
            Self::NotALog { .. } => "not-a-log",
            Self::LogInUse { .. } => "log-in-use",
            Self::KeeperEnded { .. } => "keeper-ended",
            Self::Keeper { .. } => "keeper",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Held { holding, .. } => holding.remedies.clone(),
            Self::Unlocked { instances, typed, .. } => hints_of_unlocked(instances, typed),
            Self::Undecided { user, typed, .. } => vec![
                advice::as_root("to look at it", &format!("solobot status {typed}")),
                format!("if that user runs the bot: user = \"{user}\" in solobot.toml"),
                "if it is something else: solobot acquire --lock-only …".into(),
            ],
            Self::LeaseHeld { lease, why, .. } => hints_of_lease(lease, why.as_deref()),
            Self::LeaseLost { lease, why: LostLease::Another(record), .. } => {
                vec![record.by.hint(lease.bot.as_deref())]
            }
            Self::LeaseLost { lease, .. } => vec![lease.hint()],
            Self::Engine { lease, error } if error.hints.is_empty() => vec![lease.hint()],
            Self::Engine { error, .. } => error.hints.clone(),
            Self::OtherBot { .. } => {
                vec!["to name this bot's own lease: --lease-name NAME, or `lease_name` in solobot.toml".into()]
            }
            Self::NoLeases { .. } => {
                vec!["to run it under its lock alone, on this host only: remove its `lease`".into()]
            }
            Self::TakeoverRefused { hints, .. } => hints.clone(),
            Self::TargetGone { .. } => {
                vec![format!("to hold it for the calling shell: solobot acquire --pid {SHELLS_PID} …")]
            }
            Self::NotFound { command } => vec![hint_of_not_found(command)],
            Self::NotExecutable { command, source } => match source.kind() {
                io::ErrorKind::IsADirectory => {
                    let inside = Path::new(command).join("main.py");
                    vec![format!("to run a program in that folder: solobot acquire -- {PYTHON} {}", typed(&inside))]
                }
                io::ErrorKind::WouldBlock => hints_of_io(source),
                io::ErrorKind::PermissionDenied => {
                    advice::make_executable(command).iter().map(|how| format!("to make it executable: {how}")).collect()
                }
                _ => vec![format!("to run it with an interpreter: solobot acquire -- {PYTHON} {command}")],
            },
            Self::LogNotOpened { .. } | Self::NotALog { .. } | Self::LogInUse { .. } => {
                vec!["to name another log: solobot acquire --log FILE …".into()]
            }
            Self::KeeperEnded { lock, .. } => {
                vec![format!("to see who holds it now: solobot status {}", lock_option(lock))]
            }
            Self::Keeper { .. } => vec!["to see what was tried: solobot -vvv …".into()],
        }
    }
}
