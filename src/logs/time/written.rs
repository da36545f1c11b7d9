//! The forms in which logs write a time.
//!
//! A date may be written year first, day first, month first, or as one number; months as numbers or names; the time of day
//! before or after it, in 24 or in 12 hours; a zone as an offset or as one of the names that journald and loggers write.

/// The years that a log may have. Other numbers are not dates.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2199;

/// A time as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenTime {
    pub year: Option<i32>,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub millis: u16,
    /// Seconds east of UTC, if the line says so.
    pub offset: Option<i32>,
    /// The date is two numbers of which either may be the day: `01/10/2026`. Here it is read as Europeans do.
    pub slashed: Option<Slashed>,
}

/// A date whose order is not known from the separator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slashed {
    /// With AM or PM, as Americans write it.
    pub has_half: bool,
    /// The place of a number above twelve shows which order it is.
    pub shows: Option<DayOrder>,
}

/// Whether `01/10/2026` is the first of October or the tenth of January.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayOrder {
    European,
    American,
}

impl WrittenTime {
    /// Whether it is an instant without further knowledge of year and zone.
    pub fn is_absolute(&self) -> bool {
        self.offset.is_some() && self.year.is_some()
    }
}

/// `January 10th`
const ORDINALS: [&[u8]; 4] = [b"st", b"nd", b"rd", b"th"];

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

/// Reads a time of day without a date at the very start of `text`, and returns its length.
pub fn read_time_of_day(text: &[u8]) -> Option<usize> {
    let mut at = Cursor { text, at: 0 };
    at.time_of_day()?;
    at.peek().is_none_or(|byte| !byte.is_ascii_alphanumeric() && byte != b':').then_some(at.at)
}

/// From 2015 to 2100, in milliseconds since 1970. Other numbers, such as the IDs of most chats, are no times.
const EPOCHS: std::ops::Range<i64> = 1_420_070_400_000..4_102_444_800_000;

/// From 1970 to 2200, in milliseconds since 1970: a log of another time is none, and sums of such times have no room.
pub const INSTANTS: std::ops::Range<i64> = 0..7_258_118_400_000;

/// Milliseconds since 1970 of an epoch number: `1768058834.901`, `1768058834901`.
pub fn read_epoch(text: &[u8]) -> Option<(i64, usize)> {
    let digits = text.iter().take(20).take_while(|byte| byte.is_ascii_digit()).count();
    let number =
        text[..digits].iter().fold(0i64, |sum, byte| sum.saturating_mul(10).saturating_add(i64::from(byte - b'0')));
    let (millis, length) = match digits {
        10 => {
            let mut at = Cursor { text, at: digits };
            let millis = at.fraction();
            (number * 1000 + i64::from(millis), at.at)
        }
        13 => (number, digits),
        16 => (number / 1000, digits),
        19 => (number / 1_000_000, digits),
        _ => return None,
    };
    EPOCHS.contains(&millis).then_some((millis, length))
}

/// Milliseconds since 1970 of a TAI64N label, as multilog and s6-log write it: `@4000000069626b1c35a4e900`.
pub fn read_tai64n(text: &[u8]) -> Option<(i64, usize)> {
    const LENGTH: usize = 25;
    /// The label of 1970, and the ten seconds by which TAI was ahead then, which is all that these programs add.
    const EPOCH: i64 = (1 << 62) + 10;
    let digits = text.get(..LENGTH)?.strip_prefix(b"@")?;
    let hex = |digits: &[u8]| i64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    let (seconds, nanos) = (hex(&digits[..16])?.checked_sub(EPOCH)?, hex(&digits[16..])?);
    let millis = seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000);
    ((0..1_000_000_000).contains(&nanos) && INSTANTS.contains(&millis)).then_some((millis, LENGTH))
}

/// Reads bytes one after the other.
pub struct Cursor<'a> {
    pub text: &'a [u8],
    pub at: usize,
}

