//! A cheap native bot, for crowds: a script would cost a hundred times as much to start.
//!
//! `sleeper [WORD…]` sleeps until it is told to stop; words that are no option are ignored (they tell bots apart).
//! `--after MS` ends that long after TERM, `--ignore-term` never, `--for MS` by itself; `--crowd N` forks N children that sleep as it does
//! and end with it, and says `ready` once they run.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::{ForkResult, fork, getppid};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let number = |option: &str| -> Option<u64> {
        let at = args.iter().position(|arg| arg == option)?;
        args.get(at + 1)?.parse().ok()
    };
    if let Some(crowd) = number("--crowd") {
        for _ in 0..crowd {
            // SAFETY: there is one thread, and the child only calls prctl, getppid and sigwait.
            match unsafe { fork() } {
                Ok(ForkResult::Child) => return follow(),
                Ok(ForkResult::Parent { .. }) => {}
                Err(_) => return ExitCode::FAILURE,
            }
        }
        let _ = writeln!(std::io::stdout(), "ready");
    }
    if let Some(life) = number("--for") {
        std::thread::sleep(Duration::from_millis(life)); // what it is for: the caller names the time
        return ExitCode::SUCCESS;
    }
    if args.iter().any(|arg| arg == "--ignore-term") {
        // SAFETY: no handler is installed.
        if unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }.is_err() {
            return ExitCode::FAILURE;
        }
    }
    let Some(after) = number("--after") else { return sleep() };
    let mut term = SigSet::empty();
    term.add(Signal::SIGTERM);
    if term.thread_block().is_ok() && term.wait().is_ok() {
        std::thread::sleep(Duration::from_millis(after)); // what it is for: the caller names the time
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

fn sleep() -> ExitCode {
    loop {
        std::thread::park();
    }
}

/// Sleeps as long as the parent lives.
fn follow() -> ExitCode {
    let is_set = prctl::set_pdeathsig(Signal::SIGKILL).is_ok();
    while is_set && getppid().as_raw() > 1 {
        std::thread::park();
    }
    ExitCode::SUCCESS
}
