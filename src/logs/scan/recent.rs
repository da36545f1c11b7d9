//! The latest lines that were looked at. A log repeats the same lines with other times, and comparing them is much faster than
//! parsing and classifying them again.
//!
//! Two lines are alike if they differ only in the digits of a time at their very start, which is read again; or else if what
//! the parser leaves of them is equal.

use std::ops::Range;

use crate::logs::lines::collector::stamp;
use crate::logs::lines::{LineForm, LogLine, Severity};
use crate::logs::time::{Clock, Stamps, Time};

/// How many different lines are kept, and up to which length.
const KEPT: usize = 8;
const LONGEST: usize = 1024;

/// Where the anchors of a line are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnchorPlaces {
    /// The first one of a conflict.
    pub conflict: Option<usize>,
    /// Whether the first one is of a start.
    pub is_start: bool,
}

impl AnchorPlaces {
    /// The same in words that begin there. Before them, it does not show where to look.
    pub fn behind(self, begin: usize) -> Self {
        Self { conflict: self.conflict.map(|at| at.saturating_sub(begin)), ..self }
    }
}

/// Lines with what they mean, the latest first.
pub struct RecentLines<T> {
    lines: Vec<RecentLine<T>>,
}

struct RecentLine<T> {
    line: Vec<u8>,
    anchors: AnchorPlaces,
    /// Where its time is. Empty if it has none at the start.
    time: Range<usize>,
    stamps: Stamps,
    level: Option<Severity>,
    shape: LineForm,
    text: Range<usize>,
    words: Range<usize>,
    stream: u32,
    meaning: T,
}

impl<T: Copy> RecentLines<T> {
    pub fn new() -> Self {
        Self { lines: Vec::with_capacity(KEPT) }
    }

    /// Parses a line by one that is like it, and returns what it means.
    pub fn find<'a>(&mut self, line: &'a [u8], anchors: AnchorPlaces, clock: &mut Clock) -> Option<(LogLine<'a>, T)> {
        let at = self.lines.iter().position(|recent| recent.is_like(line, anchors))?;
        let recent = &self.lines[at];
        let mut stamps = recent.stamps;
        if !recent.time.is_empty() {
            let (time, _, length) = stamp(&line[recent.time.start..], clock)?;
            stamps.own = (length == recent.time.len()).then_some(time)?;
        }
        let (text, words) = (&line[recent.text.clone()], &line[recent.words.clone()]);
        let RecentLine { level, shape, stream, meaning, .. } = *recent;
        self.lines[..=at].rotate_right(1);
        Some((LogLine { stamps, level, shape, text, words, stream }, meaning))
    }

    /// What a parsed line means, by one of the same words or else by `classify`, which gets the places of the
    /// anchors in those words; and keeps the line.
    pub fn keep(
        &mut self,
        line: &[u8],
        parsed: &LogLine<'_>,
        anchors: AnchorPlaces,
        clock: &mut Clock,
        classify: impl FnOnce(AnchorPlaces) -> T,
    ) -> T {
        let within = |part: &[u8]| {
            let start = part.as_ptr() as usize - line.as_ptr() as usize;
            start..start + part.len()
        };
        let words = within(parsed.words);
        let in_words = anchors.behind(words.start);
        let same = self.lines.iter().position(|recent| recent.says_the_same(parsed, in_words));
        let meaning = same.map_or_else(|| classify(in_words), |at| self.lines.remove(at).meaning);
        if line.len() <= LONGEST {
            self.lines.truncate(KEPT - 1);
            let recent = RecentLine {
                line: line.to_vec(),
                anchors,
                time: time_of(line, parsed, clock),
                stamps: parsed.stamps,
                level: parsed.level,
                shape: parsed.shape,
                text: within(parsed.text),
                words,
                stream: parsed.stream,
                meaning,
            };
            self.lines.insert(0, recent);
        }
        meaning
    }
}

impl<T> RecentLine<T> {
    fn is_like(&self, line: &[u8], anchors: AnchorPlaces) -> bool {
        let behind = self.time.end;
        let is_digit = |one: &u8, two: &u8| one.is_ascii_digit() && two.is_ascii_digit();
        self.line.len() == line.len()
            && self.anchors == anchors
            && self.line[behind..] == line[behind..]
            && self.line[..behind].iter().zip(line).all(|(one, two)| one == two || is_digit(one, two))
    }

    fn says_the_same(&self, parsed: &LogLine<'_>, in_words: AnchorPlaces) -> bool {
        self.line[self.words.clone()] == *parsed.words
            && (self.level, self.shape) == (parsed.level, parsed.shape)
            && self.anchors.behind(self.words.start) == in_words
    }
}

