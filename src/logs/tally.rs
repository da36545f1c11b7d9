//! Counts events: in total, by day or hour, and by client. It keeps a bounded number of times.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use jiff::ToSpan;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::event::{LogEvent, LogEventKind};
use super::rhythm::{self, APART, Burst, Pattern, PatternFacts};
use super::time::Time;
use super::words::{Kind, Library};

/// How many times are kept to recognise a pattern.
const KEPT: usize = 4096;
/// Two lines of one start (`Application started`, `Scheduler started`) are at most this far apart.
const ONE_START: i64 = 2000;

/// What the buckets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// Days of the wall clock.
    Day,
    /// Hours of the wall clock.
    Hour,
}

/// How often each kind was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Every 409: another poller, or a webhook.
    pub conflicts: u64,
    /// 409s because of another poller.
    pub other_poller: u64,
    /// 409s because of a webhook.
    pub webhook: u64,
    /// 429s.
    pub rate_limit: u64,
    /// No answer in time.
    pub timeout: u64,
    /// DNS, TCP, TLS, a proxy.
    pub network: u64,
    /// 5xx.
    pub server: u64,
    /// Any other error.
    pub other: u64,
}

impl Counts {
    fn add(&mut self, kind: Kind) {
        self.conflicts += u64::from(kind.is_conflict());
        *match kind {
            Kind::OtherPoller => &mut self.other_poller,
            Kind::Webhook => &mut self.webhook,
            Kind::RateLimit => &mut self.rate_limit,
            Kind::Timeout => &mut self.timeout,
            Kind::Network => &mut self.network,
            Kind::Server => &mut self.server,
            Kind::Other => &mut self.other,
        } += 1;
    }

    /// How often this kind was seen.
    pub fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::OtherPoller => self.other_poller,
            Kind::Webhook => self.webhook,
            Kind::RateLimit => self.rate_limit,
            Kind::Timeout => self.timeout,
            Kind::Network => self.network,
            Kind::Server => self.server,
            Kind::Other => self.other,
        }
    }

    /// All events together.
    pub fn errors(&self) -> u64 {
        Kind::ALL.iter().map(|kind| self.of(*kind)).sum()
    }
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TimeRange {
    /// How long, in seconds.
    pub seconds: u64,
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// A day or an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// When it begins.
    pub start: Timestamp,
    /// When it ends.
    #[serde(skip)]
    pub end: Timestamp,
    /// What happened in it.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What is counted.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Buckets.
    pub by: Period,
    /// Days and hours are those of this zone.
    pub zone: TimeZone,
    /// Nothing before, in milliseconds since 1970.
    pub since: Option<i64>,
    /// Nothing from here on.
    pub until: Option<i64>,
}

/// Counts events.
#[derive(Debug)]
pub struct Tally {
    limits: Limits,
    totals: Counts,
    clients: BTreeMap<Library, u64>,
    buckets: BTreeMap<i64, (i64, Counts)>,
    /// The bucket of the latest event.
    cached: (i64, i64),
    /// Stretches without a longer pause between two conflicts: their end, and how many were another poller's.
    bursts: BTreeMap<i64, (i64, u64)>,
    conflicts: VecDeque<i64>,
    starts: VecDeque<i64>,
    /// The last conflict of the log that is being read, and the longest step to the next one.
    previous: Option<i64>,
    longest: Option<(i64, i64)>,
    first: Option<i64>,
    last: Option<i64>,
    log_ends: Option<i64>,
    undated: u64,
    undated_conflicts: u64,
}

/// The result.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Of everything that was counted.
    pub totals: Counts,
    /// Errors without a time. They are left out with `--since` or `--until`.
    pub undated: u64,
    /// The 409s among them.
    pub undated_conflicts: u64,
    /// Conflicts by client library.
    pub clients: Vec<(Library, u64)>,
    /// Days or hours in order, quiet ones in between included.
    pub buckets: Vec<Bucket>,
    /// How many quiet ones in between are left out because there are too many.
    pub left_out: u64,
    /// The first conflict.
    pub first: Option<Timestamp>,
    /// The last conflict.
    pub last: Option<Timestamp>,
    /// The moments of the latest conflicts with another poller, in milliseconds since 1970.
    pub moments: Vec<i64>,
    /// The longest time without a conflict, up to the last line of the log.
    pub quiet: Option<TimeRange>,
    /// What the conflicts look like.
    pub pattern: Pattern,
}

