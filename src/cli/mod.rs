//! The command line: clap types, and what to say about a line that cannot be parsed.
//!
//! The doc comments of the types are the help and the manual; [`examples`] are the end of both. [`crate::settings`]
//! decides what the options mean together with the environment and solobot.toml. Only a tip for a mistaken line looks
//! at the disk: whether a word is a file.

#![expect(clippy::doc_markdown, reason = "doc comments are the help: back quotes would be printed")]

pub mod again;
mod clear;
mod complaint;
pub mod examples;
mod global;
mod hold;
mod look;
mod select;
mod setup;
mod tips;
mod typed;
mod usage;

use std::ffi::OsString;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use self::clear::{CleanStale, DeleteWebhook, KillDuplicates, RestartArgs, Stop, Stopping};
pub use self::global::{Color, Global, HelpFlags};
pub use self::hold::{Acquire, GuardianArgs, Hold, IfHeld, Keeper, Release, Restart, Takeover};
pub use self::look::{Check, Conflicts, Doctor, GroupBy, Lease, Metrics, Status};
pub use self::select::{Api, LeaseArgs, Selection};
pub use self::setup::{Completions, Init, Shell};
pub use self::usage::{Usage, Wrong};
pub use clap::builder::StyledStr;
pub use clap::{Arg, ValueHint};

/// Colours of clap's own messages; `--color` and `NO_COLOR` still decide whether they are used.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Makes sure that exactly one instance of a Telegram bot polls
///
/// Telegram serves one getUpdates poll per bot token. A second poller ends the first one's poll with "409 Conflict", and
/// the first one's retry ends the second one's: updates are lost or late. solobot holds a lock while the bot runs, finds
/// its instances, says what started each, stops the surplus ones, and explains the conflicts that remain.
#[derive(Debug, Parser)]
#[command(name = "solobot", version, styles = STYLES, max_term_width = 100, propagate_version = true)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = false)]
#[command(disable_help_flag = true, disable_version_flag = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(flatten)]
    pub answered: HelpFlags,
    #[command(subcommand)]
    pub command: Command,
}

/// `acquire` alone, as a command without subcommands, for speed: building the options of all subcommands takes longer than
/// taking a lock. If it cannot parse a line (help and version included), the whole command line does.
#[derive(Debug, Parser)]
#[command(name = "acquire", disable_help_flag = true, disable_version_flag = true)]
struct AcquireCli {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    acquire: Acquire,
}

impl Cli {
    /// Parses the command line.
    ///
    /// # Errors
    /// What to print instead, help and version included.
    pub fn of_args(args: &[OsString]) -> Result<Self, Usage> {
        if args.get(1).is_some_and(|word| word == "acquire")
            && let Ok(AcquireCli { global, acquire }) = AcquireCli::try_parse_from(&args[1..])
        {
            let answered = HelpFlags { help: None, version: None };
            return Ok(Self { global, answered, command: Command::Acquire(acquire) });
        }
        let mut command = command();
        let parsed = command.try_get_matches_from_mut(args);
        let parsed = parsed.and_then(|mut matches| Self::from_arg_matches_mut(&mut matches));
        parsed.map_err(|error| Usage::new(&error, args, &mut command))
    }
}

