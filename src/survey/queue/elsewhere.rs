//! Whether somebody else fetches: the rules for one message that the operator sends while nothing of the bot runs here.
//!
//! Pure: what was seen and when goes in, what to do next comes out. Proved is only a queue that was empty, then was not, and
//! then was empty again and stayed so, within `SOON`: less than any update lives, and too orderly for counts that a server
//! or something before it has kept (those jump, or do not move).

use std::time::Duration;

/// A message that came and went within this time was fetched: the shortest life that an update has is 30 s.
const SOON: Duration = Duration::from_secs(25);
/// A count that has not moved for so long is believed.
const STEADY: Duration = Duration::from_secs(2);
/// The count of a bot that is not busy is steady after this time.
const SETTLES: Duration = Duration::from_secs(20);
/// Nobody polls who leaves an update for so long, unless it is busy or waits after an error.
const UNFETCHED: Duration = Duration::from_mins(1);
/// How long the message may take to come.
pub const MESSAGE: Duration = Duration::from_mins(2);
/// More falls than this without a proof are no fetches of one message.
const JUMPS: usize = 3;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStep {
    Look,
    /// The count is steady: now is the time for the message.
    Ask,
    Done(Answer),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The message came, and was gone so soon.
    Fetched {
        after: Duration,
    },
    /// It was there for so long.
    Stays {
        pending: u64,
        for_long: Duration,
    },
    CannotTell(NoProof),
}

/// Why it cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoProof {
    /// The queue is never empty, and updates leave it: of whatever age.
    Busy,
    /// It did not grow.
    NothingCame,
    /// The message was gone, but later than `SOON`.
    Late,
    /// The count goes up and down as no queue does.
    Jumps,
}

/// What was seen: when, and how many updates waited.
#[derive(Debug, Default)]
pub struct MessageWatch {
    seen: Vec<(Duration, u64)>,
    /// From which look on the message may have come.
    asked: Option<usize>,
}

impl MessageWatch {
    /// Takes in a look.
    pub fn step(&mut self, at: Duration, pending: u64) -> NextStep {
        self.seen.push((at, pending));
        match self.asked {
            None => self.before(at),
            Some(first) => after(&self.seen[first..]),
        }
    }

    fn before(&mut self, at: Duration) -> NextStep {
        let pending = self.seen.last().map_or(0, |last| last.1);
        let (begin, steady) = (self.seen[0].0, at.saturating_sub(since(&self.seen, |count| count == pending)));
        let has_settled = at.saturating_sub(begin) >= SETTLES;
        if steady >= STEADY && (pending == 0 || has_settled) {
            self.asked = Some(self.seen.len() - 1);
            return NextStep::Ask;
        }
        if has_settled && falls(&self.seen) > 0 {
            NextStep::Done(Answer::CannotTell(NoProof::Busy))
        } else {
            NextStep::Look
        }
    }
}

/// `seen` begins with the look at which the message was asked for.
fn after(seen: &[(Duration, u64)]) -> NextStep {
    let (asked, base) = seen[0];
    let (now, pending) = seen.last().copied().unwrap_or_default();
    let done = |doubt| NextStep::Done(Answer::CannotTell(doubt));
    if falls(seen) > JUMPS {
        return done(NoProof::Jumps);
    }
    if base > 0 && falls(seen) > 0 {
        return done(NoProof::Busy);
    }
    let highest = seen.iter().map(|look| look.1).max().unwrap_or(0);
    if highest <= base {
        return if now.saturating_sub(asked) >= MESSAGE { done(NoProof::NothingCame) } else { NextStep::Look };
    }
    if pending == 0 {
        // Empty, then not, then empty: the last time.
        let emptied = since(seen, |count| count == 0);
        let full: Vec<&(Duration, u64)> = seen.iter().filter(|look| look.0 < emptied).collect();
        let empty_before = full.iter().rposition(|look| look.1 == 0).map_or(asked, |at| full[at].0);
        let after = emptied.saturating_sub(empty_before);
        return match now.saturating_sub(emptied) >= STEADY {
            true if after <= SOON => NextStep::Done(Answer::Fetched { after }),
            true => done(NoProof::Late),
            false => NextStep::Look,
        };
    }
    // How long it has been there: since the count was last lower, or higher.
    let grown = since(seen, |count| count > base);
    let stays = now.saturating_sub(grown.max(last_fall(seen).unwrap_or(grown)));
    if stays >= UNFETCHED {
        return NextStep::Done(Answer::Stays { pending, for_long: stays });
    }
    if now.saturating_sub(asked) >= MESSAGE + 2 * UNFETCHED { done(NoProof::Jumps) } else { NextStep::Look }
}

