//! The clock that turns the times of a log into instants.
//!
//! `written` knows the forms. A syslog time without a year is of the latest year in which it is not in the future. Of a
//! date such as `01/10/2026`, whose order no separator tells, the log decides: a number above twelve in one place, or
//! else the place that changes while the other stays. If neither shows it, AM or PM means American, and all else European.

mod written;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use written::Cursor;
pub use written::{DayOrder, INSTANTS, WrittenTime, read, read_epoch, read_tai64n, read_time_of_day};

/// A log may be this far ahead of our clock.
const AHEAD_SECS: i64 = 86_400;

/// Days from 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn days_since_epoch(year: i32, month: u8, day: u8) -> i64 {
    let (year, month, day) = (i64::from(year) - i64::from(month <= 2), i64::from(month), i64::from(day));
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Turns written times into instants. It looks up the zone's offset once per hour of the log, not once per line.
#[derive(Debug, Clone)]
pub struct Clock {
    zone: TimeZone,
    /// In whole seconds since 1970.
    now: i64,
    year: i32,
    /// Hour since 1970 by the wall clock, and its offset.
    cached: (i64, i64),
    /// Of dates that may be read in two ways, if the log shows it.
    order: Option<DayOrder>,
    dates: SlashedDates,
}

/// What the dates of a log that may be read in two ways show of their order.
#[derive(Debug, Clone, Copy, Default)]
struct SlashedDates {
    shown: Option<DayOrder>,
    last: Option<(u8, u8)>,
    /// Whether the first and the second number changed alone.
    changed: (bool, bool),
}

impl SlashedDates {
    fn see(&mut self, written: &WrittenTime) {
        let Some(slashed) = written.slashed else { return };
        self.shown = self.shown.or(slashed.shows);
        if slashed.shows.is_none() {
            let now = (written.day, written.month);
            if let Some(before) = self.last.replace(now) {
                self.changed.0 |= before.0 != now.0 && before.1 == now.1;
                self.changed.1 |= before.0 == now.0 && before.1 != now.1;
            }
        }
    }

    fn order(self) -> Option<DayOrder> {
        self.shown.or(match self.changed {
            (true, false) => Some(DayOrder::European),
            (false, true) => Some(DayOrder::American),
            _ => None,
        })
    }
}

impl Clock {
    /// For lines without an offset in this zone.
    pub fn new(zone: TimeZone, now: Timestamp) -> Self {
        let year = i32::from(now.to_zoned(zone.clone()).year());
        Self { zone, now: now.as_second(), year, cached: (i64::MIN, 0), order: None, dates: SlashedDates::default() }
    }

    /// For another log, of which nothing is known yet.
    #[must_use]
    pub fn for_another(&self) -> Self {
        Self { order: None, dates: SlashedDates::default(), ..self.clone() }
    }

    /// The same clock, with the order of days and months that the dates read so far show.
    #[must_use]
    pub fn settled(&self) -> Self {
        Self { order: self.dates.order(), ..self.clone() }
    }

    /// Milliseconds since 1970.
    pub fn instant(&mut self, written: &WrittenTime) -> i64 {
        let written = &match written.slashed {
            Some(slashed) if slashed.shows.is_none() => {
                self.dates.see(written);
                let usual = if slashed.has_half { DayOrder::American } else { DayOrder::European };
                match self.order.unwrap_or(usual) {
                    DayOrder::European => *written,
                    DayOrder::American => WrittenTime { day: written.month, month: written.day, ..*written },
                }
            }
            Some(_) => {
                self.dates.see(written);
                *written
            }
            None => *written,
        };
        if let Some(year) = written.year {
            return self.in_year(written, year);
        }
        let millis = self.in_year(written, self.year);
        // December's lines, read in January.
        let is_future = millis / 1000 > self.now + AHEAD_SECS;
        if is_future { self.in_year(written, self.year - 1) } else { millis }
    }

    fn in_year(&mut self, written: &WrittenTime, year: i32) -> i64 {
        let hours = days_since_epoch(year, written.month, written.day) * 24 + i64::from(written.hour);
        let wall = hours * 3600 + i64::from(written.minute) * 60 + i64::from(written.second);
        let offset = match written.offset {
            Some(offset) => i64::from(offset),
            None => self.offset(hours, year, written),
        };
        (wall - offset) * 1000 + i64::from(written.millis)
    }

