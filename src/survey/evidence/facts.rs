//! What a diagnosis is made from: a plain value, gathered once by [`super::CloserLook`], or written by hand in tests.

mod remote;
mod starts;

use std::path::PathBuf;

use jiff::Timestamp;

use super::super::connections::{ConnectionEvidence, Polling};
use super::super::leases::KnownLease;
use super::super::queue::QueueHistory;
use crate::base::duration::show;
use crate::lock::carriers::LockedFile;
use crate::lock::coverage::LockCoverage;
use crate::lock::state;
use crate::platform::identity::Identity;
use crate::platform::{advice, proc, user};
use crate::process::details::{Details, command_line};
use crate::process::instance::Instance;
use crate::process::keep::{self, Keep, KeepFacts};
use crate::process::matching::{Confidence, Doubt};
use crate::process::origin::{Manager, Origin};
use crate::process::same_bot;

pub use remote::{
    ConfiguredBot, ConnectedStranger, ConnectedTokenUser, FRESH, Handover, KnownToken, LogFacts, SETTLES, Telegram,
    TelegramAnswer, UnseenConnections,
};
pub use starts::{CronLine, Cronjobs, Refrain, Respawner, StartFacts, WatchedStart};

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
    /// Connections to the API server that belong to processes which could not be read.
    pub unseen_connections: UnseenConnections,
    /// What else could not be seen, in whole sentences.
    pub unseen: Vec<String>,
    /// Every bot of the file that has a token.
    pub siblings: Vec<ConfiguredBot>,
    /// Instances of other programs with the token of one of the bots.
    pub token_users: Vec<ConnectedTokenUser>,
    /// Whatever else is connected to the API server.
    pub strangers: Vec<ConnectedStranger>,
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
    /// What starts it again and again, or would.
    pub starts: StartFacts,
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
    /// Its lease across hosts, if it has one.
    pub lease: Option<KnownLease>,
    /// When and how it lost its lease, within the last hour.
    pub lost_leases: Vec<(Timestamp, String)>,
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
    /// Its user's name, where that is not ours.
    pub other_user: Option<String>,
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
    /// The same as it can be typed; `None` where it shows a title instead.
    pub typed: Option<String>,
    /// Its user's name, where that is not ours.
    pub other_user: Option<String>,
}

impl NamedProcess {
    pub fn of(details: &Details) -> Self {
        Self {
            process: details.identity,
            command: command_line(&details.argv),
            typed: details.typed(),
            other_user: other_user(proc::owner(details.identity.pid)),
        }
    }
}

/// A command for this user, or for whoever asks.
pub fn run_by(other_user: Option<&str>, command: String) -> String {
    match other_user {
        Some(user) => advice::typed_as_user(user, &command),
        None => command,
    }
}

/// A user's name, unless that user is the one who asks.
pub fn other_user(uid: Option<u32>) -> Option<String> {
    uid.filter(|&uid| uid != user::effective_uid()).map(user::name)
}

/// A process whose descriptor carries the flock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockSharer {
    /// The process.
    pub who: NamedProcess,
    /// Who called flock; not itself if it inherited the descriptor. `None` where the platform does not say.
    pub caller: Option<i32>,
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
    /// The fingerprint of its token, if that is known.
    pub fn fingerprint(&self) -> Option<&str> {
        let of_instances = || self.instances.iter().find_map(|seen| seen.instance.known_token());
        let own = self.token.as_ref().map(|token| token.fingerprint.as_str());
        own.or_else(|| of_instances().map(|token| token.fingerprint.as_str()))
    }

    /// Its instances, the sure and the probable ones.
    pub fn all(&self) -> impl Iterator<Item = &SeenInstance> {
        self.instances.iter().chain(&self.probable)
    }

    /// Whether it has conflicts now that no second instance of it explains: some, or several right after a start.
    pub fn is_fought(&self) -> bool {
        let has_several = |seen: &SeenInstance| {
            seen.evidence.connections.iter().any(|one| one.pid != seen.evidence.connections[0].pid)
        };
        let has_conflicts = self.logs.fresh.other_poller > 0 || self.logs.recent > 1;
        has_conflicts && self.pollers().count() <= 1 && !self.pollers().any(has_several)
    }

    /// Those that may poll for the bot: of the probable ones whatever something speaks for.
    pub fn pollers(&self) -> impl Iterator<Item = &SeenInstance> {
        self.all().filter(|seen| seen.instance.doubt.is_none_or(|doubt| !doubt.is_void()))
    }

    /// The same, to be filled in.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut SeenInstance> {
        self.instances.iter_mut().chain(&mut self.probable)
    }

    /// Sets aside what does other work than the bot, by its connections.
    pub fn dismiss_idle(&mut self) {
        let sure = std::mem::take(&mut self.instances);
        let does_other_work = |seen: &SeenInstance| {
            let with_polling = sure.iter().map(|one| (&one.instance, one.evidence.polling == Polling::Yes));
            seen.evidence.polling == Polling::No && same_bot::does_other_work(&seen.instance, with_polling)
        };
        let workers: Vec<bool> = sure.iter().map(does_other_work).collect();
        for seen in self.probable.iter_mut().filter(|seen| does_other_work(seen)) {
            seen.instance.doubt = Some(Doubt::OtherWork);
        }
        for (mut seen, is_worker) in sure.into_iter().zip(workers) {
            if is_worker {
                (seen.instance.confidence, seen.instance.doubt) = (Confidence::Probable, Some(Doubt::OtherWork));
                self.probable.push(seen);
            } else {
                self.instances.push(seen);
            }
        }
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
            is_stopped: seen.instance.is_stopped(),
            polls: seen.evidence.polling == Polling::Yes,
            is_around_us: seen.is_around_us,
            ..KeepFacts::of_origin(&seen.instance.origin)
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

    /// The subcommand that runs this COMMAND under its lock; `None` where nothing tells what COMMAND is. What another user runs
    /// is to be run by that user again, and not with our rights: anybody can give a program of theirs the look of a bot.
    pub fn acquire(&self, command: Option<&str>, other_user: Option<&str>) -> Option<String> {
        Some(run_by(other_user, format!("{} -- {}", self.solobot("acquire")?, command?)))
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
        let lost = origin.starter().into_owned().left_behind_by;
        let lost = lost.map_or_else(String::new, |by| format!(" (left behind by {})", by.manager));
        let polling = match seen.evidence.polling {
            Polling::Yes => ", connected to Telegram",
            Polling::No => ", not connected to Telegram",
            Polling::Unknown(_) => "",
        };
        format!(
            "PID {}, user {}, for {age}, origin {origin}{lost}{lock}{polling}{stopped}{doubt}: {}",
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