impl Tally {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            totals: Counts::default(),
            clients: BTreeMap::new(),
            buckets: BTreeMap::new(),
            cached: (0, 0),
            bursts: BTreeMap::new(),
            conflicts: VecDeque::new(),
            starts: VecDeque::new(),
            previous: None,
            longest: None,
            first: None,
            last: None,
            log_ends: None,
            undated: 0,
            undated_conflicts: 0,
        }
    }

    /// Counts one event.
    pub fn add(&mut self, event: &LogEvent) {
        let millis = event.time.millis();
        match (event.what, millis) {
            (LogEventKind::Start, Some(millis)) if self.wants(millis) => self.start(millis),
            (LogEventKind::Error(kind, client), Some(millis)) if self.wants(millis) => {
                self.count(kind, client);
                self.bucket(millis).add(kind);
                if kind.is_conflict() {
                    self.conflict(millis, kind);
                }
            }
            (LogEventKind::Start, _) | (LogEventKind::Error(..), Some(_)) => {}
            (LogEventKind::Error(kind, client), None) => {
                self.undated += 1;
                self.undated_conflicts += u64::from(kind.is_conflict());
                if self.limits.since.is_none() && self.limits.until.is_none() {
                    self.count(kind, client);
                }
            }
        }
    }

    /// Ends a log whose latest time was this one.
    pub fn end_log(&mut self, latest: Time) {
        self.previous = None;
        if let Some(latest) = latest.millis() {
            let latest = self.limits.until.map_or(latest, |until| latest.min(until));
            self.log_ends = self.log_ends.max(Some(latest));
        }
    }

    fn wants(&self, millis: i64) -> bool {
        self.limits.since.is_none_or(|since| millis >= since) && self.limits.until.is_none_or(|until| millis < until)
    }

    fn count(&mut self, kind: Kind, client: Library) {
        self.totals.add(kind);
        if kind.is_conflict() {
            *self.clients.entry(client).or_default() += 1;
        }
    }

    fn start(&mut self, millis: i64) {
        if self.starts.back().is_some_and(|last| (millis - last).abs() <= ONE_START) {
            return;
        }
        keep(&mut self.starts, millis);
    }

    fn conflict(&mut self, millis: i64, kind: Kind) {
        self.first = Some(self.first.map_or(millis, |first| first.min(millis)));
        self.last = self.last.max(Some(millis));
        if let Some(previous) = self.previous.replace(millis)
            && self.longest.is_none_or(|(from, until)| millis - previous > until - from)
        {
            self.longest = Some((previous, millis));
        }
        if kind == Kind::OtherPoller {
            keep(&mut self.conflicts, millis);
        }
        self.burst(millis, u64::from(kind == Kind::OtherPoller));
    }

    /// Puts a conflict into its burst, and joins bursts that meet.
    fn burst(&mut self, millis: i64, one: u64) {
        let near = self.bursts.range(..=millis.saturating_add(APART)).next_back();
        let (start, end, count) = match near {
            Some((&start, &(end, count))) if millis <= end.saturating_add(APART) => (start, end, count),
            _ => {
                self.bursts.insert(millis, (millis, one));
                return;
            }
        };
        if (start..=end.max(millis)).contains(&millis) {
            self.bursts.insert(start, (end.max(millis), count + one));
            return;
        }
        // It is before all others of its burst: a clock went back.
        self.bursts.remove(&start);
        let before = self.bursts.range(..millis).next_back().map(|(&start, &(end, count))| (start, end, count));
        match before.filter(|(_, end, _)| millis <= end.saturating_add(APART)) {
            Some((first, _, more)) => self.bursts.insert(first, (end, count + more + one)),
            None => self.bursts.insert(millis, (end, count + one)),
        };
    }

    fn bucket(&mut self, millis: i64) -> &mut Counts {
        if !(self.cached.0..self.cached.1).contains(&millis) {
            self.cached = bounds(millis, &self.limits);
        }
        let (start, end) = self.cached;
        &mut self.buckets.entry(start).or_insert((end, Counts::default())).1
    }

    /// The result.
    pub fn finish(mut self) -> Summary {
        let sorted = |times: &mut VecDeque<i64>| {
            times.make_contiguous().sort_unstable();
            std::mem::take(times)
        };
        let (conflicts, starts) = (sorted(&mut self.conflicts), sorted(&mut self.starts));
        let all: Vec<Burst> = self.bursts.iter().map(|(&start, &(end, count))| Burst { start, end, count }).collect();
        let bursts: Vec<Burst> = all.iter().filter(|burst| burst.count > 0).copied().collect();
        let clients: Vec<(Library, u64)> = std::mem::take(&mut self.clients).into_iter().collect();
        let main = clients.iter().max_by_key(|(client, count)| (*count, *client != Library::Unknown));
        let pattern = rhythm::recognise(&PatternFacts {
            other_poller: self.totals.other_poller,
            webhook: self.totals.webhook,
            bursts: &bursts,
            conflicts: conflicts.as_slices().0,
            starts: starts.as_slices().0,
            client: main.map_or(Library::Unknown, |(client, _)| *client),
        });
        let quiet = self.quiet(&all);
        let (buckets, left_out) = filled(self.buckets, &self.limits);
        Summary {
            totals: self.totals,
            undated: self.undated,
            undated_conflicts: self.undated_conflicts,
            clients,
            buckets,
            left_out,
            first: self.first.and_then(instant),
            last: self.last.and_then(instant),
            moments: conflicts.into(),
            quiet,
            pattern,
        }
    }

    fn quiet(&self, bursts: &[Burst]) -> Option<TimeRange> {
        let between = bursts.windows(2).map(|pair| (pair[0].end, pair[1].start));
        let since = self.last.zip(self.log_ends.filter(|end| Some(*end) > self.last));
        // Within a burst no pause is longer than the longest step. Between two logs there is no step.
        let within = self.longest.filter(|(from, until)| until - from <= APART);
        let (from, until) = between.chain(since).chain(within).max_by_key(|(from, until)| until - from)?;
        let seconds = u64::try_from((until - from) / 1000).ok()?;
        Some(TimeRange { seconds, from: instant(from)?, until: instant(until)? })
    }
}

