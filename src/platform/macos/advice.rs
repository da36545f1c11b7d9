//! What to type, for people who want to see it themselves.

/// Why other users' processes may be missing from everything.
pub const HIDDEN: &str = "macOS does not show the command lines of other users' processes; use sudo to see them";

/// Shows a variable of a process.
pub fn variable_of(pid: i32, name: &str) -> String {
    format!("ps -Eww -o command= -p {pid} | tr ' ' '\\n' | grep '^{name}='")
}

/// Shows the proxies that a process was told to use.
pub fn proxies_of(pid: i32) -> String {
    format!("ps -Eww -o command= -p {pid} | tr ' ' '\\n' | grep -i _proxy=")
}

/// Shows what a process has open.
pub fn open_files_of(pid: i32) -> String {
    format!("lsof -p {pid}")
}