    fn offset(&mut self, hours: i64, year: i32, written: &WrittenTime) -> i64 {
        if self.cached.0 == hours {
            return self.cached.1;
        }
        let parts =
            (i16::try_from(year), i8::try_from(written.month), i8::try_from(written.day), i8::try_from(written.hour));
        let civil = match parts {
            (Ok(year), Ok(month), Ok(day), Ok(hour)) => DateTime::new(year, month, day, hour, 0, 0, 0).ok(),
            _ => None,
        };
        let zoned = civil.and_then(|civil| civil.to_zoned(self.zone.clone()).ok());
        let offset = zoned.map_or(0, |zoned| i64::from(zoned.offset().seconds()));
        self.cached = (hours, offset);
        offset
    }
}

/// An instant in milliseconds since 1970, or none. It takes eight bytes, because there are many marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(i64);

impl Time {
    /// No line said when.
    pub const UNKNOWN: Self = Self(i64::MIN);

    /// That instant.
    pub fn at(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub fn millis(self) -> Option<i64> {
        (self != Self::UNKNOWN).then_some(self.0)
    }

    /// This one if there is one, else the other.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self == Self::UNKNOWN { other } else { self }
    }
}

/// The times of one line: the program's, and that of a collector before it. They are of two clocks, which may be hours apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamps {
    pub own: Time,
    pub outer: Time,
    /// The collector's has a zone and a year, so it is certain.
    pub is_absolute: bool,
}

impl Stamps {
    pub const NONE: Self = Self { own: Time::UNKNOWN, outer: Time::UNKNOWN, is_absolute: false };

    /// When it was.
    pub fn time(self) -> Time {
        if self.is_absolute { self.outer } else { self.own.or(self.outer) }
    }

    /// These, and where one is missing, the other's.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let is_absolute = if self.outer == Time::UNKNOWN { other.is_absolute } else { self.is_absolute };
        Self { own: self.own.or(other.own), outer: self.outer.or(other.outer), is_absolute }
    }

    /// How far apart two lines are by a clock that both have, in milliseconds.
    pub fn apart(self, other: Self) -> Option<i64> {
        let between = |one: Time, two: Time| Some((one.millis()? - two.millis()?).abs());
        between(self.own, other.own).or_else(|| between(self.outer, other.outer))
    }
}

/// Parses what `--tz` takes: an IANA name, `UTC`, `local`, or an offset such as `+02:00`.
///
/// # Errors
/// A sentence that names the forms, for text that is none.
pub fn parse_zone(text: &str) -> Result<TimeZone, String> {
    let known = match text {
        "local" => Some(TimeZone::system()),
        "Z" | "UTC" | "utc" => Some(TimeZone::UTC),
        _ => {
            let mut reader = Cursor { text: text.as_bytes(), at: 0 };
            let offset = matches!(reader.peek(), Some(b'+' | b'-')).then(|| reader.numeric_zone(false)).flatten();
            match offset.filter(|_| reader.at == text.len()) {
                Some(seconds) => jiff::tz::Offset::from_seconds(seconds).ok().map(TimeZone::fixed),
                None => TimeZone::get(text).ok(),
            }
        }
    };
    known.ok_or_else(|| {
        format!("cannot read `{text}` as a time zone: use a name like Europe/Berlin, UTC, or an offset like +02:00")
    })
}

/// What `--since` and `--until` take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeArg {
    /// This long before now.
    Ago(std::time::Duration),
    /// An instant, or a wall clock time in the zone of `--tz`.
    Written(WrittenTime),
}

impl TimeArg {
    /// Parses `1h`, `3d`, `2026-01-10`, `2026-01-10 15:27`, `2026-01-10T15:27:14Z`.
    ///
    /// # Errors
    /// A sentence that names the forms, for text that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        // A bare number is seconds, but whoever types 2026 means a year.
        let is_year = text.len() == 4 && text.starts_with("20");
        if !is_year && let Ok(duration) = crate::base::duration::parse_duration(text) {
            return Ok(Self::Ago(duration));
        }
        let tails = ["", ":00", " 00:00:00"];
        let written = tails.iter().find_map(|tail| {
            let full = format!("{text}{tail}");
            read(full.as_bytes()).filter(|(written, length)| *length == full.len() && written.year.is_some())
        });
        written.map(|(written, _)| Self::Written(written)).ok_or_else(|| {
            format!("cannot read `{text}` as a time: use 30m, 1h or 3d (ago), 2026-01-10, or '2026-01-10 15:27:14'")
        })
    }

    /// Milliseconds since 1970.
    pub fn instant(&self, clock: &mut Clock) -> i64 {
        match self {
            Self::Ago(duration) => {
                (clock.now * 1000).saturating_sub_unsigned(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
            }
            Self::Written(written) => clock.instant(written),
        }
    }
}

#[cfg(test)]
mod tests;
