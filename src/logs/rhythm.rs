//! The pattern in the times of conflicts, and what it suggests.
//!
//! Telegram delays a second 409 by three seconds, and clients pause before they poll again. So two bots that keep polling
//! see a conflict every few seconds (python-telegram-bot: up to 30 s apart). Conflicts that are slower, but very regular, come
//! from a supervisor that keeps starting the bot.

use serde::Serialize;

use super::words::Library;

/// Conflicts this far apart, in milliseconds, belong to two bursts.
pub const APART: i64 = 10 * 60 * 1000;
/// Fewer conflicts than this have no pattern.
const FEW: u64 = 3;
/// A burst at a deploy is over after this time.
const DEPLOY: i64 = 5 * 60 * 1000;
/// Single conflicts this far apart come from deploys, not from a poller that runs all the time.
const RARE: i64 = 3 * 60 * 60 * 1000;
/// Two pollers conflict at least this often.
const PING_PONG: i64 = 9 * 1000;
/// The same for python-telegram-bot, whose pauses grow to 30 s.
const PING_PONG_PTB: i64 = 35 * 1000;

/// A series of conflicts without a longer pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// The first conflict, in milliseconds since 1970.
    pub start: i64,
    /// The last one.
    pub end: i64,
    /// How many there were.
    pub count: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PatternKind {
    /// No conflict.
    None,
    /// Too few to tell.
    Isolated,
    /// A webhook is set. There is no second poller.
    Webhook,
    /// All the time, without a rhythm.
    Steady,
    /// Short bursts with long pauses in between.
    Bursts,
    /// Two pollers that end each other's polls.
    PingPong,
    /// Something keeps starting the bot.
    RespawnLoop,
    /// The lines have no times.
    Undated,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pattern {
    pub kind: PatternKind,
    /// The seconds from one to the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<f64>,
    /// What it was concluded from.
    pub evidence: String,
    /// What it suggests.
    pub suggestion: &'static str,
}

/// What a pattern is concluded from.
#[derive(Debug, Clone, Copy)]
pub struct PatternFacts<'a> {
    /// 409s because of another poller, with and without a time.
    pub other_poller: u64,
    /// 409s because of a webhook.
    pub webhook: u64,
    /// Bursts of conflicts in the order of time.
    pub bursts: &'a [Burst],
    /// The times of the latest conflicts, sorted.
    pub conflicts: &'a [i64],
    /// The times of the latest starts, sorted.
    pub starts: &'a [i64],
    /// The library that wrote most of the conflicts.
    pub client: Library,
}

pub fn recognise(facts: &PatternFacts<'_>) -> Pattern {
    let (shape, every, evidence) = shape_of(facts);
    Pattern { kind: shape, every: every.map(rounded), evidence, suggestion: suggestion(shape) }
}

fn shape_of(facts: &PatternFacts<'_>) -> (PatternKind, Option<i64>, String) {
    if facts.other_poller == 0 && facts.webhook == 0 {
        return (PatternKind::None, None, "no conflicts".into());
    }
    if facts.webhook > facts.other_poller {
        return (PatternKind::Webhook, None, format!("{} of the conflicts name a webhook", facts.webhook));
    }
    if facts.conflicts.is_empty() {
        return (PatternKind::Undated, None, "no conflict has a timestamp".into());
    }
    if facts.other_poller < FEW {
        return (PatternKind::Isolated, None, format!("{} in total", facts.other_poller));
    }
    if let Some(found) = bursts(facts) {
        return found;
    }
    let steps = StepsBetween::of(facts.conflicts);
    let starts = StepsBetween::of(facts.starts);
    let many_starts = starts.count >= 2 && starts.count * 2 >= steps.count;
    if many_starts || facts.client.dies_of_a_conflict() {
        let (steps, what) =
            if many_starts { (starts, "starts of the bot") } else { (steps, "conflicts that each ended the bot") };
        return (
            PatternKind::RespawnLoop,
            Some(steps.median),
            format!("{} {what}, {}", steps.count + 1, steps.words()),
        );
    }
    let limit = if facts.client == Library::Ptb { PING_PONG_PTB } else { PING_PONG };
    let evidence = format!("{} conflicts, {}", steps.count + 1, steps.words());
    if steps.count > 0 && steps.median <= limit && steps.is_regular(1.0) {
        (PatternKind::PingPong, Some(steps.median), evidence)
    } else if steps.count >= 2 && steps.is_regular(0.25) {
        (PatternKind::RespawnLoop, Some(steps.median), evidence)
    } else {
        (PatternKind::Steady, None, evidence)
    }
}

