//! Words that are searched for at once.

use aho_corasick::{AhoCorasick, MatchKind};

/// A set of patterns, in lower case: the first hit's index is the answer.
pub struct WordTable {
    automaton: AhoCorasick,
}

impl WordTable {
    pub fn new(words: &[&str]) -> Self {
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostFirst)
            .build(words)
            .expect("a short list of literals");
        Self { automaton }
    }

    /// The lowest index of all words that occur.
    pub fn lowest(&self, text: &[u8]) -> Option<usize> {
        let mut lowest: Option<usize> = None;
        for found in self.automaton.find_iter(text) {
            let index = found.pattern().as_usize();
            lowest = Some(lowest.map_or(index, |lowest| lowest.min(index)));
            if lowest == Some(0) {
                break;
            }
        }
        lowest
    }

    /// The index of the first word of the text.
    pub fn first(&self, text: &[u8]) -> Option<usize> {
        self.automaton.find(text).map(|found| found.pattern().as_usize())
    }

    pub fn is_in(&self, text: &[u8]) -> bool {
        self.automaton.is_match(text)
    }
}
