//! What a subcommand has to say while it is still working.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::holding::Holding;
use super::kill_duplicates::PlanView;
use super::lease_notice::{LeaseName, LeaseNotice};
use super::process::{ProcessView, UnlockedProcess};
use super::status::StatusOutcome;
use crate::base::duration::Limit;
use crate::lock::held::Incident;
use crate::settings::ExplainedSetting;
use crate::telegram::errors;

/// Something to say on stderr.
#[derive(Debug, Clone)]
pub enum Notice {
    /// Not as it should be, but solobot goes on.
    Warning(String),
    /// What was settled, and where each setting came from; for `-v`.
    Settings {
        /// The configuration file that counts.
        file: Option<PathBuf>,
        /// Every setting of every bot.
        all: Vec<ExplainedSetting>,
    },
    /// The lock is refused, and solobot waits.
    Refused {
        holding: Box<Holding>,
        /// How long it waits.
        wait: Limit,
    },
    /// Still waiting, this long already.
    Waiting {
        what: Awaited,
        /// Since the refusal.
        elapsed: Duration,
        /// How long it waits in all.
        wait: Limit,
    },
    /// The wait is over, and the lock is held.
    Granted {
        /// After this long.
        elapsed: Duration,
    },
    /// Instances run without the lock, or hold one that has been removed.
    Unlocked {
        instances: Vec<UnlockedProcess>,
        /// How long solobot waits for them.
        wait: Limit,
    },
    /// A holder is about to be stopped.
    TakingOver(Vec<ProcessView>),
    /// What is about to be done, before the question whether it may be.
    Plan(Vec<PlanView>),
    /// What `stop` and `kill-duplicates` are at just now.
    Passing(Activity),
    /// Something happened to the held lock.
    Incident { lock: PathBuf, incident: Incident },
    /// Starts are watched: something may start the bot again and again.
    Watching {
        bot: String,
        /// How long that takes at most.
        span: Duration,
        /// What suggests it.
        why: String,
    },
    /// The operator is to send the bot a message.
    MessageWanted {
        /// Its name at Telegram.
        bot: String,
        within: Duration,
    },
    /// Telegram could not be asked, and will be asked again.
    Retrying {
        /// Why it could not.
        why: String,
        after: Duration,
    },
    /// The bot's webhook was removed before COMMAND starts.
    WebhookRemoved {
        /// Where updates were sent.
        url: String,
        /// How many wait for the bot now.
        pending: u64,
    },
    /// COMMAND runs without the lock, as asked; `why`: whoever has it.
    PollingDisabled { command: String, why: String },
    /// The parent holds the lock for us.
    HeldForUs,
    /// Something about the bot's lease.
    Lease(LeaseName, LeaseNotice),
    /// COMMAND was to go on in the background, and ended at once.
    EndedSoon {
        command: String,
        /// How it ended.
        why: String,
        /// What it wrote to, and the last lines of that.
        log: PathBuf,
        lines: Vec<String>,
    },
    /// COMMAND has ended and will be started again.
    Restarting {
        command: String,
        /// How it ended.
        why: String,
        after: Duration,
    },
    /// Nobody names a bot's logs: those of its instances are read.
    LogsFound {
        bot: String,
        /// Its instances.
        pids: Vec<i32>,
        /// What they write to.
        logs: Vec<String>,
    },
    /// Logs are being read.
    Reading {
        /// So many bytes so far.
        done: u64,
        /// Of so many, if that is known.
        total: Option<u64>,
    },
    /// Another solobot stops COMMAND.
    AskedToEnd { command: String, by: ProcessView },
    /// COMMAND has ended, and this descendant of it is the bot, for which the lock stays held.
    PassedOn { command: String, to: ProcessView },
    /// The bot has ended, and these descendants of COMMAND run on without the lock.
    LeftRunning(Vec<ProcessView>),
    /// COMMAND has ended, and the bot runs below something that COMMAND only told to start it.
    LeftElsewhere {
        command: String,
        /// The bot.
        bot: ProcessView,
        /// What started it.
        by: Option<String>,
        /// How it is started under the lock, where its command line shows that.
        acquire: Option<String>,
    },
    /// COMMAND failed soon, and the lock file was opened meanwhile.
    PerhapsLocksItself { command: String },
    /// COMMAND failed soon, and the PID in the lock file was read meanwhile.
    PerhapsReadsPid { command: String },
}

/// What `acquire` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    Lock,
    Lease,
}

/// What takes a while, and is over soon.
#[derive(Debug, Clone, Copy)]
pub enum Activity {
    /// Instances are being stopped.
    Stopping {
        /// How many.
        count: usize,
        /// How long they have to end by themselves.
        grace: Duration,
    },
    /// A message is awaited, or watched.
    WatchingQueue {
        /// How many updates wait.
        pending: u64,
        /// Since it was asked for.
        since: Duration,
    },
    /// They have ended; solobot watches whether they are started again.
    LookingAgain {
        /// For so long still.
        left: Duration,
    },
}

/// Whoever shows notices and asks questions.
pub trait Events {
    /// Shows it.
    fn notice(&mut self, notice: &Notice);
    /// Says that Telegram could not be asked, and will be asked again.
    fn retrying(&mut self, error: &errors::Error, after: Duration) {
        self.notice(&Notice::Retrying { why: error.to_string(), after });
    }
    /// Shows what happened to a held lock.
    fn incidents(&mut self, lock: &Path, incidents: Vec<Incident>) {
        for incident in incidents {
            self.notice(&Notice::Incident { lock: lock.to_owned(), incident });
        }
    }
    /// Whether there is a terminal to ask on.
    fn can_ask(&self) -> bool;
    /// Asks on a terminal; `None` if there is nobody to ask.
    fn confirm(&mut self, question: &str) -> Option<bool>;
    /// Asks for a line of text on a terminal; `None` if there is nobody to ask, empty if nothing was typed.
    fn ask(&mut self, question: &str, proposal: Option<&str>) -> Option<String>;
    /// Shows what `status --watch` sees now; whether anybody still reads it.
    fn interim(&mut self, seen: &StatusOutcome) -> bool;
    /// Gives the terminal back before solobot stops; the next interim outcome takes it again.
    fn suspend(&mut self);
}
