//! What a diagnosis is made from: a plain value, gathered once by [`super::CloserLook`], or written by hand in tests.

mod remote;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::super::connections::{ConnectionEvidence, Polling};
use super::super::queue::QueueHistory;
use crate::base::duration::show;
use crate::lock::carriers::LockedFile;
use crate::lock::coverage::LockCoverage;
use crate::lock::state;
use crate::platform::identity::Identity;
use crate::process::instance::Instance;
use crate::process::keep::{self, Keep, KeepFacts};
use crate::process::origin::{Manager, Origin};

pub use remote::{
    ConfiguredBot, ConnectedTokenUser, FRESH, Handover, KnownToken, LogFacts, SETTLES, Telegram, TelegramAnswer,
};

/// Everything that was looked at.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub now: Timestamp,
    /// Each distinct bot; where nothing was named: each likely one, and locks that belong to none of them.
    pub bots: Vec<BotFacts>,
    /// How many processes there were.
    pub processes: usize,
    /// How many of them could not be inspected.
    pub uninspected: usize,
    /// `/proc` hides other users' processes.
    pub hidden: bool,
    /// So many connections to the API server belong to processes that could not be read.
    pub unowned: usize,
    /// What else could not be seen, in whole sentences.
    pub unseen: Vec<String>,
    /// Every bot of the file that has a token.
    pub siblings: Vec<ConfiguredBot>,
    /// Instances of other programs with the token of one of the bots.
    pub token_users: Vec<ConnectedTokenUser>,
}

#[derive(Debug, Clone, Default)]
pub struct BotFacts {
    /// Its name.
    pub id: String,
    /// The same with what tells it from another of that name, for sentences.
    pub name: String,
    /// What means this bot behind a subcommand: its name, or flags; `None` if nothing does.
    pub select: Option<String>,
    /// The flag that names its lock, where the operator gave one.
    pub lock_flag: Option<String>,
    /// Whether a program is known: else nobody can be told from the bot.
    pub has_program: bool,
    /// Whether flags or the file name its lock: an instance is to hold that very one.
    pub lock_is_named: bool,
    /// The variable that tells the bot that a lock is held for it.
    pub skip_env: Option<String>,
    /// Its locks, its own first.
    pub locks: Vec<LockEvidence>,
    /// Its instances, oldest first.
    pub instances: Vec<SeenInstance>,
    /// What may be an instance of it.
    pub probable: Vec<SeenInstance>,
    /// The starts that were seen: those that ran at first, and those that came while watching.
    pub starts: Vec<WatchedStart>,
    /// How long starts were watched.
    pub watched: Duration,
    /// Who was seen to start it while nothing of it ran: a shell loop.
    pub starter: Option<NamedProcess>,
    /// What stops that process for good.
    pub starter_stop: Option<String>,
    /// It was not named by anybody: it only looks like a bot.
    pub is_guess: bool,
    pub token: Option<KnownToken>,
    /// Why what stands in its token's place is none.
    pub token_fault: Option<String>,
    /// Its self-hosted Bot API server; `None`: Telegram's own.
    pub server: Option<String>,
    /// Which of those that were asked for has the token that Telegram is to be asked by.
    pub target: Option<usize>,
    /// What Telegram says; nobody has asked it before the command does.
    pub telegram: Telegram,
    /// What its queue there shows, together with earlier looks; nobody has asked before the command does.
    pub queue: Option<QueueHistory>,
    /// The flags by which another subcommand reaches Telegram in the same way.
    pub api_flags: String,
    /// What its logs say.
    pub logs: LogFacts,
}

/// An instance, and what doctor alone asks about it.
#[derive(Debug, Clone)]
pub struct SeenInstance {
    pub instance: Instance,
    /// Whether its environment has the skip variable, set to `1`; `None` where it cannot be read.
    pub skips_lock: Option<bool>,
    /// The files that it, or an ancestor of it, has locked with `flock(2)`, whatever they are.
    pub flocks: Vec<LockedFile>,
    /// Traces of a CI job, a git hook or a deploy script that started it.
    pub traces: Vec<StartTrace>,
    /// Its working folder has been deleted.
    pub folder_is_gone: bool,
    /// Its connections to Telegram.
    pub evidence: ConnectionEvidence,
    /// The variable of its environment whose token has white space around it.
    pub padded: Option<String>,
    /// Its environment names a proxy.
    pub has_proxy: bool,
    /// Those of its processes that listen, as web servers do, and so may what a webhook leads to.
    pub listeners: Vec<i32>,
    /// solobot runs inside of it.
    pub is_around_us: bool,
}