fn bursts(facts: &PatternFacts<'_>) -> Option<(PatternKind, Option<i64>, String)> {
    let bursts = facts.bursts;
    if bursts.len() < 2 || bursts.iter().any(|burst| burst.end - burst.start > DEPLOY) {
        return None;
    }
    let single = bursts.iter().filter(|burst| burst.count == 1).count();
    let pauses: Vec<i64> = bursts.windows(2).map(|pair| pair[1].start - pair[0].end).collect();
    if single * 2 > bursts.len() && median(&pauses) < RARE {
        return None;
    }
    let longest = bursts.iter().map(|burst| burst.end - burst.start).max().unwrap_or(0);
    let evidence =
        format!("{} bursts, each at most {} long, with no conflicts in between", bursts.len(), span(longest.max(1000)));
    Some((PatternKind::Bursts, None, evidence))
}

/// The steps between times, without the pauses between bursts.
#[derive(Debug, Clone, Copy)]
struct StepsBetween {
    count: usize,
    lower: i64,
    median: i64,
    upper: i64,
}

impl StepsBetween {
    fn of(times: &[i64]) -> Self {
        let mut steps: Vec<i64> =
            times.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| (1000..=APART).contains(step)).collect();
        steps.sort_unstable();
        let quantile = |part: usize| steps.get(steps.len() * part / 4).or(steps.last()).copied().unwrap_or(0);
        Self { count: steps.len(), lower: quantile(1), median: quantile(2), upper: quantile(3) }
    }

    /// Whether the middle half of the steps differs by no more than this part of the median.
    #[expect(clippy::cast_precision_loss, reason = "steps are below ten minutes")]
    fn is_regular(self, tolerance: f64) -> bool {
        self.median > 0 && (self.upper - self.lower) as f64 <= tolerance * self.median as f64
    }

    fn words(self) -> String {
        let (median, lower, upper) = (span(self.median), span(self.lower), span(self.upper));
        let spread = if lower == upper { String::new() } else { format!(" (mostly {lower} to {upper} apart)") };
        format!("one every {median}{spread}")
    }
}

fn median(values: &[i64]) -> i64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn span(millis: i64) -> String {
    let millis = if millis >= 10_000 { (millis + 500) / 1000 * 1000 } else { millis };
    crate::base::duration::show(std::time::Duration::from_millis(millis.unsigned_abs()))
}

/// To a tenth of a second.
#[expect(clippy::cast_precision_loss, reason = "steps are below ten minutes")]
fn rounded(millis: i64) -> f64 {
    ((millis + 50) / 100) as f64 / 10.0
}

