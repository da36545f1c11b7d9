//! What pm2's own log says of its apps: how often each ended in the last minute.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::tail::{end_of, steady_pause};
use crate::logs::lines;
use crate::logs::time::Clock;

/// So much of the log's end is looked at.
const END: usize = 64 * 1024;
/// What it did before is over.
const LATELY: Duration = Duration::from_mins(1);

/// The most ends of one app in the last minute, where pm2 goes on to start it again.
pub fn restarts(home: &Path, now: Timestamp) -> u64 {
    of_log(&end_of(&home.join("pm2.log"), END).unwrap_or_default(), now)
}

fn of_log(log: &[u8], now: Timestamp) -> u64 {
    let mut clock = Clock::new(TimeZone::system(), now);
    let since = now.checked_sub(LATELY).map_or(i64::MIN, Timestamp::as_millisecond);
    let mut ends: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for line in log.split(|&byte| byte == b'\n') {
        let words = String::from_utf8_lossy(line);
        let Some((app, what)) = words.split_once("App [").and_then(|(_, rest)| rest.split_once(']')) else { continue };
        if what.starts_with(" exited with code") {
            let time = lines::dissect(line, &mut clock).time().millis().filter(|&time| time >= since);
            ends.entry(app.to_owned()).or_default().extend(time);
        }
    }
    let going_on = ends.values().filter(|times| steady_pause(times, now).is_some());
    going_on.map(|times| times.len() as u64).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_last_minute() {
        let now: Timestamp = "2026-11-27T06:43:32Z".parse().unwrap();
        let at = |ago: u64| {
            let time = now.checked_sub(Duration::from_secs(ago)).unwrap().to_zoned(TimeZone::system());
            time.strftime("%Y-%m-%dT%H:%M:%S").to_string()
        };
        let log: String = [300, 20, 15, 10, 5]
            .map(|ago| {
                let at = at(ago);
                format!("{at}: PM2 log: App [tgbot:0] exited with code [1] via signal [SIGINT]\n{at}: PM2 log: App [tgbot:0] online\n")
            })
            .concat();
        assert_eq!(of_log(log.as_bytes(), now), 4);
        assert_eq!(of_log(b"", now), 0);
    }
}
