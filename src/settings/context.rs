//! What settings depend on besides the flags: who calls, from where, with which environment.

use std::io;
use std::path::PathBuf;

use super::error::Error;
use crate::base::env::{self, Vars};
use crate::base::folders::{self, Folders};
use crate::platform::{filesystem, user};

/// Who calls, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The effective user.
    pub uid: u32,
    /// For root under `sudo`: the user who called it.
    pub sudo_uid: Option<u32>,
    /// What for.
    pub purpose: Purpose,
}

/// What a subcommand is run for: whose files are believed depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To look: nothing is started, stopped or changed.
    Looking,
    /// To do something.
    Acting,
}

/// The surroundings of one run, as a value: tests make their own.
#[derive(Debug, Clone)]
pub struct Context {
    /// The current folder, absolute.
    pub cwd: PathBuf,
    /// The home folder, known without `HOME` too.
    pub home: Option<PathBuf>,
    /// The user's configuration folder: `~/.config`.
    pub config_home: Option<PathBuf>,
    /// The machine's configuration folder: `/etc`; on Windows `%ProgramData%`.
    pub system_config: PathBuf,
    /// Who calls.
    pub caller: Caller,
    /// The environment.
    pub vars: Vars,
}

impl Context {
    /// The surroundings of this process.
    ///
    /// # Errors
    /// If the current folder is hidden.
    pub fn of_process(purpose: Purpose) -> Result<Self, Error> {
        let vars = Vars::of_process();
        let uid = user::effective_uid();
        let sudo_uid = vars.get(env::SUDO_UID).and_then(|uid| uid.to_str()?.parse().ok());
        let folders = Folders::of_process();
        Ok(Self {
            cwd: current_dir().map_err(|source| Error::Cwd { source })?,
            home: folders.home,
            config_home: folders.config,
            system_config: folders::of_machine(),
            caller: Caller { uid, sudo_uid: sudo_uid.filter(|_| uid == 0), purpose },
            vars,
        })
    }
}

/// The current folder. One that has been removed has a name anyway, under which nothing is found any more: whoever
/// names everything by absolute paths does not need it, a deploy that replaced the folder under a shell for one.
fn current_dir() -> io::Result<PathBuf> {
    match std::env::current_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => filesystem::path_of_current_folder(),
        found => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surroundings_of_this_process() {
        let context = Context::of_process(Purpose::Looking).unwrap();
        assert_eq!(context.cwd, std::env::current_dir().unwrap());
        assert_eq!(context.caller.uid, user::effective_uid());
        assert!(context.caller.uid == 0 || context.caller.sudo_uid.is_none());
        assert!(context.home.is_none_or(|home| home.is_absolute()));
    }
}