fn suggestion(shape: PatternKind) -> &'static str {
    match shape {
        PatternKind::None => "",
        PatternKind::Isolated => {
            "a conflict or two around a start are normal; to check the bot now: solobot check --running"
        }
        PatternKind::Webhook => "a webhook keeps the bot from polling; to delete it: solobot delete-webhook",
        PatternKind::Steady => {
            "another poller runs all the time, perhaps on another machine; to find it: solobot doctor"
        }
        PatternKind::Bursts => {
            "a new instance starts before the old one ends; to let it wait: solobot acquire -- COMMAND"
        }
        PatternKind::PingPong => {
            "two instances end each other's polls, perhaps one of them on another machine; to keep one here: \
             solobot kill-duplicates"
        }
        PatternKind::RespawnLoop => {
            "something keeps starting the bot while another instance polls; to let it wait: \
             solobot acquire --wait forever -- COMMAND"
        }
        PatternKind::Undated => "the lines have no timestamps: let the logger write them, in Python with %(asctime)s",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bursts_of(times: &[i64]) -> Vec<Burst> {
        let mut bursts: Vec<Burst> = Vec::new();
        for &time in times {
            match bursts.last_mut().filter(|burst| time - burst.end <= APART) {
                Some(burst) => (burst.end, burst.count) = (time, burst.count + 1),
                None => bursts.push(Burst { start: time, end: time, count: 1 }),
            }
        }
        bursts
    }

    fn pattern(conflicts: &[i64], starts: &[i64], client: Library) -> Pattern {
        let bursts = bursts_of(conflicts);
        let other_poller = conflicts.len() as u64;
        recognise(&PatternFacts { other_poller, webhook: 0, bursts: &bursts, conflicts, starts, client })
    }

    /// `count` times from `start` on, every `step` seconds, off by up to `jitter` milliseconds.
    fn series(start: i64, count: i64, step: f64, jitter: i64) -> Vec<i64> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small numbers")]
        let at = |index: i64| start + (index as f64 * step * 1000.0) as i64 + (index * 7919 % 101 - 50) * jitter / 50;
        (0..count).map(at).collect()
    }

    #[test]
    fn two_pollers_play_ping_pong() {
        for (client, step) in
            [(Library::Aiogram3, 5.0), (Library::Telebot, 3.8), (Library::Ptb, 5.5), (Library::Ptb, 31.0)]
        {
            let found = pattern(&series(0, 40, step, 800), &[], client);
            assert_eq!(found.kind, PatternKind::PingPong, "{client:?} {step} {found:?}");
            assert!((found.every.unwrap() - step).abs() < 1.0, "{found:?}");
        }
    }

    #[test]
    fn a_respawn_loop_is_as_regular_as_a_clock_or_shows_its_starts() {
        let found = pattern(&series(0, 30, 10.0, 200), &[], Library::Aiogram3);
        assert_eq!((found.kind, found.every.map(f64::round)), (PatternKind::RespawnLoop, Some(10.0)), "{found:?}");
        let found = pattern(&series(0, 30, 4.0, 200), &[], Library::Telegraf);
        assert_eq!(found.kind, PatternKind::RespawnLoop);
        let starts = series(-1000, 30, 30.0, 300);
        let found = pattern(&series(0, 30, 30.0, 300), &starts, Library::Ptb);
        assert_eq!((found.kind, found.every.map(f64::round)), (PatternKind::RespawnLoop, Some(30.0)), "{found:?}");
    }

    #[test]
    fn deploys_make_bursts() {
        let hours = 3_600_000;
        let times: Vec<i64> = (0..5).flat_map(|day| series(day * 24 * hours, 4, 5.0, 0)).collect();
        assert_eq!(pattern(&times, &[], Library::Aiogram3).kind, PatternKind::Bursts);
        let single: Vec<i64> = (0..5).map(|day| day * 24 * hours).collect();
        assert_eq!(pattern(&single, &[], Library::Aiogram3).kind, PatternKind::Bursts);
    }

    #[test]
    fn the_rest_is_steady() {
        let irregular: Vec<i64> = (0..60)
            .scan(0, |at, index| {
                *at += (index * 37 % 50 + 2) * 1000;
                Some(*at)
            })
            .collect();
        assert_eq!(pattern(&irregular, &[], Library::Unknown).kind, PatternKind::Steady);
        let sparse = series(0, 50, 1200.0, 400_000);
        assert_eq!(pattern(&sparse, &[], Library::Unknown).kind, PatternKind::Steady);
    }

    #[test]
    fn too_little_tells_nothing() {
        assert_eq!(pattern(&[], &[], Library::Unknown).kind, PatternKind::None);
        assert_eq!(pattern(&[0, 5000], &[], Library::Unknown).kind, PatternKind::Isolated);
        let facts = PatternFacts {
            other_poller: 9,
            webhook: 0,
            bursts: &[],
            conflicts: &[],
            starts: &[],
            client: Library::Unknown,
        };
        assert_eq!(recognise(&facts).kind, PatternKind::Undated);
        let facts = PatternFacts { webhook: 10, ..facts };
        assert_eq!(recognise(&facts).kind, PatternKind::Webhook);
    }
}
