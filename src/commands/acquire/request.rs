//! What the command line asks for: the bot, how long its lock is held, and the times.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::background::Background;
use super::error::Error as AcquireError;
use super::service::UnitNotifier;
use crate::alert::{AlertedBot, Alerts};
use crate::base::duration::Limit;
use crate::base::error::{self, Error};
use crate::base::exit::Exit;
use crate::base::shell;
use crate::cli;
use crate::journal::Journal;
use crate::journal::lock_journal::LockJournal;
use crate::lock::file::LockFile;
use crate::lock::holders;
use crate::lock::wait::LockPlace;
use crate::outcome::sentence::shortened;
use crate::platform::advice::{PYTHON, SHELLS_PID, UNLESS_75};
use crate::platform::descriptor::SHELLS_PASS_THEM;
use crate::platform::filesystem::FileId;
use crate::platform::identity::{self, Identity, Stat};
use crate::platform::pidfd::Pidfd;
use crate::platform::spawn::CAN_REPLACE;
use crate::process::details;
use crate::process::launch::command_for;
use crate::settings::{self, Bot, Settings};

/// Everything `acquire` was asked, settled.
pub struct Request<'a> {
    pub bot: Bot,
    pub mode: Mode,
    pub wait: Limit,
    pub grace: Duration,
    pub conflict_exit: Exit,
    pub args: &'a cli::Acquire,
    pub settings: &'a Settings,
    /// What the journal is told.
    pub lock_journal: LockJournal,
    /// What is run when something happens to the bot, until COMMAND takes it along.
    pub alerts: RefCell<Option<Alerts>>,
    /// What systemd is told.
    pub service: UnitNotifier,
    /// This solobot was started by another one, to go on in the background; until COMMAND takes it along.
    pub background: RefCell<Option<Background>>,
}

impl Request<'_> {
    pub fn place(&self) -> LockPlace<'_> {
        match self.mode {
            Mode::Descriptor(fd) => LockPlace::Descriptor(fd),
            Mode::Run | Mode::Become | Mode::Keep(_) => LockPlace::Path(&self.bot.lock),
        }
    }

    /// Where COMMAND is started: one of the file in its bot's folder, one that was typed where it was typed.
    pub fn folder(&self) -> &Path {
        if self.args.command.is_empty() { &self.bot.dir } else { &self.settings.context().cwd }
    }

    /// Whether BOT or flags say what the bot's program is, rather than COMMAND.
    pub fn names_program(&self) -> bool {
        let selection = &self.args.selection;
        self.bot.configured || selection.program.is_some() || selection.module.is_some()
    }

    pub fn command(&self) -> &[OsString] {
        self.bot.command.as_deref().unwrap_or_default()
    }

    /// For alerts.
    pub fn alerted(&self) -> AlertedBot<'_> {
        AlertedBot { name: &self.bot.name, lock: &self.bot.lock }
    }

    /// It in a message.
    pub fn shown_command(&self) -> String {
        shortened(&details::command_line(self.command()))
    }
}

/// Until when the lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// COMMAND and every descendant that runs its program have ended.
    Run,
    /// COMMAND replaces solobot and inherits the descriptor.
    Become,
    /// The shell that opened this descriptor closes it.
    Descriptor(i32),
    /// This process ends.
    Keep(Identity),
}

impl Mode {
    /// Whose PID goes into the text, and who holds the lock, while it has just been taken.
    pub fn recorded(self, lock: &LockFile) -> Result<(Identity, Identity), Error> {
        let own = own()?;
        Ok(match self {
            Self::Run | Self::Become | Self::Keep(_) => (own, own),
            Self::Descriptor(_) => {
                let sharer = sharer(lock, own);
                (sharer, sharer)
            }
        })
    }
}

/// The shell whose descriptor it is: our parent if it shares the lock, else the lowest PID that does.
fn sharer(lock: &LockFile, own: Identity) -> Identity {
    let parent = Stat::read(own.pid).and_then(|stat| Identity::of(stat.parent));
    if let Some(parent) = parent.filter(|parent| holders::shares(lock, parent.pid)) {
        return parent;
    }
    let all = holders::all_sharers(lock).unwrap_or_default();
    all.into_iter().find(|sharer| *sharer != own).unwrap_or(own)
}