/// Where the time of a line is: at the very start, or behind a bracket, and only if it is the line's only one.
fn time_of(line: &[u8], parsed: &LogLine<'_>, clock: &mut Clock) -> Range<usize> {
    let start = usize::from(line.starts_with(b"["));
    match stamp(&line[start..], clock) {
        Some((own, _, length))
            if parsed.stream == 0 && parsed.stamps == (Stamps { own, outer: Time::UNKNOWN, is_absolute: false }) =>
        {
            start..start + length
        }
        _ => 0..0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::lines::dissect;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    /// Each `#` is some digit.
    const HEADS: [&str; 16] = [
        "202#-0#-1# 15:#7:14,9#1 - ",
        "[202#-01-1# 15:27:##] ",
        "1/1#/202#, 3:27:1# PM ",
        "Jan 1# 15:27:1# ",
        "Jan 1# 15:27:1# host bot[1#]: ",
        "2026-01-1#T15:27:##Z host bot[12]: 2026-01-1# 15:27:14 ",
        "17680#8834.90# ",
        "17680#8834 | ",
        "#|bot  | ",
        "bot-#  | 2026-01-1# 15:27:14 ",
        "E011# 15:27:1#.901 ",
        "12:0#:14 ",
        "@4000000069626b1c35a4e9## ",
        "<3#>1 202#-01-10T15:27:14Z host app 1 - - ",
        "  ",
        "",
    ];
    const TAILS: [&str; 8] = [
        "bot - ERROR - Conflict: terminated by other getUpdates request\n",
        "bot - ERROR - Conflict: terminated by other getUpdates request\r\n",
        "bot - INFO - Start polling\n",
        "telegram.error.TimedOut: Timed out\n",
        "[ERROR] status code 50#, chat 1##",
        "  File \"x.py\", line #\n",
        "202#-01-1# 15:27:14 WARNING again\n",
        "{\"level\":50,\"time\":17680#8834901,\"msg\":\"terminated by other\"}\n",
    ];

    fn line() -> impl Strategy<Value = String> {
        let digits = proptest::collection::vec(0..3_u8, 8);
        (0..HEADS.len(), 0..TAILS.len(), digits).prop_map(|(head, tail, digits)| {
            let mut digits = digits.iter().cycle();
            let digit = |byte| if byte == '#' { char::from(b'0' + digits.next().unwrap()) } else { byte };
            HEADS[head].chars().chain(TAILS[tail].chars()).map(digit).collect()
        })
    }

    /// All that decides what a line means.
    fn meaning(line: &LogLine<'_>, in_words: AnchorPlaces) -> u32 {
        crate::logs::lines::collector::hash(
            format!("{:?}{:?}{:?}{in_words:?}", line.words, line.level, line.shape).as_bytes(),
        )
    }

    proptest! {
        #[test]
        fn a_line_that_comes_again_is_parsed_as_if_it_were_new(lines in proptest::collection::vec(line(), 1..60)) {
            let mut clock = Clock::new(TimeZone::UTC, "2026-02-01T00:00:00Z".parse().unwrap());
            let mut recent = RecentLines::new();
            for line in &lines {
                let anchors =
                    AnchorPlaces { conflict: line.find("erminated"), is_start: line.contains(" polling") };
                let line = line.as_bytes();
                let new = dissect(line, &mut clock);
                let in_words = anchors.behind(new.words.as_ptr() as usize - line.as_ptr() as usize);
                let found = recent.find(line, anchors, &mut clock).unwrap_or_else(|| {
                    let means = recent.keep(line, &new, anchors, &mut clock, |in_words| meaning(&new, in_words));
                    (new, means)
                });
                prop_assert_eq!(found, (new, meaning(&new, in_words)), "{:?}", String::from_utf8_lossy(line));
            }
        }
    }

    #[test]
    fn a_line_with_another_time_is_found() {
        let mut clock = Clock::new(TimeZone::UTC, "2026-02-01T00:00:00Z".parse().unwrap());
        let anchors = AnchorPlaces { conflict: None, is_start: false };
        for (first, second) in [
            ("2026-01-10 15:27:14,901 - app - ERROR - x\n", "2026-01-11 16:00:00,000 - app - ERROR - x\n"),
            ("[2026-01-10 15:27:14] app.ERROR: x\n", "[2026-01-11 16:00:00] app.ERROR: x\n"),
            ("telegram.error.TimedOut: Timed out\n", "telegram.error.TimedOut: Timed out\n"),
        ] {
            let mut recent = RecentLines::new();
            let parsed = dissect(first.as_bytes(), &mut clock);
            recent.keep(first.as_bytes(), &parsed, anchors, &mut clock, |_| 7);
            let (found, means) = recent.find(second.as_bytes(), anchors, &mut clock).unwrap();
            assert_eq!((found, means), (dissect(second.as_bytes(), &mut clock), 7));
            assert_eq!(recent.find(&second.as_bytes()[1..], anchors, &mut clock), None);
        }
    }
}
