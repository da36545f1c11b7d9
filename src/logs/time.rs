//! Timestamps at the head of a log line, and the clock that turns them into instants.
//!
//! Known forms: `2026-01-10 15:27:14,901` and its ISO 8601 relatives (`T`, `/`, fractions, `Z`, `+02:00`),
//! `10/Jan/2026:15:27:14 +0000`, `10.01.2026 15:27:14`, syslog's `Jan 10 15:27:14` (the latest year in which that time is not
//! in the future), `Sat Jan 10 15:27:14 2026`, a weekday before any of them, and seconds or milliseconds since 1970 with
//! enough digits. Not promised: American `01/10/2026`, which looks like the European form.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The years that a log may have. Other numbers are not dates.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2199;
/// A log may be this far ahead of our clock.
const AHEAD_SECS: i64 = 86_400;

/// A time as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenTime {
    year: Option<i32>,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    millis: u16,
    /// Seconds east of UTC, if the line says so.
    offset: Option<i32>,
}

impl WrittenTime {
    /// Whether it is an instant without further knowledge of year and zone.
    pub fn is_absolute(&self) -> bool {
        self.offset.is_some() && self.year.is_some()
    }
}

/// Reads a time at the very start of `text`, and returns how many bytes it takes.
pub fn read(text: &[u8]) -> Option<(WrittenTime, usize)> {
    let mut at = Cursor { text, at: 0 };
    at.weekday();
    let written = match at.peek()? {
        b'0'..=b'9' => at.with_digits_first()?,
        b'A'..=b'Z' => at.with_month_first()?,
        _ => return None,
    };
    Some((written, at.at))
}

