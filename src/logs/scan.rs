//! Turns lines in memory into marks: the lines that report something, and what matters of the lines between them.
//!
//! It only looks at lines with an anchor and, if such a line has no time, at the lines above, up to the head of the record.
//! It stops at the previous mark, so that no line is read twice.

mod recent;

use aho_corasick::packed::{self, Searcher};
use aho_corasick::{AhoCorasick, MatchKind};
use memchr::{memchr, memrchr};

use super::lines::{LineForm, LogLine, Severity, dissect, names_an_exception};
use super::time::{Clock, Stamps, Time};
use super::words::{ANCHORS, Anchor, WordMatch, classify};
use recent::{AnchorPlaces, RecentLines};

/// Of a longer line, only this much is used, around the anchor.
pub const LONGEST: usize = 64 * 1024;

/// What a line reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineMeaning {
    /// An error of this kind.
    Error(WordMatch),
    /// A bot has started to poll.
    Start,
}

/// A line that reports something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineMark {
    pub says: LineMeaning,
    pub shape: LineForm,
    /// The line has a time of its own.
    pub is_dated: bool,
    /// The lines between the previous mark and this one, with the time and the stream of this one.
    pub gap: Gap,
    /// The number of lines up to this one, if lines are counted.
    pub line: u64,
}

impl LineMark {
    fn new(line: &LogLine<'_>, says: LineMeaning, gap: Gap, number: u64) -> Self {
        let is_dated = line.stamps != Stamps::NONE;
        let stamps = match is_dated {
            true if gap.head || line.shape != LineForm::Plain => line.stamps.or(gap.stamps),
            true => line.stamps,
            false => gap.stamps,
        };
        Self { says, shape: line.shape, is_dated, gap: Gap { stamps, stream: line.stream, ..gap }, line: number }
    }
}

/// The lines of one stream between two marks, from the lower one upwards to the head of its record.
#[expect(clippy::struct_excessive_bools, reason = "six facts that do not exclude each other")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The nearest time above.
    pub stamps: Stamps,
    /// The head of a record is in it.
    pub head: bool,
    /// That head, or one above it, is a logger's line.
    pub logged: bool,
    /// The beginning of a traceback is in it.
    pub traceback: bool,
    /// That traceback continues one above.
    pub chained: bool,
    /// The upper end was reached without a time, so the lines above count too.
    pub open: bool,
    /// What its lowest line is, if there is one.
    pub lowest: Option<LineForm>,
    /// Its highest line names an exception: the head of a record, unless it ends a traceback whose inner lines are above.
    pub tail: bool,
    pub stream: u32,
}

impl Gap {
    /// Nothing in between, and nothing known of what is above.
    pub const NONE: Self = Self {
        stamps: Stamps::NONE,
        head: false,
        logged: false,
        traceback: false,
        chained: false,
        open: true,
        lowest: None,
        tail: false,
        stream: 0,
    };

    /// This gap, and above it the other.
    #[must_use]
    pub fn below(self, upper: Self) -> Self {
        if !self.open {
            return self;
        }
        let head = self.head || (self.tail && upper.lowest != Some(LineForm::Inner));
        // Only what is below the nearest head counts.
        let upper_counts = !head;
        Self {
            stamps: self.stamps.or(upper.stamps),
            head: head || upper.head,
            logged: self.logged || upper.logged,
            traceback: self.traceback || (upper_counts && upper.traceback),
            chained: self.chained || (upper_counts && upper.chained),
            open: upper.open,
            lowest: self.lowest.or(upper.lowest),
            tail: upper.tail,
            stream: self.stream,
        }
    }
}

/// The marks of some lines.
#[derive(Debug, Clone, Default)]
pub struct LineMarks {
    /// In the order of the lines.
    pub marks: Vec<LineMark>,
    /// The lines below the last mark.
    pub rest: Option<Gap>,
    /// The number of lines, if lines are counted.
    pub lines: u64,
}

/// Finds marks. Every thread has its own.
pub struct Scanner {
    anchors: Anchors,
    clock: Clock,
    recent: RecentLines<Option<LineMeaning>>,
    counts_lines: bool,
}

enum Anchors {
    /// With SIMD, if the processor has it.
    Packed(Searcher),
    /// Everywhere else.
    Automaton(AhoCorasick),
}

