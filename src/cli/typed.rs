//! The words of a command line that cannot be parsed: which one is the subcommand, and what comes before and after it.

use std::ffi::OsString;

use clap::Command;

/// A command line as it was typed, `solobot` itself left out.
#[derive(Debug)]
pub struct Typed {
    words: Vec<String>,
    /// Where the subcommand stands, or what was taken for one.
    at: Option<usize>,
    /// The word there is a subcommand.
    is_known: bool,
}

impl Typed {
    pub(super) fn new(args: &[OsString], command: &Command) -> Self {
        let words: Vec<String> = args.iter().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
        let dashes = words.iter().position(|word| word == "--").map(|at| at + 1);
        let at = operand(command, &words).or(dashes.filter(|&at| at < words.len()));
        let is_known = at.is_some_and(|at| command.find_subcommand(&words[at]).is_some());
        Self { words, at, is_known }
    }

    /// The subcommand, if it is one. `help` has no usage of its own worth showing.
    pub(super) fn subcommand(&self) -> Option<&str> {
        self.at.filter(|_| self.is_known).map(|at| self.words[at].as_str()).filter(|word| *word != "help")
    }

    /// The word that stands in a subcommand's place and is none.
    pub(super) fn mistaken(&self) -> Option<&str> {
        self.at.filter(|_| !self.is_known).map(|at| self.words[at].as_str())
    }

    /// All words.
    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    /// The global options before the subcommand.
    pub(super) fn before(&self) -> &[String] {
        let before = &self.words[..self.at.unwrap_or(0)];
        before.strip_suffix(&["--".to_owned()]).unwrap_or(before)
    }

    /// What follows the subcommand.
    pub(super) fn behind(&self) -> &[String] {
        self.at.map_or(&[], |at| &self.words[at + 1..])
    }

    pub(super) fn has_dashes(&self) -> bool {
        self.words.iter().any(|word| word == "--")
    }

    /// solobot's own words, those before `--`.
    fn own(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str).take_while(|word| *word != "--")
    }

    pub(super) fn has_option(&self, option: &str) -> bool {
        self.own().any(|word| word == option)
    }

    /// The value of an option, as `--option VALUE` or `--option=VALUE`.
    pub(super) fn value_of(&self, option: &str) -> Option<&str> {
        let joined = self.own().find_map(|word| word.strip_prefix(option)?.strip_prefix('='));
        joined.or_else(|| self.own().skip_while(|word| *word != option).nth(1))
    }
}

/// The first word that is neither an option nor an option's value.
pub(super) fn operand(command: &Command, words: &[String]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if word == "--" {
            return None;
        }
        if !word.starts_with('-') || word == "-" {
            return Some(at);
        }
        at += if takes_next(command, word) { 2 } else { 1 };
    }
    None
}

/// Whether an option's value is the next word: `--wait` and `-nw`, but not `--wait=5` nor `-w5`.
pub(super) fn takes_next(command: &Command, word: &str) -> bool {
    if let Some(long) = word.strip_prefix("--") {
        return command.get_arguments().any(|arg| arg.get_long() == Some(long) && takes_value(arg));
    }
    let letters: Vec<char> = word.strip_prefix('-').unwrap_or_default().chars().collect();
    let takes = |letter: &char| command.get_arguments().any(|arg| arg.get_short() == Some(*letter) && takes_value(arg));
    letters.iter().position(takes).is_some_and(|at| at + 1 == letters.len())
}

/// Whether an option has a value behind it, in the same word or the next one.
pub(super) fn takes_value(arg: &clap::Arg) -> bool {
    !arg.is_require_equals_set() && arg.get_num_args().is_some_and(|n| n.takes_values())
}
