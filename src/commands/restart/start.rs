//! Starting again what solobot stops: the command line, folder, user and environment, read from the running process.
//!
//! Invariant: everything is read, and judged, before anything is stopped. The environment goes from the old process to the new one
//! and nowhere else; a command line with a token in it is refused, because solobot would repeat it in its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command as ChildCommand, Stdio};

use serde_json::Value;

use super::error::Error as RestartError;
use crate::base::env;
use crate::base::error::Error;
use crate::base::secret::mask;
use crate::base::shell;
use crate::cli::{Acquire, Cli, Command, IfHeld};
use crate::platform::advice;
use crate::platform::daemon::HAS_BACKGROUND;
use crate::platform::identity::{Identity, own_pid};
use crate::platform::proc::{self, Handle};
use crate::platform::user;
use crate::platform::words::{names_folder, os_str};
use crate::process::argv;
use crate::process::details::{background_log, command_line};
use crate::process::program::Program;
use crate::settings::Bot;

/// What solobot and systemd put into an environment for one start only.
const OF_ONE_START: [&str; 11] = [
    env::LOCK,
    env::HOLDER_PID,
    env::LOCK_FD,
    env::GENERATION,
    env::POLLING,
    env::BACKGROUND,
    env::BACKGROUND_LOG,
    env::NOTIFY_SOCKET,
    env::SYSTEMD_EXEC_PID,
    env::WATCHDOG[0],
    env::WATCHDOG[1],
];

/// A bot's start in the background.
pub struct BotStart {
    /// Behind `solobot`.
    words: Vec<OsString>,
    pub folder: PathBuf,
    environment: BTreeMap<OsString, OsString>,
    pub user: String,
}

/// Why a process cannot be started again, and what to do.
pub struct NoStart {
    pub why: String,
    pub hints: Vec<String>,
}

impl NoStart {
    pub fn new(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { why: why.into(), hints: vec![hint.into()] }
    }
}

/// The bot that was started, as its solobot tells.
pub struct BotStarted {
    pub log: Option<PathBuf>,
}

impl BotStart {
    /// The start of a bot that runs under a solobot: that one's own line, in the background.
    ///
    /// # Errors
    /// It cannot be read, or cannot be run in the background.
    pub fn of_solobot(solobot: Identity, typed: &str) -> Result<Self, NoStart> {
        let (handle, user) = open(solobot, typed)?;
        let line: Vec<OsString> = line_of(&handle)?;
        let no_acquire = || {
            let why = format!("its solobot, PID {}, does not show the line that it was started with", solobot.pid);
            NoStart::new(why, by_hand(typed))
        };
        let Ok(Cli { command: Command::Acquire(acquire), .. }) = Cli::of_args(&line) else { return Err(no_acquire()) };
        if let Some(option) = foreground_option(&acquire) {
            let why = format!("its solobot runs with `{option}`, which does not work in the background");
            return Err(NoStart::new(why, by_hand(typed)));
        }
        let mut words = repeated(line);
        let at = words.iter().position(|word| word == "acquire").ok_or_else(no_acquire)?;
        if !acquire.detach {
            words.insert(at + 1, "--detach".into());
        }
        if acquire.log.is_none()
            && let Some(log) = background_log(solobot.pid)
        {
            words.insert(at + 1, log.into());
            words.insert(at + 1, "--log".into());
        }
        let start = Self {
            words,
            folder: folder_of(&handle, typed)?,
            environment: environment_of(&handle, None, typed)?,
            user,
        };
        start.checked(typed)
    }