impl Anchors {
    fn new() -> Self {
        let words = ANCHORS.map(|word| word.sought);
        packed::Config::new().builder().extend(words).build().map_or_else(Self::automaton, Self::Packed)
    }

    fn automaton() -> Self {
        let words = ANCHORS.map(|word| word.sought);
        let builder = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(words);
        Self::Automaton(builder.expect("a short list of literals"))
    }

    /// Calls `found` for each anchor with its position.
    fn each(&self, text: &[u8], mut found: impl FnMut(usize, Anchor)) {
        let mut sought = |index: usize, at: usize| {
            let word = &ANCHORS[index];
            if let Some(at) = word.begin(text, at) {
                found(at, word.anchor);
            }
        };
        match self {
            Self::Packed(searcher) => {
                searcher.find_iter(text).for_each(|hit| sought(hit.pattern().as_usize(), hit.start()));
            }
            Self::Automaton(automaton) => {
                automaton.find_iter(text).for_each(|hit| sought(hit.pattern().as_usize(), hit.start()));
            }
        }
    }
}

/// A line that has anchors.
struct AnchorHit {
    start: usize,
    end: usize,
    /// Where the first anchor of a conflict is.
    conflict: Option<usize>,
    is_start: bool,
}

impl Scanner {
    /// Times without a zone are in the clock's zone. Counting lines takes time, and only `--last-lines` needs it.
    pub fn new(clock: Clock, counts_lines: bool) -> Self {
        Self { anchors: Anchors::new(), clock, recent: RecentLines::new(), counts_lines }
    }

    /// The marks of whole lines; the last one may lack its newline.
    pub fn scan(&mut self, text: &[u8]) -> LineMarks {
        let Self { anchors, clock, recent, counts_lines } = self;
        let (counts_lines, result) = (*counts_lines, LineMarks::default());
        let mut pass = Pass { text, clock, recent, counts_lines, floor: 0, counted: 0, result };
        let mut current: Option<AnchorHit> = None;
        anchors.each(text, |at, anchor| {
            if let Some(hit) = &mut current
                && at < hit.end
            {
                hit.conflict = hit.conflict.or((anchor == Anchor::Conflict).then_some(at));
                return;
            }
            if let Some(hit) = current.take() {
                pass.line(&hit);
            }
            let start = memrchr(b'\n', &text[..at]).map_or(0, |newline| newline + 1);
            let end = memchr(b'\n', &text[at..]).map_or(text.len(), |newline| at + newline + 1);
            let conflict = (anchor == Anchor::Conflict).then_some(at);
            let is_start = anchor == Anchor::Start;
            current = Some(AnchorHit { start, end, conflict, is_start });
        });
        if let Some(hit) = current {
            pass.line(&hit);
        }
        pass.finish()
    }

    /// A line that is too long to be kept: pieces of it come one after the other.
    pub fn long_line(&self, head: &[u8]) -> LongLine {
        LongLine { head: head[..head.len().min(1024)].to_vec(), overlap: Vec::new(), found: None }
    }

    /// Looks at the next piece of a long line.
    pub fn piece(&mut self, line: &mut LongLine, piece: &[u8]) {
        let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
        if !line.found.is_some_and(|found| matches!(found, LineMeaning::Error(found) if found.kind.is_conflict())) {
            // An anchor may lie across the border of two pieces.
            let mut border = std::mem::take(&mut line.overlap);
            border.extend_from_slice(&piece[..piece.len().min(AROUND)]);
            self.look_into(line, &border);
            self.look_into(line, piece);
        }
        line.overlap.clear();
        line.overlap.extend_from_slice(&piece[piece.len().saturating_sub(AROUND)..]);
    }

    fn look_into(&mut self, line: &mut LongLine, text: &[u8]) {
        let mut hits: Vec<(usize, Anchor)> = Vec::new();
        self.anchors.each(text, |at, anchor| {
            // One of each kind is enough, but not of a conflict: such an anchor may be a false hit.
            if anchor == Anchor::Conflict && hits.len() < 64 || hits.iter().all(|(_, other)| *other != anchor) {
                hits.push((at, anchor));
            }
        });
        for (at, anchor) in hits {
            let mut around = line.head.clone();
            around.extend_from_slice(&text[at.saturating_sub(AROUND)..(at + AROUND).min(text.len())]);
            let seen = dissect(&around, &mut self.clock);
            let new = says(&seen, (anchor == Anchor::Conflict).then_some(seen.words), anchor == Anchor::Start);
            let is_better = |new: LineMeaning| match (line.found, new) {
                (Some(LineMeaning::Error(old)), LineMeaning::Error(new)) => {
                    new.kind.is_conflict() && !old.kind.is_conflict()
                }
                (Some(_), LineMeaning::Start) => false,
                (None, _) | (Some(LineMeaning::Start), LineMeaning::Error(_)) => true,
            };
            if let Some(new) = new.filter(|new| is_better(*new)) {
                line.found = Some(new);
            }
        }
    }

