//! What the looks at a queue tell: pure, with the time as an argument.
//!
//! Only looks that follow one another within `GAP` count together, by clocks that nobody sets. What leaves the queue was
//! fetched, is too old, or was dropped; so a fall never proves who fetched. What stays while updates wait and no byte comes
//! in is deafness; whatever cannot be seen speaks for the bot.

use std::fmt;
use std::time::Duration;

use super::QueueHistory;
use crate::base::duration::show;
use crate::base::text::plural;
use crate::journal::looks::{Here, Look, Moment, Traffic};

/// Looks further apart do not belong together.
const GAP: Duration = Duration::from_mins(5);
/// So long after a webhook nothing is concluded.
const WEBHOOK: Duration = Duration::from_mins(5);
/// Telegram answers a poll within this time, so a client that polls hears something at least so often.
pub const POLL: Duration = Duration::from_secs(50);
/// Nobody who polls leaves an update for longer, unless it is busy or waits after an error.
const UNFETCHED: Duration = Duration::from_mins(1);
/// A connection that brings something after such a time is kept open between polls.
const LONGER_THAN_A_POLL: Duration = Duration::from_mins(1);
/// So many looks without a connection tell that there is none: a client may close its own between two polls.
const UNCONNECTED_LOOKS: usize = 8;

/// What is to be said of a bot that runs here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing speaks against it.
    Fine,
    /// A webhook is or was just set: the queue says nothing about polling.
    Webhook,
    /// Nobody knows yet: another look is needed after this time.
    TooFew { after: Duration },
    /// It fetches nothing.
    Deaf(Stuck),
    /// Updates wait for it, but it is not known to be deaf, for this reason.
    Slow(Stuck, String),
}

/// Updates that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    pub pending: u64,
    /// None has left for so long.
    pub since: Duration,
    /// So many looks have seen that.
    pub looks: usize,
    /// No byte has come for so long, where that is known.
    pub quiet: Option<Duration>,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let are = if self.pending == 1 { "is" } else { "are" };
        let (updates, since) = (plural(self.pending, "update"), show(whole_seconds(self.since)));
        write!(f, "{updates} {are} waiting at Telegram, and none has left the queue for {since}")
    }
}

/// Nobody wants to read milliseconds behind minutes.
fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

/// What the connections have brought.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Silence {
    /// A byte, so long ago.
    Heard(Duration),
    /// Nothing for so long, which is long enough.
    Silent(Duration),
    /// Nothing so far: this much longer, and it is long enough.
    TooShort(Duration),
    Unseen(String),
}

/// Where the looks at waiting updates begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// Some were fetched before, there were none, or the bot has just started.
    Known,
    /// Nobody looked.
    Unknown,
}

impl QueueHistory {
    /// Whether the bot that runs here fetches its updates, which it has to within that time.
    pub fn judge(&self, within: Duration) -> Judgement {
        let Some(last) = self.looks.last() else { return Judgement::TooFew { after: Duration::ZERO } };
        if self.has_webhook() {
            return Judgement::Webhook;
        }
        if last.pending == 0 {
            return Judgement::Fine;
        }
        let (waiting, beginning) = self.waiting();
        let since = waiting.last().and_then(|first| first.at.until(&self.now)).unwrap_or_default();
        let stuck = Stuck { pending: last.pending, since, looks: waiting.len(), quiet: None };
        let left = within.saturating_sub(since);
        match (self.silence(within + POLL), left.is_zero(), beginning) {
            (Silence::Silent(quiet), true, _) => Judgement::Deaf(Stuck { quiet: Some(quiet), ..stuck }),
            (Silence::Heard(quiet), true, _) => {
                let why = format!("the last byte came on its connection {} ago", show(whole_seconds(quiet)));
                Judgement::Slow(Stuck { quiet: Some(quiet), ..stuck }, why)
            }
            (Silence::Unseen(why), true, _) => Judgement::Slow(stuck, why),
            (Silence::TooShort(more), true, _) => Judgement::TooFew { after: more },
            (_, false, Beginning::Known) | (Silence::Heard(_) | Silence::Unseen(_), false, _) => Judgement::Fine,
            (Silence::Silent(_), false, Beginning::Unknown) => Judgement::TooFew { after: left },
            (Silence::TooShort(more), false, Beginning::Unknown) => Judgement::TooFew { after: left.max(more) },
        }
    }

    /// How long updates have waited that came while nothing ran here, if nobody fetched them within a minute.
    pub fn unfetched(&self) -> Option<Stuck> {
        let last = self.looks.last()?;
        if !self.here.instances.is_empty() || self.has_webhook() || last.pending == 0 {
            return None;
        }
        let (waiting, _) = self.waiting();
        let before = self.chain().nth(waiting.len());
        let has_risen = |at: usize| {
            let earlier = waiting.get(at + 1).copied().or(before.filter(|_| at + 1 == waiting.len()));
            earlier.is_some_and(|earlier| earlier.pending < waiting[at].pending)
        };
        let first = (0..waiting.len()).rfind(|&at| has_risen(at))?;
        let since = waiting[first].at.until(&self.now)?;
        let stuck = Stuck { pending: last.pending, since, looks: first + 1, quiet: None };
        (since >= UNFETCHED).then_some(stuck)
    }