/// Since when the counts are as they are now.
fn since(seen: &[(Duration, u64)], is_so: impl Fn(u64) -> bool) -> Duration {
    let end = seen.last().map_or(Duration::ZERO, |last| last.0);
    seen.iter().rev().take_while(|look| is_so(look.1)).last().map_or(end, |look| look.0)
}

fn falls(seen: &[(Duration, u64)]) -> usize {
    seen.windows(2).filter(|pair| pair[1].1 < pair[0].1).count()
}

fn last_fall(seen: &[(Duration, u64)]) -> Option<Duration> {
    seen.windows(2).rev().find(|pair| pair[1].1 < pair[0].1).map(|pair| pair[1].0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks twice a second at counts that change at these seconds; what came of it, and when the message was asked for.
    fn watch(changes: &[(u64, u64)]) -> (Answer, Option<u64>) {
        let mut watch = MessageWatch::default();
        let mut asked = None;
        for half in 0..2000 {
            let at = Duration::from_millis(half * 500);
            let pending = changes.iter().rev().find(|change| change.0 <= at.as_secs()).map_or(0, |change| change.1);
            match watch.step(at, pending) {
                NextStep::Look => {}
                NextStep::Ask => asked = Some(at.as_secs()),
                NextStep::Done(answer) => return (answer, asked),
            }
        }
        panic!("no end: {changes:?}");
    }

    fn answer(changes: &[(u64, u64)]) -> Answer {
        watch(changes).0
    }

    #[test]
    fn proved_is_only_empty_full_empty() {
        let Answer::Fetched { after } = answer(&[(5, 1), (6, 0)]) else { panic!("it came and went") };
        assert!(after <= Duration::from_millis(1500), "{after:?}");
        assert_eq!(watch(&[(5, 1), (6, 0)]).1, Some(2), "asked for once the count is steady");
        assert!(matches!(answer(&[(90, 2), (92, 1), (94, 0)]), Answer::Fetched { .. }), "two messages");
        assert!(matches!(answer(&[(5, 1), (28, 0)]), Answer::Fetched { .. }));
        assert_eq!(answer(&[(5, 1), (35, 0)]), Answer::CannotTell(NoProof::Late), "an inline query is gone by then");
        assert!(matches!(answer(&[(0, 3), (1, 0), (30, 1), (31, 0)]), Answer::Fetched { .. }), "a drop before it");
    }

    #[test]
    fn what_stays_for_a_minute_is_fetched_by_nobody() {
        let Answer::Stays { pending: 1, for_long } = answer(&[(5, 1)]) else { panic!("it stays") };
        assert_eq!(for_long.as_secs(), 60);
        assert!(matches!(answer(&[(5, 1), (20, 2), (40, 3)]), Answer::Stays { pending: 3, .. }));
        assert!(matches!(answer(&[(0, 5), (30, 6)]), Answer::Stays { pending: 6, .. }), "others have waited before");
        assert_eq!(watch(&[(0, 5), (30, 6)]).1, Some(20));
    }

    #[test]
    fn everything_else_is_no_proof() {
        assert_eq!(answer(&[]), Answer::CannotTell(NoProof::NothingCame));
        assert_eq!(answer(&[(0, 5)]), Answer::CannotTell(NoProof::NothingCame));
        assert_eq!(answer(&[(0, 5), (40, 6), (45, 0)]), Answer::CannotTell(NoProof::Busy), "a drop, or a fetch");
        assert_eq!(answer(&[(0, 5), (40, 4)]), Answer::CannotTell(NoProof::Busy), "too old, or fetched");
        let busy: Vec<(u64, u64)> = (0..40).map(|second| (second, 3 + second * 7 % 5)).collect();
        assert_eq!(answer(&busy), Answer::CannotTell(NoProof::Busy));
        // Two servers that answer in turn, one of which has an old count.
        let jumps: Vec<(u64, u64)> = (5..60).map(|second| (second, second % 2)).collect();
        assert_eq!(answer(&jumps), Answer::CannotTell(NoProof::Jumps));
    }

    #[test]
    fn a_minute_without_a_fetch_begins_again_with_each_fall() {
        let answer = answer(&[(5, 3), (60, 2), (70, 0)]);
        assert_eq!(answer, Answer::CannotTell(NoProof::Late), "one was fetched after 55 s");
    }
}