impl Cursor<'_> {
    pub fn peek(&self) -> Option<u8> {
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

    fn digits(&self) -> usize {
        self.text[self.at..].iter().take(20).take_while(|byte| byte.is_ascii_digit()).count()
    }

    fn two(&mut self, range: std::ops::RangeInclusive<u8>) -> Option<u8> {
        u8::try_from(self.number(2)?).ok().filter(|value| range.contains(value))
    }

    /// One or two digits.
    fn short(&mut self, range: std::ops::RangeInclusive<u8>) -> Option<u8> {
        let digits = self.digits();
        if !matches!(digits, 1 | 2) {
            return None;
        }
        u8::try_from(self.number(digits)?).ok().filter(|value| range.contains(value))
    }

    /// Four digits, or the last two of them.
    fn year(&mut self) -> Option<i32> {
        match self.digits() {
            4 => self.number(4),
            2 => self.number(2).map(|year| 2000 + year),
            _ => None,
        }
    }

    /// `Jan`, `January`.
    fn month_name(&mut self) -> Option<u8> {
        const NAMES: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        let word = self.text.get(self.at..self.at + 3)?;
        let index = NAMES.iter().position(|name| &name.as_bytes()[..3] == word)?;
        self.at += 3;
        if self.text[self.at..].starts_with(&NAMES[index].as_bytes()[3..]) {
            self.at += NAMES[index].len() - 3;
        }
        u8::try_from(index + 1).ok()
    }

    /// `Sat `, `Sat, `, `Saturday, `: skipped.
    fn weekday(&mut self) {
        const NAMES: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
        const REST: [&[u8]; 7] = [b"day", b"sday", b"nesday", b"rsday", b"day", b"urday", b"day"];
        let Some(day) = self.text.get(..3).and_then(|word| NAMES.iter().position(|name| *name == word)) else { return };
        let mut at = 3;
        if self.text[at..].starts_with(REST[day]) {
            at += REST[day].len();
        }
        at += usize::from(self.text.get(at) == Some(&b','));
        if self.text.get(at) == Some(&b' ') {
            self.at = at + 1;
        }
    }

    fn with_digits_first(&mut self) -> Option<WrittenTime> {
        match self.digits() {
            4 => self.year_first(),
            8 | 14 => self.compact(),
            1 | 2 if self.text.get(self.at + self.digits()) == Some(&b':') => self.time_first(),
            1 | 2 => self.day_first(),
            _ => None,
        }
    }

    /// `2026-01-10 15:27:14,901+02:00`, `2026 Jan 10 15:27:14`
    fn year_first(&mut self) -> Option<WrittenTime> {
        let date = self.date_with_year_first()?;
        self.between()?;
        self.clock(date)
    }

    fn date_with_year_first(&mut self) -> Option<Date> {
        let year = self.number(4)?;
        let separator = self.eat(|byte| matches!(byte, b'-' | b'/' | b'.' | b' '))?;
        let month = match self.month_name() {
            Some(month) => month,
            None if separator != b' ' => self.two(1..=12)?,
            None => return None,
        };
        self.eat(|byte| byte == separator)?;
        let day = self.short(1..=31)?;
        Some(Date { year: Some(year), month, day, shows: None, is_slashed: false })
    }

    /// `20260110 152738`, `20260110-15:27:44`, `20260110T152744Z`, `20260110152744`
    fn compact(&mut self) -> Option<WrittenTime> {
        let is_one = self.digits() == 14;
        let (year, month, day) = (self.number(4)?, self.two(1..=12)?, self.two(1..=31)?);
        if !is_one {
            self.eat(|byte| matches!(byte, b' ' | b'T' | b'_' | b'-' | b'.'))?;
        }
        self.clock(Date { year: Some(year), month, day, shows: None, is_slashed: false })
    }

    /// `10/Jan/2026:15:27:14 +0000`, `10.01.2026 15:27:14`, `1/10/2026, 3:27:14 PM`, `01-10 15:27:14.901`
    fn day_first(&mut self) -> Option<WrittenTime> {
        let date = self.date_with_day_first()?;
        self.between()?;
        self.clock(date)
    }

    fn date_with_day_first(&mut self) -> Option<Date> {
        let first = self.short(1..=31)?;
        let separator = self.eat(|byte| matches!(byte, b'/' | b'.' | b'-' | b' '))?;
        if separator == b' ' || self.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            let month = self.month_name()?;
            self.eat(|byte| byte == separator)?;
            return Some(Date { year: Some(self.year()?), month, day: first, shows: None, is_slashed: false });
        }
        let second = self.short(1..=31)?;
        if separator == b'-' && self.peek() == Some(b' ') {
            // Android: the month, the day.
            return (first <= 12).then_some(Date {
                year: None,
                month: first,
                day: second,
                shows: None,
                is_slashed: false,
            });
        }
        self.eat(|byte| byte == separator)?;
        let year = Some(self.year()?);
        let (day, month, shows) = match (first, second) {
            (1..=12, 1..=12) => (first, second, None),
            (_, 1..=12) => (first, second, Some(DayOrder::European)),
            // Dots are always European.
            (1..=12, _) if separator != b'.' => (second, first, Some(DayOrder::American)),
            _ => return None,
        };
        Some(Date { year, month, day, shows, is_slashed: separator != b'.' })
    }

    /// `15:27:14 10-01-2026`, `15:27:14.901 2026-01-10`
    fn time_first(&mut self) -> Option<WrittenTime> {
        let time = self.time_of_day()?;
        self.eat(|byte| byte == b',');
        self.eat(|byte| byte == b' ')?;
        let date = if self.digits() == 4 { self.date_with_year_first() } else { self.date_with_day_first() }?;
        let offset = self.zone();
        date.at(time, offset)
    }

    /// `Jan 10 15:27:14`, `Jan  3 2026 15:27:14`, `Jan 10 15:27:14 2026`, `Jan 10, 2026 3:27:14 PM`, klog's `E0110 15:27:14`
    fn with_month_first(&mut self) -> Option<WrittenTime> {
        let next = |behind: usize| self.text.get(self.at + behind).copied().unwrap_or(0);
        if matches!(next(0), b'I' | b'W' | b'E' | b'F') && next(1).is_ascii_digit() && next(5) == b' ' {
            self.at += 1;
            let (month, day) = (self.two(1..=12)?, self.two(1..=31)?);
            self.at += 1;
            return self.clock(Date { year: None, month, day, shows: None, is_slashed: false });
        }
        let month = self.month_name()?;
        self.eat(|byte| byte == b' ')?;
        self.eat(|byte| byte == b' ');
        let day = self.short(1..=31)?;
        if ORDINALS.iter().any(|end| self.text[self.at..].starts_with(end)) {
            self.at += 2;
        }
        self.eat(|byte| byte == b',');
        self.eat(|byte| byte == b' ')?;
        let year = if self.digits() == 4 { self.number(4) } else { None };
        if year.is_some() {
            self.between()?;
        }
        let mut written = self.clock(Date { year, month, day, shows: None, is_slashed: false })?;
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

    /// What stands between a date and the time of day.
    fn between(&mut self) -> Option<()> {
        self.eat(|byte| byte == b',');
        let separator = self.eat(|byte| matches!(byte, b' ' | b'T' | b't' | b'_' | b':' | b'-'))?;
        match separator {
            b' ' if self.text[self.at..].starts_with(b"at ") => self.at += 3,
            b' ' | b':' => drop(self.eat(|byte| byte == separator)),
            _ => {}
        }
        Some(())
    }

    /// The time of day and the zone, after the date.
    fn clock(&mut self, date: Date) -> Option<WrittenTime> {
        let time = self.time_of_day()?;
        let offset = self.zone();
        // Minutes alone are too little to be sure, but for what follows them.
        if time.second.is_none() && offset.is_none() && !time.has_half && self.peek() != Some(b']') {
            return None;
        }
        date.at(time, offset)
    }

    /// `15:27:14,901`, `3:27:14 PM`, `152714`, `15:27`
    fn time_of_day(&mut self) -> Option<TimeOfDay> {
        if self.digits() == 6 {
            let (hour, minute, second) = (self.two(0..=23)?, self.two(0..=59)?, self.two(0..=60)?.min(59));
            let millis = self.fraction();
            return Some(TimeOfDay { hour, minute, second: Some(second), millis, has_half: false });
        }
        let mut hour = self.short(0..=23)?;
        self.eat(|byte| byte == b':')?;
        let minute = self.two(0..=59)?;
        let (mut second, mut millis) = (None, 0);
        if self.peek() == Some(b':') && self.text.get(self.at + 1).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
            // A leap second counts as the last ordinary one.
            second = Some(self.two(0..=60)?.min(59));
            millis = self.fraction();
        }
        let half = self.half();
        if let Some(is_afternoon) = half {
            hour = hour % 12 + if is_afternoon { 12 } else { 0 };
        }
        Some(TimeOfDay { hour, minute, second, millis, has_half: half.is_some() })
    }

    /// ` PM`, also behind the narrow space that Node writes: whether it is the afternoon.
    fn half(&mut self) -> Option<bool> {
        const SPACES: [&[u8]; 4] = [b" ", b"\xe2\x80\xaf", b"\xc2\xa0", b""];
        let rest = &self.text[self.at..];
        let space = SPACES.iter().find(|space| rest.starts_with(space))?;
        let word = rest.get(space.len()..space.len() + 2)?;
        let is_afternoon = match word {
            b"AM" | b"am" => false,
            b"PM" | b"pm" => true,
            _ => return None,
        };
        if rest.get(space.len() + 2).is_some_and(u8::is_ascii_alphanumeric) {
            return None;
        }
        self.at += space.len() + 2;
        Some(is_afternoon)
    }

    /// `,901`, `.901234`, `:901`: to milliseconds.
    fn fraction(&mut self) -> u16 {
        let digits =
            self.text.get(self.at + 1..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
        match self.peek() {
            Some(b',' | b'.') if digits > 0 => {}
            Some(b':') if digits == 3 => {}
            _ => return 0,
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

    /// `Z`, `+02:00`, `+0200`, `+02`, ` +0000`, ` UTC`, ` CET`, ` GMT+0100`. If there is none of them, nothing is consumed.
    fn zone(&mut self) -> Option<i32> {
        let start = self.at;
        let spaced = self.eat(|byte| byte == b' ').is_some();
        let offset = match self.peek() {
            Some(b'Z') if !spaced => self.eat(|_| true).map(|_| 0),
            Some(b'+' | b'-') => self.numeric_zone(spaced),
            Some(b'A'..=b'Z') if spaced => self.named_zone(),
            _ => None,
        };
        let ends = self.peek().is_none_or(|byte| !byte.is_ascii_alphanumeric());
        if offset.is_none() || !ends {
            self.at = start;
            return None;
        }
        offset
    }

    fn named_zone(&mut self) -> Option<i32> {
        /// In hours. Names that several zones have are none of them.
        const NAMES: [(&[u8], i32); 17] = [
            (b"UTC", 0),
            (b"GMT", 0),
            (b"WET", 0),
            (b"WEST", 1),
            (b"CEST", 2),
            (b"CET", 1),
            (b"EEST", 3),
            (b"EET", 2),
            (b"MSK", 3),
            (b"EDT", -4),
            (b"EST", -5),
            (b"CDT", -5),
            (b"MDT", -6),
            (b"MST", -7),
            (b"PDT", -7),
            (b"PST", -8),
            (b"JST", 9),
        ];
        let (name, hours) = NAMES.iter().find(|(name, _)| self.text[self.at..].starts_with(name))?;
        self.at += name.len();
        if *hours == 0 && matches!(self.peek(), Some(b'+' | b'-')) {
            return self.numeric_zone(false);
        }
        Some(hours * 3600)
    }

    pub fn numeric_zone(&mut self, spaced: bool) -> Option<i32> {
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

struct Date {
    year: Option<i32>,
    month: u8,
    day: u8,
    /// Either number may be the day.
    is_slashed: bool,
    shows: Option<DayOrder>,
}

impl Date {
    fn at(self, time: TimeOfDay, offset: Option<i32>) -> Option<WrittenTime> {
        let Self { year, month, day, is_slashed, shows } = self;
        if year.is_some_and(|year| !YEARS.contains(&year)) || day > days_of(year, month) || day == 0 {
            return None;
        }
        let TimeOfDay { hour, minute, second, millis, has_half } = time;
        let slashed = is_slashed.then_some(Slashed { has_half, shows });
        Some(WrittenTime { year, month, day, hour, minute, second: second.unwrap_or(0), millis, offset, slashed })
    }
}

#[derive(Clone, Copy)]
struct TimeOfDay {
    hour: u8,
    minute: u8,
    second: Option<u8>,
    millis: u16,
    has_half: bool,
}

fn days_of(year: Option<i32>, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_none_or(|year| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) => 29,
        2 => 28,
        _ => 31,
    }
}
