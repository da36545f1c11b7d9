//! What holders run in `tests/torture.py`: it writes down when it believes that it may poll, and knows nothing of locks.
//!
//! Every record is one line and one `write(2)` to a file opened with `O_APPEND`, so that the order of the lines is the
//! order of events, whoever wrote them:
//!
//! - `start KIND PID TICKS NANOSECONDS`, the first thing it does, and `end …`, the last;
//! - `beat …`, every two milliseconds between them: one behind another process's `start` proves that both ran at once;
//! - `met KIND PID TICKS NANOSECONDS OTHER-KIND OTHER-PID OTHER-TICKS` for one that started before it and lives still.
//!
//! `TURN_LOG` is the file, `TURN_KIND` the first word, `TURN_MICROSECONDS` how long it stays; with `TURN_STUBBORN` it takes
//! no notice of TERM. They are no arguments, so that solobot sees the same bot in all of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigHandler, Signal, signal};

/// `PF_EXITING` of the kernel's `include/linux/sched.h`.
const EXITING: u32 = 4;
/// How much of the log is looked at for the one before: some thousand beats.
const TAIL: u64 = 256 * 1024;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "turn: {error}");
            ExitCode::from(3)
        }
    }
}

fn run() -> io::Result<()> {
    if std::env::var_os("TURN_STUBBORN").is_some() {
        // SAFETY: no handler is installed.
        unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }?;
    }
    let variable = |name| std::env::var(name).map_err(io::Error::other);
    let stay = variable("TURN_MICROSECONDS")?.parse().map_err(io::Error::other)?;
    let (end, pid) = (Instant::now() + Duration::from_micros(stay), std::process::id());
    let own = format!("{} {pid} {}", variable("TURN_KIND")?, ticks(pid).unwrap_or_default());
    let mut log = OpenOptions::new().read(true).append(true).create(true).open(variable("TURN_LOG")?)?;
    write(&mut log, &format!("start {own}"), "")?;
    for other in others(&mut log, &own)? {
        write(&mut log, &format!("met {own}"), &other)?;
    }
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left.min(Duration::from_millis(2)));
        write(&mut log, &format!("beat {own}"), "")?;
    }
    write(&mut log, &format!("end {own}"), "")
}

fn write(log: &mut File, record: &str, more: &str) -> io::Result<()> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    log.write_all(format!("{record} {}{:09} {more}\n", now.tv_sec, now.tv_nsec).as_bytes())
}

/// Who has started and not ended by the log, and lives by `/proc`.
fn others(log: &mut File, own: &str) -> io::Result<Vec<String>> {
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut text = Vec::new();
    log.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let mut open: Vec<String> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [what, kind, pid, ticks, ..] = words[..] else { continue };
        let who = format!("{kind} {pid} {ticks}");
        match what {
            "end" => open.retain(|other| *other != who),
            "start" | "beat" if who != own && !open.contains(&who) => open.push(who),
            _ => {}
        }
    }
    open.retain(|other| {
        let mut words = other.split(' ').skip(1);
        let (Some(pid), Some(start)) = (words.next().and_then(|pid| pid.parse().ok()), words.next()) else {
            return false;
        };
        ticks(pid).is_some_and(|now| now == start)
    });
    Ok(open)
}

/// Field 22 of `/proc/PID/stat`; `None` for a process that is gone, a zombie, or on its way out: a killed process gives
/// its locks up a moment before it becomes a zombie, and runs none of its own code any more.
fn ticks(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let flags: u32 = fields.nth(5)?.parse().ok()?;
    let gone = matches!(state, "Z" | "X") || flags & EXITING != 0;
    if gone { None } else { fields.nth(12).map(str::to_owned) }
}
