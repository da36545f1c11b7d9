//! The witness: what a holder runs to prove that it is alone.
//!
//! `witness FOLDER WHO [MICROSECONDS]` creates `FOLDER/inside` exclusively (a hard link: name and content appear at
//! once), stays that long, and removes it. Whoever finds it there while its creator lives has met a second holder and
//! appends `overlap …` to `FOLDER/log`; everybody else appends `WHO PID`. It knows nothing of locks, so it cannot share
//! solobot's mistakes.
//!
//! A holder that was killed inside leaves the file; it counts as gone when its PID *and* start time no longer run.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(folder), Some(who)) = (args.next(), args.next()) else {
        return ExitCode::from(2);
    };
    let stay = args.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    match hold(Path::new(&folder), &who, Duration::from_micros(stay)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(_) => ExitCode::from(3),
    }
}

fn hold(folder: &Path, who: &str, stay: Duration) -> io::Result<bool> {
    let own = std::process::id();
    let inside = folder.join("inside");
    let mine = folder.join(format!("mine.{own}"));
    fs::write(&mine, format!("{own} {}", start_ticks(own).unwrap_or_default()))?;
    let entered = enter(&mine, &inside);
    fs::remove_file(&mine)?;
    match entered? {
        None => append(folder, &format!("{who} {own}\n"))?,
        Some(other) => {
            append(folder, &format!("overlap {own} with {other}\n"))?;
            return Ok(false);
        }
    }
    thread::park_timeout(stay);
    fs::remove_file(&inside)?;
    Ok(true)
}

/// Creates `inside`; the PID of a living process that is inside already, or 0 for one that left while we looked.
fn enter(mine: &Path, inside: &Path) -> io::Result<Option<u32>> {
    for attempt in 1..=2 {
        match fs::hard_link(mine, inside) {
            Ok(()) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let Ok(text) = fs::read_to_string(inside) else { return Ok(Some(0)) };
        let (pid, start) = text.split_once(' ').unwrap_or((&text, ""));
        let pid = pid.parse().unwrap_or(0);
        if attempt == 2 || start_ticks(pid).is_some_and(|now| now == start) {
            return Ok(Some(pid));
        }
        fs::remove_file(inside)?;
    }
    Ok(None)
}

/// `PF_EXITING` of the kernel's `include/linux/sched.h`.
const EXITING: u32 = 4;

/// Field 22 of `/proc/PID/stat`; `None` for a process that is gone, a zombie, or on its way out: a killed process gives
/// its locks up a moment before it becomes a zombie, and on a busy machine that moment can be long.
fn start_ticks(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let flags: u32 = fields.nth(5)?.parse().ok()?;
    let gone = matches!(state, "Z" | "X") || flags & EXITING != 0;
    if gone { None } else { fields.nth(12).map(str::to_owned) }
}

fn append(folder: &Path, line: &str) -> io::Result<()> {
    let mut log = OpenOptions::new().append(true).create(true).open(folder.join("log"))?;
    log.write_all(line.as_bytes())
}
