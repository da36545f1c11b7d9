//! The progress of a wait: one line that redraws on a terminal, elsewhere a line from time to time. The only file that
//! uses indicatif.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::stream;
use super::{conflicts, notice};
use crate::base::duration::Limit;
use crate::outcome::events::Awaited;

/// Off a terminal, a line is printed when the wait passes these, and then every [`LATER`].
const FIRST: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(15), Duration::from_mins(1)];
/// See [`FIRST`].
const LATER: Duration = Duration::from_mins(10);

/// The progress that is shown.
#[derive(Debug, Default)]
pub struct Progress {
    bar: Option<ProgressBar>,
    /// How many lines were printed.
    lines: u32,
    /// When reading began, and when it was shown last.
    reading: Option<(Instant, Instant)>,
}

/// Work that takes no longer shows no progress.
const SHORT: Duration = Duration::from_secs(1);
/// How often a line is redrawn.
const REDRAWN: Duration = Duration::from_millis(100);

impl Progress {
    /// Shows how long the wait has lasted. Called about once a second.
    pub fn waiting(&mut self, what: Awaited, elapsed: Duration, wait: Limit) {
        let text = notice::waiting(what, elapsed, wait);
        if stream::can_redraw(&std::io::stderr()) {
            self.redraw(text);
        } else if elapsed >= due(self.lines) {
            self.lines = lines_after(elapsed);
            stream::notice(&format!("solobot: {text}\n"), false);
        }
    }

    /// Shows on a terminal how far reading is. Called often; work of less than a second shows nothing.
    pub fn reading(&mut self, done: u64, total: Option<u64>) {
        let now = Instant::now();
        let (began, shown) = *self.reading.get_or_insert((now, now));
        if now - began >= SHORT && now - shown >= REDRAWN && stream::can_redraw(&std::io::stderr()) {
            self.reading = Some((began, now));
            self.redraw(conflicts::reading(done, total));
        }
    }

    /// Shows on a terminal what is being done; elsewhere nobody waits for it.
    pub fn passing(&mut self, text: String) {
        if stream::can_redraw(&std::io::stderr()) {
            self.redraw(text);
        }
    }

    /// Says what is watched: on a terminal until that is over.
    pub fn watching(&mut self, text: &str) {
        if stream::can_redraw(&std::io::stderr()) {
            self.redraw(text.to_owned());
        } else {
            stream::notice(&format!("solobot: {text}\n"), false);
        }
    }

    fn redraw(&mut self, text: String) {
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}").unwrap_or(ProgressStyle::default_spinner());
            ProgressBar::new_spinner().with_style(style)
        });
        bar.set_message(text);
        bar.tick();
    }

    /// Takes the redrawn line away, before something else is printed.
    pub fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// When the line after `lines` printed ones is due.
fn due(lines: u32) -> Duration {
    match FIRST.get(lines as usize) {
        Some(&due) => due,
        None => LATER * (lines + 1 - u32::try_from(FIRST.len()).unwrap_or(0)),
    }
}

/// How many lines should have been printed after `elapsed`.
fn lines_after(elapsed: Duration) -> u32 {
    (0..u32::MAX).find(|&lines| due(lines) > elapsed).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_at_1_5_15_and_60_seconds_then_every_10_minutes() {
        let at: Vec<u64> = (0..7).map(|lines| due(lines).as_secs()).collect();
        assert_eq!(at, [1, 5, 15, 60, 600, 1200, 1800]);
        assert_eq!(lines_after(Duration::from_millis(900)), 0);
        assert_eq!(lines_after(Duration::from_secs(7)), 2);
        assert_eq!(lines_after(Duration::from_secs(1300)), 6);
    }
}
