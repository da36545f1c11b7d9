//! What to type, for people who want to do it themselves: sh. What Linux and macOS have in common.

use std::borrow::Cow;
use std::path::Path;

use crate::base::error::typed;
use crate::base::shell::quote;

/// What the PID of the shell is called in its own words.
pub const SHELLS_PID: &str = "$$";
/// What starts Python.
pub const PYTHON: &str = "python3";
/// What ends a process that does not end when it is asked to.
pub const KILL: &str = "SIGKILL";
/// What shows what could not be seen.
pub const USE_SUDO: &str = "use sudo";
/// How to try again with more rights.
pub const WITH_SUDO: &str = "with sudo";
/// Said where something could not be seen.
pub const SUDO_SHOWS_MORE: &str = "sudo shows more";
/// Shows whether disks are full.
pub const FREE_SPACE: &str = "df -h";
/// Where a file with certificates may be.
pub const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Where a program may be.
pub const PROGRAM: &str = "/usr/bin/mybot";
/// What runs a command line as it is shown; the line follows.
pub const SHELL: [&str; 2] = ["sh", "-c"];
/// Behind a command: the exit code 75 is no failure.
pub const UNLESS_75: &str = " || [ $? = 75 ]";
/// A holder of a lock that belongs to somebody else.
pub const FOREIGN_HOLDER: &str = "a process of another user (use sudo to see it)";

/// A hint: a purpose, and a command for root.
pub fn as_root(purpose: &str, command: &str) -> String {
    with_sudo(&format!("{purpose} as root"), command)
}

/// A hint: a purpose, and a command that needs more rights.
pub fn with_sudo(purpose: &str, command: &str) -> String {
    format!("{purpose}: sudo {command}")
}

/// A command for root.
pub fn typed_as_root(command: &str) -> String {
    format!("sudo {command}")
}

/// A command for another user.
pub fn typed_as_user(user: &str, command: &str) -> String {
    format!("sudo -u {} {command}", quote(user))
}

/// A hint: a purpose, and a command for another user.
pub fn as_user(purpose: &str, user: &str, command: &str) -> String {
    format!("{purpose}: {}", typed_as_user(user, command))
}

/// Shows what processes are.
pub fn processes(pids: &[i32]) -> String {
    format!("ps -o pid,ppid,lstart,args -p {}", separated(pids, ","))
}

/// Asks processes to end; those of `owner`, if solobot may not.
pub fn end(owner: Option<&str>, pids: &[i32]) -> String {
    let pids = separated(pids, " ");
    match owner {
        None => format!("kill {pids}"),
        Some("root") => format!("sudo kill {pids}"),
        Some(owner) => format!("sudo -u {} kill {pids}", quote(owner)),
    }
}

fn separated(pids: &[i32], by: &str) -> String {
    pids.iter().map(i32::to_string).collect::<Vec<_>>().join(by)
}

/// Removes a file.
pub fn remove(path: &Path) -> String {
    format!("rm {}", typed(path))
}

/// Lists the files of a folder.
pub fn list(folder: &Path) -> String {
    format!("ls -l {}", typed(folder))
}

/// Shows who may do what with a folder.
pub fn rights_of(folder: &Path) -> String {
    format!("ls -ld {}", typed(folder))
}

/// Makes a folder.
pub fn make(folder: &Path) -> String {
    format!("mkdir -p {}", typed(folder))
}

/// Leaves a file to its owner and group.
pub fn hide(path: &Path) -> String {
    format!("chmod o-r {}", typed(path))
}

/// Makes a file a program.
pub fn make_executable(path: &str) -> Option<String> {
    Some(format!("chmod +x {path}"))
}

/// Opens a file in an editor.
pub fn edit(path: &Path) -> String {
    format!("${{EDITOR:-nano}} {}", typed(path))
}

/// Finds out whether there is a program of that name.
pub fn find_program(name: &str) -> String {
    format!("command -v {}", quote(name))
}

/// A command with a variable of its environment, both as they are typed.
pub fn with_variable(name: &str, value: &str, command: &str) -> String {
    format!("{name}={value} {command}")
}

/// A command without a variable of its environment.
pub fn without_variable(name: &str, command: &str) -> String {
    format!("env -u {name} {command}")
}

/// Shows a page of the manual.
pub fn manual(page: &str) -> Option<String> {
    Some(format!("man {page}"))
}

/// A line of an explanation or an example, which are written for sh.
pub fn typed_here(line: &str) -> Cow<'_, str> {
    line.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_process_is_typed_as_its_user() {
        assert_eq!(end(None, &[7, 8]), "kill 7 8");
        assert_eq!(end(Some("root"), &[7]), "sudo kill 7");
        assert_eq!(end(Some("a b"), &[7]), "sudo -u 'a b' kill 7");
    }
}
