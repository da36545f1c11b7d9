//! The caller's folders, by the rules of the platform: XDG's on Linux.

use std::path::PathBuf;

use etcetera::BaseStrategy;

/// Where the caller's files are; a folder that is not absolute is none.
#[derive(Debug, Clone, Default)]
pub struct Folders {
    /// `$HOME`, else what the user database says.
    pub home: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`, else `~/.config`.
    pub config: Option<PathBuf>,
    /// `$XDG_STATE_HOME`, else `~/.local/state`.
    pub state: Option<PathBuf>,
}

impl Folders {
    /// Those of this process; none where there is no home.
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
