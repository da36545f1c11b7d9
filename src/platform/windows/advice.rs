//! What to type, for people who want to see it themselves: PowerShell.

/// Why other users' processes may be missing from everything.
pub const HIDDEN: &str =
    "Windows hides the details of other users' processes; use a terminal that runs as administrator to see them";

/// Shows a variable of a process. Nothing that comes with Windows does.
pub fn variable_of(pid: i32, name: &str) -> String {
    format!("in Process Explorer: the Environment tab of PID {pid}, `{name}`")
}

/// Shows the proxies that a process was told to use.
pub fn proxies_of(pid: i32) -> String {
    format!("in Process Explorer: the Environment tab of PID {pid}, what ends in `_PROXY`")
}

/// Shows what a process has open.
pub fn open_files_of(pid: i32) -> String {
    format!("in Process Explorer: the handles of PID {pid}; or Sysinternals' `handle.exe -p {pid}`")
}