fn keep(times: &mut VecDeque<i64>, millis: i64) {
    if times.len() == KEPT {
        times.pop_front();
    }
    times.push_back(millis);
}

fn instant(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis).ok()
}

/// The day or the hour that an instant is in.
fn bounds(millis: i64, limits: &Limits) -> (i64, i64) {
    let bounds = instant(millis).and_then(|instant| {
        let now = instant.to_zoned(limits.zone.clone());
        let day = now.start_of_day().ok()?;
        match limits.by {
            Period::Day => Some((day.timestamp(), day.tomorrow().ok()?.start_of_day().ok()?.timestamp())),
            Period::Hour => {
                // Full hours of the wall clock: half an hour off UTC in India.
                let into =
                    i64::from(now.minute()) * 60_000 + i64::from(now.second()) * 1000 + i64::from(now.millisecond());
                let start = Timestamp::from_millisecond(millis - into).ok()?;
                Some((start, start.checked_add(1.hour()).ok()?))
            }
        }
    });
    bounds.map_or((millis, millis + 1), |(start, end)| (start.as_millisecond(), end.as_millisecond()))
}

/// Quiet days between two others are shown, but not the years between a clock of 1970 and ours.
const LONGEST_FILL: u64 = 366;
/// How many are shown in total: the hours of decades with one error a day would be millions.
const MOST_FILLED: u64 = 10_000;

/// All buckets in which something happened, and the quiet ones between them as far as there is room: a gap is filled or
/// it is not, the latest ones first. Besides, how many quiet ones are left out.
fn filled(buckets: BTreeMap<i64, (i64, Counts)>, limits: &Limits) -> (Vec<Bucket>, u64) {
    let bucket = |start: i64, end: i64, counts| Some(Bucket { start: instant(start)?, end: instant(end)?, counts });
    let mut all: Vec<Bucket> = Vec::with_capacity(buckets.len());
    let (mut room, mut left_out) = (MOST_FILLED, 0);
    let mut later = None;
    for (start, (end, counts)) in buckets.into_iter().rev() {
        let quiet = later.map_or(0, |later| periods(end, later, limits.by));
        if quiet > LONGEST_FILL || quiet > room {
            left_out += quiet;
            // Older gaps are not filled either, or a gap and quiet days would look alike.
            room = if quiet > room { 0 } else { room };
        } else if let Some(later) = later {
            room -= quiet;
            let mut missing = Vec::new();
            let mut at = end;
            while at < later {
                let (from, until) = bounds(at, limits);
                missing.extend(bucket(from, until, Counts::default()));
                at = until;
            }
            all.extend(missing.into_iter().rev());
        }
        all.extend(bucket(start, end, counts));
        later = Some(start);
    }
    all.reverse();
    (all, left_out)
}

/// How many buckets fit between two instants. A day may have 23 or 25 hours.
fn periods(from: i64, until: i64, by: Period) -> u64 {
    let length = match by {
        Period::Day => 86_400_000,
        Period::Hour => 3_600_000,
    };
    let between = u64::try_from(until - from).unwrap_or(0);
    if between == 0 { 0 } else { ((between + length / 2) / length).max(1) }
}

#[cfg(test)]
mod tests;