    /// The mark of a long line whose last piece has come; `above` is what stands between it and the mark before.
    pub fn finish(&mut self, line: &LongLine, above: Gap) -> LineMarks {
        let seen = dissect(&line.head, &mut self.clock);
        let is_dated_head = seen.shape == LineForm::Head && seen.time() != Time::UNKNOWN;
        let gap = if is_dated_head { Gap { open: false, ..Gap::NONE } } else { above };
        let mark = line.found.map(|says| LineMark::new(&seen, says, gap, 1));
        let own = Gap {
            stamps: seen.stamps,
            head: matches!(seen.shape, LineForm::Head | LineForm::Plain),
            logged: seen.shape == LineForm::Head,
            traceback: seen.shape == LineForm::Traceback,
            chained: seen.shape == LineForm::Chain,
            open: !is_dated_head,
            lowest: Some(seen.shape),
            tail: false,
            stream: seen.stream,
        };
        let rest = if mark.is_some() { Gap::NONE } else { own.below(above) };
        LineMarks { marks: mark.into_iter().collect(), rest: Some(rest), lines: u64::from(self.counts_lines) }
    }
}

/// One pass over some lines.
struct Pass<'a> {
    text: &'a [u8],
    clock: &'a mut Clock,
    recent: &'a mut RecentLines<Option<LineMeaning>>,
    counts_lines: bool,
    /// The end of the last mark's line.
    floor: usize,
    /// Lines are counted up to here.
    counted: usize,
    result: LineMarks,
}

impl Pass<'_> {
    fn line(&mut self, hit: &AnchorHit) {
        let whole = &self.text[hit.start..hit.end];
        let anchors = AnchorPlaces { conflict: hit.conflict.map(|at| at - hit.start), is_start: hit.is_start };
        let (line, says) = self.recent.find(whole, anchors, self.clock).unwrap_or_else(|| {
            let line = dissect(whole, self.clock);
            let says = self.recent.keep(whole, &line, anchors, self.clock, |anchors| {
                let near = |at: usize| {
                    let words = line.words;
                    &words[at.saturating_sub(NEAR / 2).min(words.len())..(at + NEAR).min(words.len())]
                };
                says(&line, anchors.conflict.map(near), anchors.is_start)
            });
            (line, says)
        });
        let Some(says) = says else { return };
        let gap = match line.shape {
            LineForm::Head if line.time() != Time::UNKNOWN => Gap { open: false, ..Gap::NONE },
            _ => self.gap(hit.start, line.time() != Time::UNKNOWN, Some(line.stream)),
        };
        if self.counts_lines {
            self.result.lines += count_lines(&self.text[self.counted..hit.end]);
            self.counted = hit.end;
        }
        self.floor = hit.end;
        self.result.marks.push(LineMark::new(&line, says, gap, self.result.lines));
    }

    fn finish(mut self) -> LineMarks {
        if self.counts_lines {
            self.result.lines += count_lines(&self.text[self.counted..]);
        }
        self.result.rest = Some(self.gap(self.text.len(), false, None));
        self.result
    }

    /// Looks upwards from `end`, at most to the last mark: to the next time or, if the time is known, to the head of the
    /// record. Lines of other streams are nothing; without a stream, it is that of the lowest line.
    fn gap(&mut self, end: usize, knows_time: bool, mut stream: Option<u32>) -> Gap {
        let mut gap = Gap { stream: stream.unwrap_or(0), ..Gap::NONE };
        let mut end = end;
        // The line below names an exception: after an indented line, it ends a traceback and begins nothing.
        let mut is_tail = false;
        while end > self.floor {
            let above = &self.text[self.floor..end - 1];
            let start = memrchr(b'\n', above).map_or(self.floor, |newline| self.floor + newline + 1);
            let line = &self.text[start..end];
            end = start;
            if is_plainly_inner(line) {
                is_tail = false;
                gap.lowest.get_or_insert(LineForm::Inner);
                continue;
            }
            let line = dissect(line, self.clock);
            gap.stream = *stream.get_or_insert(line.stream);
            if line.stream != gap.stream {
                continue;
            }
            gap.lowest.get_or_insert(line.shape);
            if std::mem::take(&mut is_tail) && line.shape != LineForm::Inner {
                gap.head = true;
            }
            gap.stamps = gap.stamps.or(line.stamps);
            gap.logged |= line.shape == LineForm::Head;
            match line.shape {
                LineForm::Plain if names_an_exception(line.words) => is_tail = true,
                LineForm::Head | LineForm::Plain => gap.head = true,
                LineForm::Traceback if !gap.head => gap.traceback = true,
                LineForm::Chain if !gap.head => gap.chained = true,
                LineForm::Traceback | LineForm::Chain | LineForm::Inner => {}
            }
            if gap.head && (knows_time || gap.stamps.time() != Time::UNKNOWN) {
                gap.open = false;
                break;
            }
        }
        gap.tail = is_tail;
        gap
    }
}

