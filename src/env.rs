//! Every environment variable that solobot reads or sets.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::sync::Arc;

/// Read: the configuration file, as `--config`.
pub const CONFIG: &str = "SOLOBOT_CONFIG";
/// Read: the Bot API's base URL, as `--api-url`.
pub const API_URL: &str = "SOLOBOT_API_URL";
/// Read: no colour if set and not empty (<https://no-color.org>).
pub const NO_COLOR: &str = "NO_COLOR";
/// Read: where a bot's token is looked for, in this order.
pub const TOKENS: [&str; 3] = ["TELEGRAM_BOT_TOKEN", "BOT_TOKEN", "TELEGRAM_TOKEN"];
/// Read and set: tells a bot of layout A that its parent holds the lock for it (`skip_env` names another).
pub const SKIP_LOCK: &str = "SKIP_TELEGRAM_LOCK";
/// The proxy's variables; of each list the first that is set counts.
#[derive(Debug)]
pub struct Proxies {
    /// For `https` URLs.
    pub https: [&'static str; 2],
    /// For `http` URLs.
    pub http: [&'static str; 2],
    /// For both.
    pub all: [&'static str; 2],
    /// Hosts that are reached without one.
    pub none: [&'static str; 2],
}
/// Read: the way to the Bot API.
pub const PROXIES: Proxies = Proxies {
    https: ["https_proxy", "HTTPS_PROXY"],
    http: ["http_proxy", "HTTP_PROXY"],
    all: ["all_proxy", "ALL_PROXY"],
    none: ["no_proxy", "NO_PROXY"],
};
/// Read: under `sudo`, the uid of the caller.
pub const SUDO_UID: &str = "SUDO_UID";
/// Set for COMMAND: the lock's absolute path.
pub const LOCK: &str = "SOLOBOT_LOCK";
/// Set for COMMAND: solobot's own PID (COMMAND's with `-F`).
pub const HOLDER_PID: &str = "SOLOBOT_HOLDER_PID";
/// Set for COMMAND: the number of the inherited descriptor that carries the lock.
pub const LOCK_FD: &str = "SOLOBOT_LOCK_FD";
/// Set to `0` for a COMMAND that runs without the lock (`--if-held run`).
pub const POLLING: &str = "SOLOBOT_POLLING";

/// Read: a shell's name, set by its completion for the words behind `--` (`completions/`). With it `clap_complete` reads
/// `_CLAP_COMPLETE_INDEX`, `_CLAP_COMPLETE_COMP_TYPE`, `_CLAP_COMPLETE_SPACE` and `_CLAP_IFS`, which the same file sets.
pub const COMPLETE: &str = "SOLOBOT_COMPLETE";

/// The environment at the start, as a value: tests make their own. `Debug` shows no value, since one may be a token.
#[derive(Clone, Default)]
pub struct Vars(Arc<HashMap<OsString, OsString>>);

impl Vars {
    /// What this process was started with.
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// A variable's value; an empty one counts as not set.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Vars {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(Arc::new(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect()))
    }
}

impl fmt::Debug for Vars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vars({} variables)", self.0.len())
    }
}