    /// The start of a bot that runs without a solobot: its own line, under one.
    ///
    /// # Errors
    /// It cannot be read, or what it names no longer exists.
    pub fn of_bot(
        process: Identity,
        bot: &Bot,
        config: Option<&Path>,
        program: Option<&Program>,
    ) -> Result<Self, NoStart> {
        let typed = bot.typed();
        let (handle, user) = open(process, &typed)?;
        let title = || {
            let why = "it shows a title in the place of its command line";
            NoStart::new(why, by_hand(&typed))
        };
        let command = argv::as_typed(&line_of(&handle)?, handle.exe().as_deref()).ok_or_else(title)?;
        if let Some(missing) = program.and_then(Program::missing) {
            return Err(NoStart::new(format!("{} no longer exists", missing.display()), by_hand(&typed)));
        }
        let (folder, environment) =
            (folder_of(&handle, &typed)?, environment_of(&handle, bot.skip_env.as_deref(), &typed)?);
        if !is_found(&command[0], &folder, environment.get(os_str(b"PATH"))) {
            let why = format!("`{}` no longer exists", command[0].display());
            return Err(NoStart::new(why, by_hand(&typed)));
        }
        // Its folder may find another file, or none.
        let config = config.filter(|_| bot.configured).map(|file| ["-c".into(), file.as_os_str().to_owned()]);
        let named: Vec<OsString> = if bot.configured {
            vec![bot.name.clone().into()]
        } else {
            shell::split(&typed).unwrap_or_default().into_iter().map(OsString::from).collect()
        };
        let head = config.into_iter().flatten().chain(["acquire".into(), "--detach".into()]);
        let words = head.chain(named).chain(["--".into()]).chain(command).collect();
        Self { words, folder, environment, user }.checked(&typed)
    }

    fn checked(self, typed: &str) -> Result<Self, NoStart> {
        if self.words.iter().any(|word| mask(&word.to_string_lossy()) != word.to_string_lossy()) {
            let why = "there is a token in its command line, which every user of this host can read";
            return Err(NoStart::new(why, by_hand(typed)));
        }
        if Cli::of_args(&self.line()).is_err() {
            return Err(NoStart::new(format!("solobot does not understand `{}`", self.shown()), by_hand(typed)));
        }
        Ok(self)
    }

    /// As it can be typed, in its folder and with its environment.
    pub fn shown(&self) -> String {
        command_line(&self.line())
    }

    fn line(&self) -> Vec<OsString> {
        std::iter::once("solobot".into()).chain(self.words.iter().cloned()).collect()
    }

    /// Starts it, and waits until it runs or has ended.
    ///
    /// # Errors
    /// It did not start.
    pub fn run(&self, bot: &Bot) -> Result<BotStarted, Error> {
        let failed = |source| Error::Io { action: format!("start {}", self.shown()), source };
        let typed = bot.typed();
        let program = std::env::current_exe().map_err(failed)?;
        let output = ChildCommand::new(program)
            .arg("--json")
            .args(&self.words)
            .current_dir(&self.folder)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(failed)?;
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if output.status.success() && told["acquired"] == Value::Bool(true) {
            return Ok(BotStarted { log: told["background"]["log"].as_str().map(PathBuf::from) });
        }
        let why = told["error"]["message"].as_str().map_or_else(|| output.status.to_string(), str::to_owned);
        let hint = format!("to start it, in {}: {}", self.folder.display(), self.shown());
        let look = format!("to see what is running: solobot status {typed}");
        Err(RestartError::NotStarted { bot: bot.name.clone(), why, hints: vec![hint, look] }.into())
    }
}

fn by_hand(typed: &str) -> String {
    format!("to stop it, and start it by hand: solobot stop {typed}")
}

/// An option that `--detach` excludes.
fn foreground_option(acquire: &Acquire) -> Option<&'static str> {
    let all = [
        (acquire.no_fork, "-F"),
        (acquire.pid.is_some(), "--pid"),
        (acquire.fd.is_some(), "--fd"),
        (acquire.if_held == IfHeld::Run, "--if-held run"),
    ];
    all.into_iter().find_map(|(is_set, option)| is_set.then_some(option))
}

