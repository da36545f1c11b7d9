//! The caller's folders, by the rules of the platform: those of Windows, XDG elsewhere.

use std::path::PathBuf;

use etcetera::BaseStrategy;

use super::env;

/// The variable that names the folder of state.
pub const STATE_FOLDER: &str = if cfg!(windows) { env::LOCALAPPDATA } else { env::XDG_STATE_HOME };

/// Where the caller's files are. A variable that is not an absolute path is ignored.
#[derive(Debug, Clone, Default)]
pub struct Folders {
    /// `$HOME`, otherwise what the user database says. On Windows `%USERPROFILE%`, otherwise what Windows says.
    pub home: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`, otherwise `~/.config`. On Windows `%APPDATA%`.
    pub config: Option<PathBuf>,
    /// `$XDG_STATE_HOME`, otherwise `~/.local/state`. On Windows `%LOCALAPPDATA%`.
    pub state: Option<PathBuf>,
}

impl Folders {
    /// `None` without a home folder.
    pub fn of_process() -> Self {
        let Ok(base) = etcetera::choose_base_strategy() else { return Self::default() };
        let absolute = |folder: PathBuf| Some(folder).filter(|folder| folder.is_absolute());
        Self {
            home: absolute(base.home_dir().to_owned()),
            config: absolute(base.config_dir()),
            // Windows has no folder for state alone. What does not move to another machine with its user has the same place
            // as a cache.
            state: absolute(base.state_dir().unwrap_or_else(|| base.cache_dir())),
        }
    }
}

/// Where the machine's configuration is: in `/etc`; on Windows in `%ProgramData%`.
pub fn of_machine() -> PathBuf {
    if cfg!(windows) {
        let named = std::env::var_os(env::PROGRAMDATA).map(PathBuf::from).filter(|folder| folder.is_absolute());
        return named.unwrap_or_else(|| r"C:\ProgramData".into());
    }
    "/etc".into()
}