/// The words of a conflict end within this distance after its anchor, and begin within half of it before.
const NEAR: usize = 48;
/// How much of a long line is used around an anchor.
const AROUND: usize = 256;

/// A long line, of which only the head and the hits are kept.
#[derive(Debug)]
pub struct LongLine {
    head: Vec<u8>,
    overlap: Vec<u8>,
    found: Option<LineMeaning>,
}

fn says(line: &LogLine<'_>, near: Option<&[u8]>, is_start: bool) -> Option<LineMeaning> {
    let text = &line.words[..line.words.len().min(LONGEST)];
    match classify(text, line.level, line.shape, near) {
        Some(found) => Some(LineMeaning::Error(found)),
        None if is_start && matches!(line.level, None | Some(Severity::Info)) && line.shape != LineForm::Inner => {
            Some(LineMeaning::Start)
        }
        None => None,
    }
}

/// Whether a line is certainly an inner one, as most lines above are: two spaces, then neither a digit nor a key. After one
/// space there may be a date, and after more a key of an object that has one.
fn is_plainly_inner(line: &[u8]) -> bool {
    line.starts_with(b"  ")
        && line.get(2).is_none_or(|byte| !byte.is_ascii_digit() && *byte != b'[')
        && !line.trim_ascii_start().starts_with(b"\"")
}

/// The number of lines. The last one may have no newline.
fn count_lines(text: &[u8]) -> u64 {
    let newlines = memchr::memchr_iter(b'\n', text).count() as u64;
    newlines + u64::from(text.last().is_some_and(|last| *last != b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::words::AnchorWord;
    use proptest::prelude::*;

    /// Anchors and parts of them, never directly after each other.
    fn text() -> impl Strategy<Value = String> {
        let behind = proptest::sample::select(vec![" ", "\n", "x", "4", "\u{e4}"]);
        let piece = (0..ANCHORS.len(), prop_oneof![Just(0), 1..6_usize], 3..20_usize, behind);
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| {
            pieces.iter().fold(String::new(), |text, (index, from, until, behind)| {
                let word = ANCHORS[*index].before.to_owned() + ANCHORS[*index].sought;
                text + word.get(*from..word.len().min(*until)).unwrap_or_default() + behind
            })
        })
    }

    proptest! {
        #[test]
        fn every_anchor_is_found(text in text()) {
            let text = text.as_bytes();
            let begins = |at: usize, word: &AnchorWord| {
                let rest = text[at..].strip_prefix(word.before.as_bytes());
                rest.is_some_and(|rest| rest.starts_with(word.sought.as_bytes()))
            };
            let at = |at| ANCHORS.iter().filter(move |word| begins(at, word)).map(move |word| (at, word.anchor));
            let expected: Vec<(usize, Anchor)> = (0..text.len()).flat_map(at).collect();
            for anchors in [Anchors::new(), Anchors::automaton()] {
                let mut found = Vec::new();
                anchors.each(text, |at, anchor| found.push((at, anchor)));
                found.sort_by_key(|(at, _)| *at);
                prop_assert_eq!(&found, &expected);
            }
        }
    }
}
