//! The caller's folders, by the rules of the platform (XDG on Linux).

use std::path::PathBuf;

use etcetera::BaseStrategy;

/// Where the caller's files are. A variable that is not an absolute path is ignored.
#[derive(Debug, Clone, Default)]
pub struct Folders {
    /// `$HOME`, otherwise what the user database says.
    pub home: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`, otherwise `~/.config`.
    pub config: Option<PathBuf>,
    /// `$XDG_STATE_HOME`, otherwise `~/.local/state`.
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
            state: base.state_dir().and_then(absolute),
        }
    }
}