/// The whole command line. Each help ends with examples and with where to read more.
pub fn command() -> clap::Command {
    let with_ends = |command: clap::Command, name: &str, path: &str| {
        command.after_help(examples::short(name, path)).after_long_help(examples::long(name, path))
    };
    let mut command = with_ends(Cli::command(), "", "solobot");
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(&name, |one| with_ends(one, &name, &format!("solobot {name}")));
    }
    command
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show instances, lock and origin of each bot
    ///
    /// Prints a table for each bot: every instance with its PID, age and user, what started it, whether it is connected
    /// to Telegram, and whether it holds the lock. Without a configuration it shows everything on this machine that looks
    /// like a bot. The exit code is 0 unless it cannot look.
    Status(Status),
    /// Take the lock and run COMMAND, so that only one instance runs
    ///
    /// If another process holds the lock, solobot says which one and waits. It also waits for instances that run without
    /// the lock. Then it runs COMMAND, and holds the lock until COMMAND and every descendant that runs the same program have
    /// ended. It passes signals on to COMMAND, and ends with COMMAND's exit code. Without COMMAND it runs the bot's command
    /// from solobot.toml.
    Acquire(Acquire),
    /// Release a lock held for another process
    ///
    /// Releases what `acquire --pid` or `acquire --fd` took. A lock that a bot holds is not released: use `solobot stop`
    /// for that. It is not an error if there is nothing to release.
    Release(Release),
    /// Stop every instance of a bot except one
    ///
    /// Prints what it will keep and what it will stop, and why. On a terminal it asks first. It sends TERM, waits, and
    /// kills what is left. An instance that a manager would start again is not stopped: the manager's own command is
    /// printed instead.
    KillDuplicates(KillDuplicates),
    /// Stop every instance of a bot
    ///
    /// Prints what it will stop, and why. On a terminal it asks first. It sends TERM, waits, and kills what is left. An
    /// instance that a manager would start again is not stopped: the manager's own command is printed instead. The same as
    /// kill-duplicates --keep none.
    Stop(Stop),
    /// Restart a bot, by whatever runs it
    ///
    /// If a manager runs the bot, it runs the manager's own command: systemctl restart, pm2 restart, docker restart, or the
    /// like. Otherwise it stops the bot and starts it again in the background, under its lock, with the same command line,
    /// folder, user and environment. These are read before anything is stopped: a bot that nobody can start again is not
    /// stopped.
    #[command(name = "restart")]
    Restart(RestartArgs),
    /// Clear what dead processes left: lock text and owner record
    ///
    /// It never touches a lock that is held, or a file that is not a lock. The lock file itself stays, because removing
    /// it can make room for a second holder. --remove removes it if no process has it open.
    CleanStale(CleanStale),
    /// Delete the webhook that keeps a bot from polling
    ///
    /// Asks Telegram whether a webhook is set, deletes it if so, and asks again to make sure. Updates that are waiting at
    /// Telegram are kept.
    DeleteWebhook(DeleteWebhook),
    /// Is it safe to start? For scripts, cron and systemd
    ///
    /// Prints one line for each bot. The exit code is 0 for yes, 1 for no, and another one if it cannot tell. --running
    /// asks instead: is exactly one instance running, under its lock, and connected to Telegram?
    Check(Check),
    /// Say why there are conflicts, and what to do
    ///
    /// Looks at processes, locks, managers and this machine's settings, and prints findings, each with a code, its
    /// evidence and the command that fixes it. Without a configuration it looks at everything on this machine that looks
    /// like a bot. Exits with 1 if one of the findings is an error.
    Doctor(Doctor),
    /// Count conflict and network errors in logs, per day
    ///
    /// Reads logs of any size, rotated and compressed ones too, and tells the errors of a second poller from those of a
    /// webhook, a rate limit or the network.
    Conflicts(Conflicts),
    /// Print OpenMetrics text for node_exporter's textfile collector
    ///
    /// Prints the number of instances, the state of the lock, who waits for it, the errors of the last 24 hours, and what
    /// solobot has done.
    Metrics(Metrics),
    /// Show who holds a bot's lease, on whatever host
    ///
    /// Prints what stands on the engine for each bot with a lease: which host holds it, since when, and for how long. An
    /// acquire on this host also says how much of the grant is left. One look cannot tell whether another host is alive:
    /// look again after a sixth of the TTL, and see whether the number of the renewal has changed. The exit code is 0, or
    /// 69 if an engine cannot be reached.
    Lease(Lease),
    /// Write solobot.toml from what is running here
    ///
    /// Looks for tokens, connections to Telegram, scripts, systemd units and existing lock files, and writes a commented
    /// solobot.toml into the current folder, or to the file given with --config. In a project's folder it writes only the
    /// bots of that project. It never writes a token, only where the token comes from, and overwrites a file only with
    /// --force.
    Init(Init),
    /// Print the script that lets a shell complete solobot's command lines
    #[command(hide = true)]
    Completions(Completions),
    /// Hold a lock for another process (started by `acquire --pid`)
    #[command(hide = true)]
    Keeper(Keeper),
    /// Stop a bot when its lease can no longer be proved (started by `acquire --lease`)
    #[command(hide = true)]
    Guardian(GuardianArgs),
    /// Hold a lock for another host (started by ssh, for a lease ssh://USER@HOST/PATH)
    #[command(hide = true)]
    Hold(Hold),
}