/// A sign of what started an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartTrace {
    /// Of what.
    pub of: Automation,
    /// What was seen.
    pub evidence: String,
}

/// What starts bots besides managers and people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Automation {
    /// A runner of continuous integration.
    Ci,
    GitHook,
    /// A deploy script.
    Deploy,
}

/// One start of the bot's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchedStart {
    pub process: Identity,
    /// How long it lived, if it ended while it was watched.
    pub lived: Option<Duration>,
}

/// A lock's path.
#[derive(Debug, Clone)]
pub struct LockEvidence {
    /// State, record and waiters.
    pub facts: state::LockFacts,
    /// Every process that was seen to share the flock.
    pub sharers: Vec<LockSharer>,
    /// The processes that hold an fcntl lock on the file.
    pub fcntl: Vec<NamedProcess>,
    /// The living process that claims it without a flock.
    pub claimant: Option<NamedProcess>,
    /// The PIDs that text and owner record name.
    pub named: Vec<i32>,
    /// The network file system that it lies on.
    pub network: Option<String>,
    /// solobot was told to use it all the same.
    pub network_allowed: bool,
    /// What will remove it.
    pub cleaner: Option<Cleaner>,
    /// Instances that see another folder at its path.
    pub elsewhere: Vec<OtherView>,
}

/// A process with its command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedProcess {
    pub process: Identity,
    /// Its command line, tokens masked.
    pub command: String,
}

/// A process whose descriptor carries the flock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockSharer {
    /// The process.
    pub who: NamedProcess,
    /// Who called flock; not itself if it inherited the descriptor.
    pub caller: i32,
    /// It is a program that holds locks for others: solobot, flock(1), a shell with the descriptor open.
    pub is_keeper: bool,
}

/// What removes old files from a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaner {
    pub name: &'static str,
    /// Where that is configured, and the line.
    pub source: String,
    /// The age at which a file is removed, as it is written there.
    pub age: String,
}

/// An instance that sees another folder at the lock's path than solobot does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherView {
    /// Its root process.
    pub pid: i32,
    pub folder: PathBuf,
    /// The mount there, in the words of its mountinfo.
    pub mount: Option<String>,
}

impl Facts {
    /// What `of` says of each bot.
    pub fn each<T>(&self, of: impl Fn(&BotFacts) -> Option<T>) -> Vec<T> {
        self.bots.iter().filter_map(of).collect()
    }

    /// Every lock with its bot.
    pub fn locks(&self) -> impl Iterator<Item = (&BotFacts, &LockEvidence)> {
        self.bots.iter().flat_map(|bot| bot.locks.iter().map(move |lock| (bot, lock)))
    }

    /// Every sure instance with its bot.
    pub fn instances(&self) -> impl Iterator<Item = (&BotFacts, &SeenInstance)> {
        self.bots.iter().flat_map(|bot| bot.instances.iter().map(move |seen| (bot, seen)))
    }
}

impl BotFacts {
    /// Its instances, the sure and the probable ones.
    pub fn all(&self) -> impl Iterator<Item = &SeenInstance> {
        self.instances.iter().chain(&self.probable)
    }

    /// Those that may poll for the bot: of the probable ones whatever something speaks for.
    pub fn pollers(&self) -> impl Iterator<Item = &SeenInstance> {
        self.all().filter(|seen| seen.instance.doubt.is_none_or(|doubt| !doubt.is_void()))
    }

