//! Days, hours, bursts, limits.

use super::*;

const DAY: i64 = 86_400_000;
const START: i64 = 1_768_003_200_000; // 2026-01-10 00:00 UTC

fn limits(by: Period) -> Limits {
    Limits { by, zone: TimeZone::UTC, since: None, until: None }
}

fn at(millis: i64, kind: Kind) -> LogEvent {
    LogEvent { time: Time::at(millis), what: LogEventKind::Error(kind, Library::Aiogram3), line: 0 }
}

fn tally(limits: Limits, events: &[LogEvent]) -> Summary {
    let mut tally = Tally::new(limits);
    for event in events {
        tally.add(event);
    }
    tally.finish()
}

#[test]
fn days_with_quiet_ones_in_between() {
    let events =
        [at(START + 1, Kind::OtherPoller), at(START + DAY - 1, Kind::Webhook), at(START + 3 * DAY, Kind::Timeout)];
    let summary = tally(limits(Period::Day), &events);
    let days: Vec<(String, u64, u64)> =
        summary.buckets.iter().map(|day| (day.start.to_string(), day.counts.conflicts, day.counts.timeout)).collect();
    let expected = [("10", 2, 0), ("11", 0, 0), ("12", 0, 0), ("13", 0, 1)];
    let expected: Vec<_> = expected.map(|(day, a, b)| (format!("2026-01-{day}T00:00:00Z"), a, b)).into();
    assert_eq!(days, expected);
    assert_eq!((summary.totals.conflicts, summary.totals.errors()), (2, 3));
    assert_eq!(summary.quiet.unwrap().seconds, 86_399);
}

#[test]
fn hours_of_a_zone_with_half_an_hour() {
    let zone = super::super::time::parse_zone("+05:30").unwrap();
    let summary = tally(Limits { zone, ..limits(Period::Hour) }, &[at(START, Kind::OtherPoller)]);
    assert_eq!(summary.buckets[0].start.to_string(), "2026-01-09T23:30:00Z");
}

#[test]
fn a_clock_of_another_decade_makes_no_endless_table() {
    let summary = tally(limits(Period::Day), &[at(0, Kind::Other), at(START, Kind::Other)]);
    assert_eq!((summary.buckets.len(), summary.left_out), (2, 20_462));
}

#[test]
fn no_more_quiet_hours_than_somebody_reads() {
    // An error a day: 23 quiet hours in between, of which the last 434 days have room.
    let events: Vec<LogEvent> = (0..1000).map(|day| at(START + day * DAY, Kind::OtherPoller)).collect();
    let summary = tally(limits(Period::Hour), &events);
    assert_eq!(summary.buckets.len(), 1000 + 434 * 23);
    assert_eq!(summary.left_out, (999 - 434) * 23);
    assert!(summary.buckets.is_sorted_by_key(|hour| hour.start));
    assert_eq!(summary.buckets.iter().filter(|hour| hour.counts.conflicts == 1).count(), 1000);
    let gap = |at: usize| summary.buckets[at + 1].start.duration_since(summary.buckets[at].end).as_hours();
    assert_eq!((gap(0), gap(summary.buckets.len() - 2)), (23, 0), "what is left out is the oldest");
}

#[test]
fn a_day_of_23_hours_is_one() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let spring: jiff::Timestamp = "2026-03-28T12:00:00Z".parse().unwrap();
    let start = spring.as_millisecond();
    let events = [at(start, Kind::Other), at(start + 2 * DAY, Kind::Other)];
    let summary = tally(Limits { zone, ..limits(Period::Day) }, &events);
    assert_eq!((summary.buckets.len(), summary.left_out), (3, 0));
}

#[test]
fn since_and_until() {
    let wanted = Limits { since: Some(START), until: Some(START + DAY), ..limits(Period::Day) };
    let undated = LogEvent { time: Time::UNKNOWN, ..at(0, Kind::OtherPoller) };
    let events = [at(START - 1, Kind::Webhook), at(START, Kind::Webhook), at(START + DAY, Kind::Webhook), undated];
    let summary = tally(wanted, &events);
    assert_eq!((summary.totals.conflicts, summary.undated, summary.undated_conflicts), (1, 1, 1));
    assert_eq!(tally(limits(Period::Day), &events).totals.conflicts, 4);
}

#[test]
fn bursts_meet_whatever_the_order() {
    let minute = 60_000;
    let mut tally = Tally::new(limits(Period::Day));
    for time in [30, 15, 22, 0, 60, 8] {
        tally.add(&at(START + time * minute, Kind::OtherPoller));
    }
    let bursts: Vec<_> = tally.bursts.values().map(|(_, count)| *count).collect();
    assert_eq!(bursts, [5, 1]);
    tally.end_log(Time::at(START + 200 * minute));
    assert_eq!(tally.finish().quiet.unwrap().seconds, 140 * 60);
}