/// Settles what was asked: the bot, the mode, the times.
///
/// # Errors
/// Wrong usage: no mode, two modes, modes that exclude each other, a PID that cannot be kept.
pub fn settle<'a>(args: &'a cli::Acquire, global: &cli::Global, settings: &'a Settings) -> Result<Request<'a>, Error> {
    refuse_impossible(args)?;
    refuse_misplaced(args, settings)?;
    refuse_contradictions(args)?;
    let mut bot = bot_of(args, settings)?;
    if let Some(url) = &args.api.api_url {
        bot.set_api_url(url)?;
    }
    bot.set_lease(&args.lease, settings.context())?;
    bot.trust_for_lease(args.api.ca_file.as_deref());
    // What a lease leaves room for is judged by the grace that counts.
    bot.grace = args.grace.unwrap_or(bot.grace);
    let mode = mode_of(args, &bot)?;
    refuse_mode(args, global, &bot, mode)?;
    let grace = bot.grace;
    // Where no solobot stays, nobody could run them; a COMMAND that the file does not know is no bot of it.
    let has_alerts = mode == Mode::Run && bot.configured;
    let alerts = if has_alerts { Alerts::prepare(settings)? } else { None };
    Ok(Request {
        wait: if args.nonblock { Limit::For(Duration::ZERO) } else { args.wait.unwrap_or(bot.wait) },
        grace,
        conflict_exit: args.conflict_exit_code.map_or(Exit::Held, |code| Exit::Code(code.into())),
        lock_journal: LockJournal::new(Journal::at(settings.journal()), &bot.name, &bot.lock),
        bot,
        mode,
        args,
        settings,
        alerts: RefCell::new(alerts),
        service: UnitNotifier::of_process(mode == Mode::Run, grace),
        background: RefCell::default(),
    })
}

/// What this platform has nothing like.
fn refuse_impossible(args: &cli::Acquire) -> Result<(), Error> {
    if args.no_fork && !CAN_REPLACE {
        return Err(Error::usage(
            "`-F` does not exist on Windows, where no program can replace another one",
            "to run it as a child of solobot: solobot acquire -- COMMAND",
        ));
    }
    if args.fd.is_some() && !SHELLS_PASS_THEM {
        return Err(Error::usage(
            "`--fd` does not exist on Windows, where no shell passes a descriptor on",
            "to hold the lock while a PowerShell script runs: solobot acquire --pid $PID",
        ));
    }
    Ok(())
}

fn refuse_contradictions(args: &cli::Acquire) -> Result<(), Error> {
    if args.fd.is_none() && args.pid.is_none() {
        return Ok(());
    }
    if !args.command.is_empty() {
        return Err(Error::usage(
            "`--fd` and `--pid` cannot be used with a COMMAND",
            format!("to hold the lock while a script runs it: solobot acquire --pid {SHELLS_PID}"),
        ));
    }
    if args.if_held == cli::IfHeld::Run {
        return Err(Error::usage(
            "`--if-held run` needs a COMMAND, and `--fd` and `--pid` take none",
            format!("to go on without the lock in a script: solobot acquire --pid {SHELLS_PID}{UNLESS_75}"),
        ));
    }
    Ok(())
}

fn bot_of(args: &cli::Acquire, settings: &Settings) -> Result<Bot, Error> {
    let is_named = args.bot.is_some() || args.selection.lock.is_some();
    let select = || match settings.select_for_command(&args.selection, args.bot.as_deref(), &args.command) {
        Err(settings::Error::NothingNamed) => Err(nothing_named(args.pid.is_some())),
        selected => Ok(selected?),
    };
    match args.fd {
        Some(fd) if is_named => select().and_then(|bot| of_the_same_file(fd, bot, args)),
        Some(fd) => bot_of_descriptor(args, settings, fd),
        None => select(),
    }
}

fn mode_of(args: &cli::Acquire, bot: &Bot) -> Result<Mode, Error> {
    Ok(match (args.fd, args.pid) {
        (Some(fd), _) => Mode::Descriptor(fd),
        (None, Some(pid)) => Mode::Keep(to_be_kept(pid)?),
        (None, None) if bot.command.is_none() => return Err(no_mode(bot)),
        (None, None) if args.no_fork => Mode::Become,
        (None, None) => Mode::Run,
    })
}

/// What does not go together with the mode.
fn refuse_mode(args: &cli::Acquire, global: &cli::Global, bot: &Bot, mode: Mode) -> Result<(), Error> {
    let locks_itself = bot.locks_itself || args.handover;
    if locks_itself && (args.restart.is_some() || mode == Mode::Become) {
        let option = if mode == Mode::Become { "-F" } else { "--restart" };
        return Err(Error::usage(
            format!("`{option}` cannot be used with a bot that takes this lock itself (`--handover`, `locks_itself`)"),
            "to let systemd restart it, with Restart=always: ExecStart=solobot acquire --handover --wait forever -- COMMAND",
        ));
    }
    if bot.lease.is_some() && mode != Mode::Run {
        let option = match mode {
            Mode::Become => "-F",
            Mode::Descriptor(_) => "--fd",
            Mode::Run | Mode::Keep(_) => "--pid",
        };
        return Err(Error::usage(
            format!(
                "`{option}` cannot be used with a lease: solobot has to stay, to renew it and to stop the bot if it is lost"
            ),
            "to run the bot under its lease: solobot acquire … -- COMMAND",
        ));
    }
    if global.json && matches!(mode, Mode::Run | Mode::Become) && !args.detach {
        return Err(Error::usage(
            "`--json` cannot be used with a COMMAND, because stdout is for the COMMAND",
            "to see the bot as JSON, in another terminal: solobot status --json",
        ));
    }
    Ok(())
}