    /// The same, to be filled in.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut SeenInstance> {
        self.instances.iter_mut().chain(&mut self.probable)
    }

    /// How an instance stands to the bot's locks: the best that any of them says.
    pub fn covered(&self, seen: &SeenInstance) -> LockCoverage {
        let each = || {
            self.locks
                .iter()
                .map(|lock| LockCoverage::of(&seen.instance.members, &seen.instance.ancestors, &lock.facts))
        };
        [LockCoverage::Holder, LockCoverage::Covered, LockCoverage::Unknown]
            .into_iter()
            .find(|&state| each().any(|one| one == state))
            .unwrap_or(LockCoverage::Unlocked)
    }

    /// The instance that `kill-duplicates` would keep.
    pub fn to_keep(&self) -> Option<&SeenInstance> {
        let standing = |seen: &SeenInstance| KeepFacts {
            holds: matches!(self.covered(seen), LockCoverage::Holder | LockCoverage::Covered),
            is_managed: seen.instance.origin.is_managed(),
            is_stopped: seen.instance.is_stopped(),
            polls: seen.evidence.polling == Polling::Yes,
            is_around_us: seen.is_around_us,
            ..KeepFacts::default()
        };
        let standings: Vec<KeepFacts> = self.instances.iter().map(standing).collect();
        keep::choose(&standings, Keep::Holder).map(|(at, _)| &self.instances[at])
    }

    /// Every sure instance but the one to keep.
    pub fn surplus(&self) -> Vec<&SeenInstance> {
        let keep = self.to_keep().map(SeenInstance::pid);
        self.instances.iter().filter(|seen| Some(seen.pid()) != keep).collect()
    }

    /// Whether a process is one of its instances', or an ancestor of one.
    pub fn has_process(&self, process: Identity) -> bool {
        self.all().any(|seen| {
            seen.instance.members.contains(&process)
                || seen.instance.ancestors.contains(&process)
                || seen.instance.wrappers.contains(&process)
        })
    }

    /// A subcommand for this bot: `solobot stop main`.
    pub fn solobot(&self, subcommand: &str) -> Option<String> {
        let words = [Some(subcommand), self.select.as_deref(), self.lock_flag.as_deref()];
        let is_named = self.select.is_some() || self.lock_flag.is_some();
        is_named.then(|| format!("solobot {}", words.into_iter().flatten().collect::<Vec<_>>().join(" ")))
    }

    /// The subcommand that removes its webhook.
    pub fn delete_webhook(&self) -> Option<String> {
        self.solobot("delete-webhook").map(|command| format!("{command}{}", self.api_flags))
    }

    /// An instance in a line: PID, user, age, origin, lock, and the command last, which may be cut.
    pub fn describe(&self, seen: &SeenInstance, now: Timestamp) -> String {
        let instance = &seen.instance;
        let age = show(now.duration_since(instance.started).unsigned_abs());
        let lock = match self.covered(seen) {
            LockCoverage::Holder => ", holds the lock",
            LockCoverage::Covered => ", its ancestor or keeper holds the lock",
            LockCoverage::Unlocked => ", without the lock",
            LockCoverage::Unknown => "",
        };
        let doubt = instance.doubt.map_or_else(String::new, |doubt| format!(", only probable: {}", doubt.reason()));
        let stopped = if instance.is_stopped() { ", stopped by a signal" } else { "" };
        let origin = &instance.origin;
        let polling = match seen.evidence.polling {
            Polling::Yes => ", connected to Telegram",
            Polling::No => ", not connected to Telegram",
            Polling::Unknown(_) => "",
        };
        format!(
            "PID {}, user {}, for {age}, origin {origin}{lock}{polling}{stopped}{doubt}: {}",
            seen.pid(),
            instance.user,
            instance.command
        )
    }

    /// The same for several.
    pub fn describe_all<'a>(&self, seen: impl IntoIterator<Item = &'a SeenInstance>, now: Timestamp) -> Vec<String> {
        seen.into_iter().map(|one| self.describe(one, now)).collect()
    }
}

impl SeenInstance {
    /// The root's PID.
    pub fn pid(&self) -> i32 {
        self.instance.root.pid
    }

    /// The origin that decides: solobot's own where solobot started it, and the service's around a loop or supervisor.
    pub fn origin(&self) -> &Origin {
        let mut origin = &self.instance.origin;
        while let Some(above) = &origin.above
            && (matches!(origin.manager, Manager::Solobot(_)) || above.is_managed())
        {
            origin = above;
        }
        origin
    }
}