/// Solobot's own words behind its name, without `--takeover`: whoever comes in between is not to be stopped; and without what
/// is said again.
fn repeated(line: Vec<OsString>) -> Vec<OsString> {
    let dashes = line.iter().position(|word| word == "--").unwrap_or(line.len());
    let is_dropped = |word: &OsString| word == "--json" || word.as_encoded_bytes().starts_with(b"--takeover");
    let kept = line.into_iter().enumerate().filter(|(at, word)| *at > 0 && !(*at < dashes && is_dropped(word)));
    kept.map(|(_, word)| word).collect()
}

fn open(process: Identity, typed: &str) -> Result<(Handle, String), NoStart> {
    if !HAS_BACKGROUND {
        return Err(NoStart::new("solobot cannot start a bot in the background on Windows yet", by_hand(typed)));
    }
    let handle = Handle::open(process.pid).filter(|_| process.is_alive());
    let Some(handle) = handle else { return Err(NoStart::new("it has just ended", by_hand(typed))) };
    let Some(owner) = proc::owner(process.pid) else { return Err(NoStart::new("its user is unknown", by_hand(typed))) };
    let name = user::name(owner);
    if owner != user::effective_uid() {
        let hint = advice::as_user("to restart it as that user", &name, &format!("solobot restart {typed}"));
        return Err(NoStart::new(format!("it belongs to {name}, as whom it has to be started"), hint));
    }
    if handle.root_id() != Handle::open(own_pid()).and_then(|own| own.root_id()) {
        return Err(NoStart::new("it runs in another root folder (a container, or chroot)", by_hand(typed)));
    }
    Ok((handle, name))
}

/// Word for word.
fn line_of(handle: &Handle) -> Result<Vec<OsString>, NoStart> {
    let line = handle.cmdline().ok().filter(|line| !line.is_empty());
    let Some(line) = line else {
        return Err(NoStart::new("its command line cannot be read", "to look at it: solobot status"));
    };
    let line = line.strip_suffix(b"\0").unwrap_or(&line);
    Ok(line.split(|&byte| byte == 0).map(|word| os_str(word).to_owned()).collect())
}

fn folder_of(handle: &Handle, typed: &str) -> Result<PathBuf, NoStart> {
    match handle.cwd() {
        Some(folder) if folder.is_dir() => Ok(folder),
        Some(folder) => Err(NoStart::new(format!("its folder {} no longer exists", folder.display()), by_hand(typed))),
        None => Err(NoStart::new("its folder cannot be read", by_hand(typed))),
    }
}

/// The environment that it was started with. A process that gives itself a title may have written that over it.
fn environment_of(
    handle: &Handle,
    skip_env: Option<&str>,
    typed: &str,
) -> Result<BTreeMap<OsString, OsString>, NoStart> {
    let unreadable = || NoStart::new("its environment cannot be read", by_hand(typed));
    let bytes = handle.environ().map_err(|_| unreadable())?;
    let entries = bytes.split(|&byte| byte == 0).filter(|entry| !entry.is_empty());
    let pair = |entry: &[u8]| {
        let at = entry.iter().position(|&byte| byte == b'=').filter(|&at| at > 0)?;
        Some((os_str(&entry[..at]).to_owned(), os_str(&entry[at + 1..]).to_owned()))
    };
    let all: Option<BTreeMap<OsString, OsString>> = entries.map(pair).collect();
    let mut all = all.filter(|all| !all.is_empty()).ok_or_else(unreadable)?;
    // Of one whose own solobot has died.
    let skips = skip_env.filter(|_| all.contains_key(os_str(env::HOLDER_PID.as_bytes())));
    for name in OF_ONE_START.into_iter().chain(skips) {
        all.remove(os_str(name.as_bytes()));
    }
    Ok(all)
}

/// Whether a program is there, as `execvp(3)` would look for it.
fn is_found(program: &OsString, folder: &Path, path: Option<&OsString>) -> bool {
    if names_folder(program.as_encoded_bytes()) {
        return folder.join(program).exists();
    }
    let path = path.cloned().unwrap_or_else(|| "/bin:/usr/bin".into());
    std::env::split_paths(&path).any(|place| folder.join(place).join(program).is_file())
}
