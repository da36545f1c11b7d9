//! What to type, for people who want to see it themselves.

pub use crate::platform::unix::advice::{
    CERTIFICATES, FOREIGN_HOLDER, FREE_SPACE, KILL, PROGRAM, PYTHON, SHELL, SHELLS_PID, SUDO_SHOWS_MORE, UNLESS_75,
    USE_SUDO, WITH_SUDO, as_root, as_user, edit, end, find_program, hide, list, make, make_executable, manual,
    processes, remove, rights_of, typed_as_root, typed_as_user, typed_here, with_sudo, with_variable, without_variable,
};

/// Why other users' processes may be missing from everything.
pub const HIDDEN: &str = "/proc hides the processes of other users (hidepid); use sudo to see them";
/// A holder of a lock that is hidden.
pub const HIDDEN_HOLDER: &str = "a process hidden by /proc (hidepid; use sudo to see it)";

/// Shows a variable of a process.
pub fn variable_of(pid: i32, name: &str) -> String {
    format!("tr '\\0' '\\n' </proc/{pid}/environ | grep '^{name}='")
}

/// Shows the proxies that a process was told to use.
pub fn proxies_of(pid: i32) -> String {
    format!("tr '\\0' '\\n' </proc/{pid}/environ | grep -i _proxy=")
}

/// Shows what a process has open.
pub fn open_files_of(pid: i32) -> String {
    format!("ls -l /proc/{pid}/fd")
}