/// Words that are nearly right: a command without `--`, flock's `-c`, an optional value without `=`.
fn refuse_misplaced(args: &cli::Acquire, settings: &Settings) -> Result<(), Error> {
    let Some(bot) = args.bot.as_deref() else { return Ok(()) };
    if settings.knows(bot) {
        return Ok(());
    }
    if args.takeover.is_some() && (bot == "orphan" || bot == "any") {
        return Err(Error::usage(
            format!("`{bot}` was read as the name of a bot"),
            format!("to take over from an orphan only: solobot acquire --takeover={bot}"),
        ));
    }
    let has_mode = !args.command.is_empty() || args.fd.is_some() || args.pid.is_some();
    if !has_mode && settings.context().cwd.join(bot).is_file() {
        let script = shell::quote(bot).into_owned();
        let command = shell::join(command_for(&[bot.to_owned()]));
        return Err(Error::Usage {
            message: format!("`{bot}` is a file, not the name of a bot"),
            hints: vec![
                format!("to run it under the lock: solobot acquire -- {command}"),
                format!("to run another program that starts it: solobot acquire -m {script} -- COMMAND"),
            ],
        });
    }
    Ok(())
}

/// `acquire --fd N` alone names its lock by the descriptor.
fn bot_of_descriptor(args: &cli::Acquire, settings: &Settings, fd: i32) -> Result<Bot, Error> {
    let lock = LockFile::from_fd(fd, args.selection.allow_network_fs)?;
    let selection = cli::Selection { lock: Some(lock.path().to_owned()), ..args.selection.clone() };
    Ok(settings.select_for_command(&selection, None, &[])?)
}

/// The bot that was named, if the descriptor is open on its lock: else that one would be left free.
fn of_the_same_file(fd: i32, bot: Bot, args: &cli::Acquire) -> Result<Bot, Error> {
    let open = LockFile::from_fd(fd, args.selection.allow_network_fs).map_err(|error| error.for_lock(&bot.lock))?;
    if FileId::of(&bot.lock) == Some(open.inode()) {
        return Ok(bot);
    }
    let lock = error::typed(&bot.lock);
    Err(Error::usage(
        format!("descriptor {fd} is open on `{}`, but the lock is `{}`", open.path().display(), bot.lock.display()),
        format!("to open the lock: exec {fd}<>{lock}; solobot acquire --fd {fd}"),
    ))
}

fn to_be_kept(pid: i32) -> Result<Identity, Error> {
    if pid <= 1 {
        return Err(Error::usage(
            format!("`--pid {pid}`: the PID must be above 1"),
            format!("to hold the lock for the calling shell: solobot acquire --pid {SHELLS_PID}"),
        ));
    }
    // A thread has a folder in /proc too, but nobody could wait for its end.
    let is_process = |target: &Identity| Pidfd::open(*target).is_ok_and(|pidfd| pidfd.is_some());
    Identity::of(pid).filter(is_process).ok_or_else(|| AcquireError::TargetGone { pid }.into())
}

fn no_mode(bot: &Bot) -> Error {
    let typed = bot.typed();
    Error::Usage {
        message: "acquire does not know how long to hold the lock".into(),
        hints: [
            Some(format!("to hold it while a command runs: solobot acquire {typed} -- COMMAND")),
            CAN_REPLACE.then(|| format!("to replace solobot with the command: solobot acquire -F {typed} -- COMMAND")),
            Some(format!("to hold it while a shell script runs: solobot acquire {typed} --pid {SHELLS_PID}")),
            SHELLS_PASS_THEM
                .then(|| "to hold it while a descriptor is open: exec 9<>PATH; solobot acquire --fd 9".into()),
        ]
        .into_iter()
        .flatten()
        .collect(),
    }
}

/// Neither BOT nor flags that name one, and nothing behind `--`.
fn nothing_named(has_pid: bool) -> Error {
    if has_pid {
        return Error::Usage {
            message: "which bot? no option names it, and no solobot.toml has one".into(),
            hints: vec![
                "to name its program: solobot acquire -m main.py …".into(),
                "to name its lock: solobot acquire --lock PATH …".into(),
            ],
        };
    }
    Error::Usage {
        message: "acquire has no COMMAND to run, and no solobot.toml names a bot".into(),
        hints: [
            Some(format!("to run a bot, write its command line after two dashes: solobot acquire -- {PYTHON} main.py")),
            Some(format!("to hold the lock while a shell script runs: solobot acquire -m main.py --pid {SHELLS_PID}")),
            SHELLS_PASS_THEM
                .then(|| "to hold a lock while a descriptor is open: exec 9<>PATH; solobot acquire --fd 9".into()),
            Some("to write a solobot.toml: solobot init".into()),
        ]
        .into_iter()
        .flatten()
        .collect(),
    }
}

/// The identity of this process, which exists.
pub fn own() -> Result<Identity, Error> {
    Identity::own().map_err(|source| Error::Io { action: format!("read {}/stat", identity::OWN_FOLDER), source })
}