/// Milliseconds since 1970 of an epoch number: `1768058834.901`, `1768058834901`.
pub fn read_epoch(text: &[u8]) -> Option<(i64, usize)> {
    let digits = text.iter().take(20).take_while(|byte| byte.is_ascii_digit()).count();
    let number = text[..digits].iter().fold(0i64, |sum, byte| sum.saturating_mul(10) + i64::from(byte - b'0'));
    match digits {
        10 => {
            let mut at = Cursor { text, at: digits };
            let millis = at.fraction();
            Some((number * 1000 + i64::from(millis), at.at))
        }
        13 => Some((number, digits)),
        16 => Some((number / 1000, digits)),
        _ => None,
    }
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, wanted: impl Fn(u8) -> bool) -> Option<u8> {
        let byte = self.peek().filter(|&byte| wanted(byte))?;
        self.at += 1;
        Some(byte)
    }

    fn number(&mut self, digits: usize) -> Option<i32> {
        let slice = self.text.get(self.at..self.at + digits)?;
        let value =
            slice.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i32::from(byte - b'0')))?;
        self.at += digits;
        Some(value)
    }

    fn two(&mut self, range: std::ops::RangeInclusive<u8>) -> Option<u8> {
        u8::try_from(self.number(2)?).ok().filter(|value| range.contains(value))
    }

    fn month_name(&mut self) -> Option<u8> {
        const NAMES: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
        let word = self.text.get(self.at..self.at + 3)?;
        let index = NAMES.chunks(3).position(|name| name == word)?;
        self.at += 3;
        u8::try_from(index + 1).ok()
    }

    /// `Sat `, `Sat, `: skipped.
    fn weekday(&mut self) {
        const NAMES: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
        if self.text.get(..3).is_some_and(|word| NAMES.contains(&word)) {
            let comma = usize::from(self.text.get(3) == Some(&b','));
            if self.text.get(3 + comma) == Some(&b' ') {
                self.at = 4 + comma;
            }
        }
    }

    fn with_digits_first(&mut self) -> Option<WrittenTime> {
        let lengths = self.text[self.at..].iter().take(5).take_while(|byte| byte.is_ascii_digit()).count();
        match lengths {
            4 => self.year_first(),
            2 => self.day_first(),
            _ => None,
        }
    }

    /// `2026-01-10 15:27:14,901+02:00`
    fn year_first(&mut self) -> Option<WrittenTime> {
        let year = self.number(4)?;
        let separator = self.eat(|byte| matches!(byte, b'-' | b'/' | b'.'))?;
        let month = self.two(1..=12)?;
        self.eat(|byte| byte == separator)?;
        let day = self.two(1..=31)?;
        self.eat(|byte| matches!(byte, b' ' | b'T' | b't' | b'_'))?;
        self.eat(|byte| byte == b' ');
        self.clock(Some(year), month, day)
    }

    /// `10/Jan/2026:15:27:14 +0000`, `10.01.2026 15:27:14`
    fn day_first(&mut self) -> Option<WrittenTime> {
        let day = self.two(1..=31)?;
        let separator = self.eat(|byte| matches!(byte, b'/' | b'.' | b'-' | b' '))?;
        let month = match separator {
            b'.' => self.two(1..=12)?,
            _ => self.month_name()?,
        };
        self.eat(|byte| byte == separator)?;
        let year = self.number(4)?;
        self.eat(|byte| matches!(byte, b' ' | b':' | b'T' | b','))?;
        self.eat(|byte| byte == b' ');
        self.clock(Some(year), month, day)
    }

    /// `Jan 10 15:27:14`, `Jan  3 2026 15:27:14`, `Jan 10 15:27:14 2026`
    fn with_month_first(&mut self) -> Option<WrittenTime> {
        let month = self.month_name()?;
        self.eat(|byte| byte == b' ')?;
        let padded = self.eat(|byte| byte == b' ').is_some();
        let single = self.text.get(self.at + 1).is_some_and(|byte| !byte.is_ascii_digit());
        let day = if padded || single { u8::try_from(self.number(1)?).ok()? } else { self.two(1..=31)? };
        self.eat(|byte| byte == b',');
        self.eat(|byte| byte == b' ')?;
        let is_year = self.text.get(self.at + 4) == Some(&b' ');
        let year = if is_year { self.number(4) } else { None };
        if is_year {
            self.eat(|byte| byte == b' ')?;
        }
        let mut written = self.clock(year, month, day)?;
        if year.is_none() && self.peek() == Some(b' ') {
            let before = self.at;
            self.at += 1;
            match self.number(4).filter(|year| YEARS.contains(year)) {
                Some(year) if self.peek().is_none_or(|byte| !byte.is_ascii_digit()) => written.year = Some(year),
                _ => self.at = before,
            }
        }
        Some(written)
    }

    /// The time of day and the zone, after the date.
    fn clock(&mut self, year: Option<i32>, month: u8, day: u8) -> Option<WrittenTime> {
        if year.is_some_and(|year| !YEARS.contains(&year)) || day > days_of(year, month) || day == 0 {
            return None;
        }
        let hour = self.two(0..=23)?;
        self.eat(|byte| byte == b':')?;
        let minute = self.two(0..=59)?;
        self.eat(|byte| byte == b':')?;
        // A leap second counts as the last ordinary one.
        let second = self.two(0..=60)?.min(59);
        let millis = self.fraction();
        let offset = self.zone();
        Some(WrittenTime { year, month, day, hour, minute, second, millis, offset })
    }

    /// `,901`, `.901234`: to milliseconds.
    fn fraction(&mut self) -> u16 {
        if !matches!(self.peek(), Some(b',' | b'.')) || !self.text.get(self.at + 1).is_some_and(u8::is_ascii_digit) {
            return 0;
        }
        self.at += 1;
        let mut millis = 0;
        let mut weight = 100;
        while let Some(digit) = self.eat(|byte| byte.is_ascii_digit()) {
            millis += u16::from(digit - b'0') * weight;
            weight /= 10;
        }
        millis
    }

    /// `Z`, `+02:00`, `+0200`, `+02`, ` +0000`, ` UTC`. If there is none of them, nothing is consumed.
    fn zone(&mut self) -> Option<i32> {
        let start = self.at;
        let spaced = self.eat(|byte| byte == b' ').is_some();
        let offset = match self.peek() {
            Some(b'Z') if !spaced => self.eat(|_| true).map(|_| 0),
            Some(b'+' | b'-') => self.numeric_zone(spaced),
            Some(b'U' | b'G')
                if [&b"UTC"[..], b"GMT"].contains(&self.text.get(self.at..self.at + 3).unwrap_or(b"")) =>
            {
                self.at += 3;
                Some(0)
            }
            _ => None,
        };
        let ends = self.peek().is_none_or(|byte| !byte.is_ascii_alphanumeric());
        if offset.is_none() || !ends {
            self.at = start;
            return None;
        }
        offset
    }

    fn numeric_zone(&mut self, spaced: bool) -> Option<i32> {
        let sign = if self.eat(|_| true)? == b'-' { -1 } else { 1 };
        let hours = i32::from(self.two(0..=15)?);
        let colon = self.eat(|byte| byte == b':').is_some();
        let minutes = match self.two(0..=59) {
            Some(minutes) => i32::from(minutes),
            None if colon || spaced => return None,
            None => 0,
        };
        Some(sign * (hours * 3600 + minutes * 60))
    }
}

fn days_of(year: Option<i32>, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_none_or(|year| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) => 29,
        2 => 28,
        _ => 31,
    }
}

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
}

impl Clock {
    /// For lines without an offset in this zone.
    pub fn new(zone: TimeZone, now: Timestamp) -> Self {
        let year = i32::from(now.to_zoned(zone.clone()).year());
        Self { zone, now: now.as_second(), year, cached: (i64::MIN, 0) }
    }

    /// Milliseconds since 1970.
    pub fn instant(&mut self, written: &WrittenTime) -> i64 {
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
