//! The ends of files that somebody else writes.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::platform::filesystem::{open_regular, read_at};

/// The last part of a file; `None` if it cannot be read.
pub fn end_of(path: &Path, most: usize) -> Option<Vec<u8>> {
    let file = open_regular(path).ok()?;
    let size = file.metadata().ok()?.len();
    let mut text = vec![0; most];
    let got = read_at(&file, &mut text, size.saturating_sub(most as u64)).ok()?;
    text.truncate(got);
    Some(text)
}

/// What happens more often is over once it has not happened for so long.
const OVER: Duration = Duration::from_secs(5);

/// The usual pause between moments in milliseconds, in their order, that go on until now: the last one is no longer ago
/// than three of those pauses.
pub fn steady_pause(moments: &[i64], now: Timestamp) -> Option<Duration> {
    let mut pauses: Vec<i64> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
    pauses.sort_unstable();
    let of_millis = |millis: i64| u64::try_from(millis).ok().map(Duration::from_millis);
    let usual = of_millis(*pauses.get(pauses.len() / 2)?)?;
    // A clock that is a little ahead is no reason.
    let since = of_millis((now.as_millisecond() - moments.last()?).max(0))?;
    (since <= OVER.max(usual * 3)).then_some(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_and_what_is_over() {
        let now = Timestamp::from_second(1_000).unwrap();
        let pause = |seconds: &[i64]| {
            let moments: Vec<i64> = seconds.iter().map(|second| second * 1000).collect();
            steady_pause(&moments, now).map(|pause| pause.as_secs())
        };
        assert_eq!(pause(&[996, 997, 998]), Some(1));
        assert_eq!(pause(&[980, 982, 984]), None);
        assert_eq!(pause(&[800, 860, 920]), Some(60));
        assert_eq!((pause(&[999]), pause(&[])), (None, None));
    }
}