    /// The last fall of the count while nothing of the bot ran here: before and after it.
    pub fn fell(&self) -> Option<(&Look, &Look)> {
        let is_empty = |look: &Look| look.here.instances.is_empty() && !look.here.in_doubt;
        let chain: Vec<&Look> = self.chain().collect();
        let pairs = chain.windows(2).map(|pair| (pair[1], pair[0]));
        let mut falls = pairs.filter(|(before, after)| before.pending > after.pending);
        falls.find(|(before, after)| is_empty(before) && is_empty(after)).filter(|_| !self.has_webhook())
    }

    /// The looks that belong together up to now, the latest first: none too far apart, none at a webhook.
    fn chain(&self) -> impl Iterator<Item = &Look> {
        let mut later: &Moment = &self.now;
        self.looks.iter().rev().take_while(move |look| {
            let is_near = look.at.until(later).is_some_and(|apart| apart <= GAP);
            later = &look.at;
            is_near && !look.webhook
        })
    }

    fn has_webhook(&self) -> bool {
        let is_young = |look: &&Look| look.at.until(&self.now).is_some_and(|age| age < WEBHOOK);
        let last = self.looks.last().into_iter();
        self.looks.iter().filter(is_young).chain(last).any(|look| look.webhook)
    }

    /// The looks up to now at which updates waited for the same instances and none had left, the latest first.
    fn waiting(&self) -> (Vec<&Look>, Beginning) {
        let mut waiting: Vec<&Look> = Vec::new();
        for look in self.chain() {
            let is_fall = waiting.last().is_some_and(|later| look.pending > later.pending);
            if look.pending == 0 || is_fall || !look.here.is_same(&self.here) {
                return (waiting, Beginning::Known);
            }
            waiting.push(look);
        }
        (waiting, Beginning::Unknown)
    }

    fn silence(&self, wanted: Duration) -> Silence {
        let looks: Vec<&Look> = self.chain().take_while(|look| look.here.is_same(&self.here)).collect();
        let begin = looks.last().and_then(|look| look.at.until(&self.now)).unwrap_or_default();
        let recent = looks.iter().filter(|look| look.at.until(&self.now).is_some_and(|age| age < wanted));
        let all = || recent.clone().map(|look| &look.here).chain([&self.here]);
        if let Some(why) = all().find_map(|here| match &here.traffic {
            Traffic::Unseen(why) => Some(why.clone()),
            Traffic::Seen(_) => None,
        }) {
            return Silence::Unseen(why);
        }
        let last_byte = |at: &Moment, here: &Here| here.quiet().and_then(|quiet| Some(at.until(&self.now)? + quiet));
        let earlier = looks.iter().filter_map(|look| last_byte(&look.at, &look.here));
        let heard = earlier.chain(last_byte(&self.now, &self.here)).min();
        match heard {
            Some(quiet) if quiet < wanted => Silence::Heard(quiet),
            // A connection that is open shows its own past.
            Some(quiet) if self.here.quiet().is_some() => Silence::Silent(quiet),
            _ if !self.keeps_its_connection() => {
                Silence::Unseen("its client may connect only for a moment, between two looks".into())
            }
            heard => {
                let quiet = heard.map_or(begin, |heard| heard.min(begin));
                let unconnected = looks.iter().take_while(|look| look.here.quiet().is_none()).count();
                if quiet >= wanted && unconnected >= UNCONNECTED_LOOKS {
                    return Silence::Silent(quiet);
                }
                let looks_left = u32::try_from(UNCONNECTED_LOOKS.saturating_sub(unconnected)).unwrap_or(0);
                let more = wanted.saturating_sub(quiet).max(crate::journal::looks::APART * looks_left);
                Silence::TooShort(more)
            }
        }
    }

    /// Whether an instance was seen to use a connection again after longer than a poll takes: so it keeps it open.
    fn keeps_its_connection(&self) -> bool {
        let same: Vec<&Look> = self.looks.iter().filter(|look| look.here.is_same(&self.here)).collect();
        same.iter().enumerate().any(|(at, early)| {
            same[at..].iter().any(|late| {
                let Some(apart) = early.at.until(&late.at).filter(|apart| *apart >= LONGER_THAN_A_POLL) else {
                    return false;
                };
                let is_used = |id: u64, quiet: u64| {
                    early.here.flows().iter().any(|flow| flow.0 == id) && Duration::from_millis(quiet) < apart
                };
                late.here.flows().iter().any(|&(id, quiet)| is_used(id, quiet))
            })
        })
    }
}

impl Here {
    fn is_same(&self, other: &Self) -> bool {
        self.namespace == other.namespace && self.instances == other.instances
    }

    fn flows(&self) -> &[(u64, u64)] {
        match &self.traffic {
            Traffic::Seen(flows) => flows,
            Traffic::Unseen(_) => &[],
        }
    }

    /// How long ago the last byte came on any connection that is open; `None` if none is.
    fn quiet(&self) -> Option<Duration> {
        self.flows().iter().map(|&(_, quiet)| Duration::from_millis(quiet)).min()
    }
}

#[cfg(test)]
mod tests;
