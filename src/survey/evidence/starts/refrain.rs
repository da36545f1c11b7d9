//! The refrain of a bot that ends because its lock is held: its logs say so at every start.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::super::facts::Refrain;
use super::tail::{end_of, steady_pause};
use crate::base::secret::mask;
use crate::logs::input::Input;
use crate::logs::lines;
use crate::logs::time::Clock;
use crate::survey::logs;

/// So much of a log's end is looked at.
const END: usize = 128 * 1024;
/// Fewer are no refrain.
const FEW: usize = 4;
/// What was last written to before is not read.
const OLD: Duration = Duration::from_mins(5);
/// A refrain without times is over once its log was not written to for so long.
const QUIET: Duration = Duration::from_secs(5);
/// Longer lines are cut.
const LONGEST: usize = 200;

/// The refusal that these logs repeat until now.
pub fn look(inputs: &[Input], now: Timestamp) -> Option<Refrain> {
    let mut files = inputs.iter().filter_map(|input| match input {
        Input::File(path) if logs::may_be_younger(input, now.checked_sub(OLD).ok()?) => Some(path),
        _ => None,
    });
    files.find_map(|path| of_text(&end_of(path, END)?, &path.display().to_string(), now, is_fresh(path, now)))
}

fn is_fresh(path: &Path, now: Timestamp) -> bool {
    now.checked_sub(QUIET).is_ok_and(|since| logs::may_be_younger(&Input::File(path.to_owned()), since))
}

/// Lines that say the same but for their numbers and times.
#[derive(Default)]
struct Verse {
    count: usize,
    times: Vec<i64>,
    last: String,
}

fn of_text(text: &[u8], place: &str, now: Timestamp, is_fresh: bool) -> Option<Refrain> {
    let mut clock = Clock::new(TimeZone::system(), now);
    let mut verses: HashMap<String, Verse> = HashMap::new();
    for line in text.split(|&byte| byte == b'\n').filter(|line| is_refusal(line)) {
        let read = lines::dissect(line, &mut clock);
        let words = String::from_utf8_lossy(read.words);
        let verse = verses.entry(words.chars().filter(|c| !c.is_numeric()).collect()).or_default();
        verse.count += 1;
        verse.times.extend(read.time().millis());
        verse.last = mask(String::from_utf8_lossy(line).trim()).chars().take(LONGEST).collect();
    }
    let verse = verses.into_values().max_by_key(|verse| verse.count).filter(|verse| verse.count >= FEW)?;
    let every = if verse.times.len() == verse.count { Some(steady_pause(&verse.times, now)?) } else { None };
    (every.is_some() || is_fresh).then(|| Refrain {
        line: verse.last,
        place: place.to_owned(),
        count: verse.count,
        every,
    })
}

/// Whether a line says that a start is refused because another one runs or has the lock. What Telegram says of two pollers
/// is none: it is no start's end.
fn is_refusal(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line).to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["getupdates", "409"]) && has(&["conflict", "terminated by other"]) {
        return false;
    }
    let is_there = has(&["already", "another", "other instance", "someone else", "is held", "held by", "still held"]);
    let is_taken = has(&["running", "held", "holds", "locked", "in use", "active", "started", "exists"]);
    let is_lock = has(&["lock", "instance", "process", "pid ", "running", "poll"]);
    let cannot = has(&["could not", "couldn't", "cannot", "can't", "failed to", "unable to", "not acquire"]);
    (is_there && is_taken && is_lock)
        || (cannot && has(&["acquire", "obtain", "get", "take", "lock"]) && text.contains("lock"))
        || has(&["resource temporarily unavailable", "blockingioerror", "lock is held"])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_768_058_900;

    fn heard(line: &str, count: i64, pause: i64, ago: i64) -> Option<Refrain> {
        let at = |number: i64| Timestamp::from_second(NOW - ago - (count - 1 - number) * pause).unwrap();
        let time = |number| at(number).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let lines: Vec<String> = (0..count).map(|number| format!("{} {line} {number}\n", time(number))).collect();
        let text = lines.concat();
        of_text(text.as_bytes(), "bot.log", Timestamp::from_second(NOW).unwrap(), true)
    }

    #[test]
    fn what_is_said_again_and_again_until_now() {
        let found = heard("ERROR already held by PID", 30, 1, 1).unwrap();
        assert_eq!((found.count, found.every), (30, Some(Duration::from_secs(1))));
        assert_eq!(heard("ERROR already held by PID", 5, 60, 50).unwrap().every, Some(Duration::from_mins(1)));
        assert_eq!(heard("ERROR already held by PID", 3, 1, 1), None, "too few");
        assert_eq!(heard("ERROR already held by PID", 30, 1, 400), None, "over");
        let undated = "already running (pid 7), exiting\n".repeat(5);
        let now = Timestamp::from_second(NOW).unwrap();
        assert_eq!(of_text(undated.as_bytes(), "x", now, true).unwrap().count, 5);
        assert_eq!(of_text(undated.as_bytes(), "x", now, false), None);
    }

    #[test]
    fn refusals_in_many_words() {
        for line in [
            "Another instance is already running (PID 12). Exiting.",
            "CRITICAL: lock /run/bot.lock is held by PID 7",
            "BlockingIOError: [Errno 11] Resource temporarily unavailable",
            "could not acquire lock, exiting",
            "filelock._error.Timeout: The file lock 'bot.lock' could not be acquired.",
            "flock: failed to get lock",
            "bot.lock already locked by another process",
        ] {
            assert!(is_refusal(line.as_bytes()), "{line}");
        }
        for line in [
            "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running (409)",
            "telegram.error.Conflict: Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
            "INFO Application started",
            "user 12 is already registered",
            "INFO start polling",
            "the account of user 7 is locked",
        ] {
            assert!(!is_refusal(line.as_bytes()), "{line}");
        }
    }
}
