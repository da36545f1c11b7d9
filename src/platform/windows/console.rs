//! Asking a program to end that is no solobot. All that Windows has for this is what a console tells whoever is attached to it:
//! Ctrl-C to all of them, or Ctrl-Break to a group of them.
//!
//! Invariant: nobody is told but the process that is meant, what it has started, and the shells that it was started from, for
//! which Ctrl-C is everyday. Where the console cannot do that, the process is not asked.
//!
//! A process has one console at most. So a helper asks at another console: this program once more, which attaches itself to
//! that one.

use std::ffi::OsString;
use std::io;
use std::os::windows::process::CommandExt;
use std::process::{Command, Stdio};

use windows_sys::Win32::System::Console::{
    AttachConsole, CTRL_BREAK_EVENT, CTRL_C_EVENT, FreeConsole, GenerateConsoleCtrlEvent, GetConsoleProcessList,
    SetConsoleCtrlHandler,
};
use windows_sys::Win32::System::Threading::DETACHED_PROCESS;

use super::handle;
use super::identity::{Identity, ancestry, lineage, own_pid};
use super::native::{succeeded, unsupported};
use super::peb::ProcessParameters;
use super::table;

/// Programs to which Ctrl-C means that what they wait for is to end.
const SHELLS: [&str; 8] =
    ["cmd.exe", "powershell.exe", "pwsh.exe", "bash.exe", "sh.exe", "zsh.exe", "nu.exe", "solobot.exe"];

/// The first argument of a helper.
const HELPER: &str = "--ask-to-end";

/// How a helper ends.
const ASKED: i32 = 0;
const CANNOT: i32 = 1;

/// Asks a process to end.
///
/// # Errors
/// `Unsupported`: its console, if it has one, cannot ask it alone.
pub(super) fn ask(process: Identity) -> io::Result<()> {
    if attached().contains(&process.pid) {
        return ask_here(process, ancestor_of(process));
    }
    if !ProcessParameters::of(process.pid)?.has_console() {
        return Err(unsupported(&format!("asking PID {process} to end, which has no console")));
    }
    let mut helper = Command::new(std::env::current_exe()?);
    helper.arg(HELPER).arg(process.pid.to_string()).arg(process.start_ticks.to_string());
    helper.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).creation_flags(DETACHED_PROCESS);
    if helper.status()?.code() == Some(ASKED) { Ok(()) } else { Err(not_alone(process)) }
}

/// Is a helper, if this process was started as one: then its exit code.
pub(super) fn help(args: &[OsString]) -> Option<i32> {
    let [_, helper, pid, ticks] = args else { return None };
    if helper != HELPER {
        return None;
    }
    let number = |text: &OsString| text.to_str()?.parse::<u64>().ok();
    let process = Identity { pid: number(pid).and_then(|pid| pid.try_into().ok())?, start_ticks: number(ticks)? };
    let asked = || {
        // SAFETY: nothing here writes to a console, and that this process has none is how it was started.
        unsafe {
            FreeConsole();
            succeeded(AttachConsole(process.pid.cast_unsigned()))?;
            // We hear it too.
            succeeded(SetConsoleCtrlHandler(None, 1))?;
        }
        ask_here(process, true)
    };
    Some(if asked().is_ok() { ASKED } else { CANNOT })
}

/// Whether we have started it, directly or not.
fn ancestor_of(process: Identity) -> bool {
    lineage(process.pid).any(|pid| pid == own_pid())
        || table::descendants(&[own_pid()]).is_ok_and(|below| below.contains(&process.pid))
}

/// Asks a process that is attached to the same console as we are, if that is still the one that is meant. Whoever was started
/// by the same shell must not tell that shell.
fn ask_here(process: Identity, may_tell_shells: bool) -> io::Result<()> {
    let attached = attached();
    if !process.is_alive() || !attached.contains(&process.pid) {
        return Err(not_alone(process));
    }
    let below = table::descendants(&[process.pid])?;
    let is_shell = |pid: &i32| handle::name(*pid).is_some_and(|name| SHELLS.contains(&&*name.to_ascii_lowercase()));
    let above: Vec<i32> = lineage(process.pid).skip(1).chain(ancestry().skip(1)).filter(is_shell).collect();
    let is_told = |pid: &i32| *pid == process.pid || *pid == own_pid() || below.contains(pid) || above.contains(pid);
    let event = if may_tell_shells && attached.iter().all(is_told) {
        (CTRL_C_EVENT, 0)
    } else if ProcessParameters::of(process.pid)?.group() == Some(process.pid) {
        (CTRL_BREAK_EVENT, process.pid.cast_unsigned())
    } else {
        return Err(not_alone(process));
    };
    // SAFETY: it takes plain numbers.
    succeeded(unsafe { GenerateConsoleCtrlEvent(event.0, event.1) })
}

fn not_alone(process: Identity) -> io::Error {
    unsupported(&format!("asking PID {process} to end, and nobody else at its console"))
}

/// Who is attached to our console; empty if we have none.
fn attached() -> Vec<i32> {
    let mut list = vec![0_u32; 64];
    loop {
        let size = u32::try_from(list.len()).unwrap_or(u32::MAX);
        // SAFETY: the list has room for `size` numbers.
        let count = unsafe { GetConsoleProcessList(list.as_mut_ptr(), size) } as usize;
        if count <= list.len() {
            return list[..count].iter().map(|pid| pid.cast_signed()).collect();
        }
        list.resize(count, 0);
    }
}
