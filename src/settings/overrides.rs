//! What flags say about a bot.

use std::ffi::OsString;
use std::path::PathBuf;

use super::provenance::SetBy;
use crate::process::program::Program;

/// What flags say instead of the file.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    pub program: Option<(Program, SetBy)>,
    pub lock: Option<PathBuf>,
    pub token_file: Option<PathBuf>,
    pub token_env: Option<String>,
    pub env_file: Option<PathBuf>,
    pub command: Option<Vec<OsString>>,
}

impl Overrides {
    /// Whether they say anything.
    pub fn any(&self) -> bool {
        let Self { program, lock, token_file, token_env, env_file, command } = self;
        let token = token_file.is_some() || token_env.is_some() || env_file.is_some();
        program.is_some() || lock.is_some() || token || command.is_some()
    }
}
