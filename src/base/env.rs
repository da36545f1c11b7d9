//! Every environment variable that solobot reads or sets.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::sync::Arc;

/// Read: the configuration file, as `--config`.
pub const CONFIG: &str = "SOLOBOT_CONFIG";
/// Read: the Bot API's base URL, as `--api-url`.
pub const API_URL: &str = "SOLOBOT_API_URL";
/// Read: no colour if it is set and not empty (<https://no-color.org>).
pub const NO_COLOR: &str = "NO_COLOR";
/// Read: where a bot's token is looked for, in this order.
pub const TOKENS: [&str; 3] = ["TELEGRAM_BOT_TOKEN", "BOT_TOKEN", "TELEGRAM_TOKEN"];
/// Read by `init`, and in the bots' environment: where the URL of an engine usually stands, which can keep a lease.
pub const ENGINES: [&str; 4] = ["LEASE_URL", "DATABASE_URL", "REDIS_URL", "VALKEY_URL"];
/// Read and set: tells a bot of layout A that its parent holds the lock for it (`skip_env` names another variable).
pub const SKIP_LOCK: &str = "SKIP_TELEGRAM_LOCK";
/// The variables that name a proxy. Of each list the first one that is set counts.
#[derive(Debug)]
pub struct Proxies {
    pub https: [&'static str; 2],
    pub http: [&'static str; 2],
    pub all: [&'static str; 2],
    /// Hosts that are reached without a proxy.
    pub none: [&'static str; 2],
}
/// Read: the proxy to the Bot API.
pub const PROXIES: Proxies = Proxies {
    https: ["https_proxy", "HTTPS_PROXY"],
    http: ["http_proxy", "HTTP_PROXY"],
    all: ["all_proxy", "ALL_PROXY"],
    none: ["no_proxy", "NO_PROXY"],
};
/// Read: the kind of terminal; `dumb` has neither colour nor cursor movement.
pub const TERM: &str = "TERM";
/// Read: where programs are looked for.
pub const PATH: &str = "PATH";
/// Read: where programs keep their state; `~/.local/state` without it.
pub const XDG_STATE_HOME: &str = "XDG_STATE_HOME";
/// Read on Windows: where programs keep the configuration of a user, the state of a user on this machine, the configuration of
/// the machine.
pub const APPDATA: &str = "APPDATA";
/// See [`APPDATA`].
pub const LOCALAPPDATA: &str = "LOCALAPPDATA";
/// See [`APPDATA`].
pub const PROGRAMDATA: &str = "ProgramData";
/// Read on Windows: the home folder.
pub const USERPROFILE: &str = "USERPROFILE";
/// Read: the home folder.
pub const HOME: &str = "HOME";
/// Read, and of the bots' processes too: where programs have locks of their own (`lock::layouts`).
pub const TELEGRAM_STATE_DIR: &str = "TELEGRAM_STATE_DIR";
/// See [`TELEGRAM_STATE_DIR`].
pub const CLAUDE_CONFIG_DIR: &str = "CLAUDE_CONFIG_DIR";
/// See [`TELEGRAM_STATE_DIR`].
pub const HERMES_GATEWAY_LOCK_DIR: &str = "HERMES_GATEWAY_LOCK_DIR";
/// See [`TELEGRAM_STATE_DIR`].
pub const OPENCLAW_STATE_DIR: &str = "OPENCLAW_STATE_DIR";
/// See [`TELEGRAM_STATE_DIR`].
pub const TMPDIR: &str = "TMPDIR";
/// Read: under `sudo`, the uid of the caller.
pub const SUDO_UID: &str = "SUDO_UID";
/// Read: the socket at which systemd listens to a service of `Type=notify`. A COMMAND below solobot does not get it, nor those
/// two of the watchdog.
pub const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
/// Read: how long may pass between two words that all is well, in microseconds, and for which process that counts.
pub const WATCHDOG: [&str; 2] = ["WATCHDOG_USEC", "WATCHDOG_PID"];
/// Read: the process that systemd started for a unit.
pub const SYSTEMD_EXEC_PID: &str = "SYSTEMD_EXEC_PID";
/// Set for COMMAND: the lock's absolute path.
pub const LOCK: &str = "SOLOBOT_LOCK";
/// Set for COMMAND: solobot's own PID (COMMAND's with `-F`).
pub const HOLDER_PID: &str = "SOLOBOT_HOLDER_PID";
/// Set for COMMAND: the number of the inherited descriptor that carries the lock.
pub const LOCK_FD: &str = "SOLOBOT_LOCK_FD";
/// Set for COMMAND, if it runs under a lease: the generation of the grant.
pub const GENERATION: &str = "SOLOBOT_GENERATION";
/// Set to `0` for a COMMAND that runs without the lock (`--if-held run`).
pub const POLLING: &str = "SOLOBOT_POLLING";

/// Set for a command of `[on]`: what happened.
pub const EVENT: &str = "SOLOBOT_EVENT";
/// Set for a command of `[on]`: the bot's name.
pub const BOT: &str = "SOLOBOT_BOT";
/// Set for a command of `[on]`: more of it, in a line.
pub const DETAIL: &str = "SOLOBOT_DETAIL";

/// Set for a keeper, and read by it: the lock's path, the bot's name, the journal's path.
pub const KEEPER_LOCK: &str = "SOLOBOT_KEEPER_LOCK";
/// See [`KEEPER_LOCK`].
pub const KEEPER_NAME: &str = "SOLOBOT_KEEPER_NAME";
/// See [`KEEPER_LOCK`].
pub const KEEPER_JOURNAL: &str = "SOLOBOT_KEEPER_JOURNAL";

/// Set for the solobot that `acquire --detach` leaves in the background, and read by it: the descriptor on which it reports.
pub const BACKGROUND: &str = "SOLOBOT_BACKGROUND";
/// The same, and read in its environment by whoever looks at it: its log.
pub const BACKGROUND_LOG: &str = "SOLOBOT_BACKGROUND_LOG";

/// Read: the name of the shell that asks for completions of the words after `--` (set by the files in `completions/`).
/// `clap_complete` then also reads `_CLAP_COMPLETE_INDEX`, `_CLAP_COMPLETE_COMP_TYPE`, `_CLAP_COMPLETE_SPACE` and
/// `_CLAP_IFS`, which the same files set.
pub const COMPLETE: &str = "SOLOBOT_COMPLETE";

/// A variable as the manual describes it.
#[derive(Debug, Clone, Copy)]
pub struct VarDoc {
    /// Of several names, the first that is set counts.
    pub names: &'static [&'static str],
    /// It is set for COMMAND; otherwise it is read.
    pub is_set: bool,
    pub meaning: &'static str,
}

const fn read(names: &'static [&'static str], meaning: &'static str) -> VarDoc {
    VarDoc { names, is_set: false, meaning }
}

const fn set(names: &'static [&'static str], meaning: &'static str) -> VarDoc {
    VarDoc { names, is_set: true, meaning }
}

/// Every variable above, as the manual shows it.
pub const TABLE: &[VarDoc] = &[
    read(&[CONFIG], "The configuration file, like `--config`."),
    read(&[API_URL], "The base URL of the Bot API, like `--api-url`."),
    read(&TOKENS, "The bot's token, if neither a flag nor solobot.toml says where it is."),
    read(&ENGINES, "The URL of an engine, which `init` proposes for the bot's lease."),
    read(&PROXIES.https, "The proxy for https URLs. It may be an http, https, socks4 or socks5 proxy."),
    read(&PROXIES.http, "The proxy for http URLs."),
    read(&PROXIES.all, "The proxy for both."),
    read(&PROXIES.none, "Hosts to reach without a proxy."),
    read(&[NO_COLOR], "If set and not empty: no colour, unless `--color always` is given."),
    read(&[TERM], "If `dumb`: no colour and no redrawing."),
    read(&[PATH], "The folders to look for COMMAND in."),
    read(&[XDG_STATE_HOME], "The folder of the journal and of the locks of some bots [default: ~/.local/state]."),
    read(&[HOME], "The home folder [default: what the user database says]."),
    read(&[USERPROFILE], "On Windows: the home folder."),
    read(&[APPDATA], "On Windows: the folder of your configuration, which is in its folder `solobot`."),
    read(&[LOCALAPPDATA], "On Windows: the folder of the journal, which is in its folder `solobot`."),
    read(&[PROGRAMDATA], "On Windows: the folder of the machine's configuration, which is in its folder `solobot`."),
    read(
        &[TELEGRAM_STATE_DIR],
        "The folder of the PID file of Claude Code's Telegram plugin [default: channels/telegram in CLAUDE_CONFIG_DIR].",
    ),
    read(&[CLAUDE_CONFIG_DIR], "The folder of Claude Code [default: ~/.claude]."),
    read(
        &[HERMES_GATEWAY_LOCK_DIR],
        "The folder of the locks of the Hermes gateway [default: hermes/gateway-locks in XDG_STATE_HOME].",
    ),
    read(&[TMPDIR], "The folder above that of the locks of the OpenClaw gateway [default: /tmp]."),
    read(&[OPENCLAW_STATE_DIR], "The folder of OpenClaw; newer ones have their locks below it [default: ~/.openclaw]."),
    read(&[SUDO_UID], "Under sudo: the user who called it. Subcommands that only look use that user's solobot.toml."),
    read(
        &[SKIP_LOCK],
        "If it is `1`, and an ancestor process is proved to hold the lock, `acquire` runs COMMAND without taking the lock \
         again. `skip_env` in solobot.toml names another variable.",
    ),
    read(
        &[NOTIFY_SOCKET],
        "Set by systemd for a unit with `Type=notify`: `acquire` says there that it waits, that COMMAND has started, and that \
         it ends. COMMAND gets it only with `-F`.",
    ),
    read(
        &WATCHDOG,
        "Set by systemd with `WatchdogSec=`: `acquire` says twice in that time that the lock is still held.",
    ),
    read(&[SYSTEMD_EXEC_PID], "Set by systemd: only the process with this PID speaks for the unit."),
    read(&[COMPLETE], "Set only by the completion of a shell: the name of that shell."),
    set(&[SKIP_LOCK], "`1`: solobot holds the lock, so COMMAND need not take it. `--no-skip-env` leaves it unset."),
    set(&[LOCK], "The lock's absolute path."),
    set(&[HOLDER_PID], "The PID of solobot; with `-F`, the PID of COMMAND."),
    set(&[LOCK_FD], "The number of the inherited descriptor that carries the lock; unset with `--close`."),
    set(
        &[GENERATION],
        "With a lease: the number of its grant, which only ever grows. A database can refuse a write with a smaller one.",
    ),
    set(&[EVENT, BOT, DETAIL], "For a command of `[on]`: what happened, to which bot, and more of it in a line."),
    set(&[KEEPER_LOCK, KEEPER_NAME, KEEPER_JOURNAL], "What `acquire --pid` passes to the keeper that it starts."),
    set(
        &[BACKGROUND, BACKGROUND_LOG],
        "What `acquire --detach` passes to the solobot that goes on in the background. COMMAND does not get them.",
    ),
    set(&[POLLING], "`0` if COMMAND runs without the lock (`--if-held run`), so it must not poll."),
];

/// The environment as a value, so that tests can make their own. `Debug` shows no value, because one may be a token.
#[derive(Clone)]
pub struct Vars(VarSource);

#[derive(Clone)]
enum VarSource {
    /// This process's own. Values are read when needed, because copying them all would take longer than most of a start.
    Process,
    Given(Arc<HashMap<OsString, OsString>>),
}

impl Vars {
    pub fn of_process() -> Self {
        Self(VarSource::Process)
    }

    /// An empty value counts as not set.
    pub fn get(&self, name: &str) -> Option<OsString> {
        let value = match &self.0 {
            VarSource::Process => std::env::var_os(name),
            VarSource::Given(variables) => variables.get(OsStr::new(name)).cloned(),
        };
        value.filter(|value| !value.is_empty())
    }
}

impl Default for Vars {
    fn default() -> Self {
        Self(VarSource::Given(Arc::default()))
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Vars {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let given = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(VarSource::Given(Arc::new(given.collect())))
    }
}

impl fmt::Debug for Vars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            VarSource::Process => f.write_str("Vars(of this process)"),
            VarSource::Given(variables) => write!(f, "Vars({} variables)", variables.len()),
        }
    }
}
