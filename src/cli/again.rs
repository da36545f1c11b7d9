//! Hints that repeat what was typed with a change: a hint that ends with `…` is completed with the rest of the typed
//! line, so that it can be pasted.

use std::ffi::OsString;

use clap::CommandFactory;

use super::Cli;
use crate::base::secret::mask;
use crate::base::shell;

/// What was typed, behind the program's name.
#[derive(Debug, Clone, Default)]
pub struct TypedLine(Vec<String>);

/// What takes the place of what: an option of a hint, the typed ones that go for it, and whether a value follows each.
const REPLACED: [(&str, &[(&str, bool)]); 15] = [
    ("--wait", &[("-w", true), ("--wait", true), ("-n", false), ("--nonblock", false)]),
    ("--takeover", &[("--takeover", false)]),
    ("--lock", &[("-l", true), ("--lock", true)]),
    ("-m", &[("-m", true), ("--match", true), ("--module", true)]),
    ("-c", &[("-c", true), ("--config", true)]),
    ("--keep", &[("--keep", true)]),
    ("--pid", &[("--pid", true)]),
    ("--fd", &[("--fd", true)]),
    ("--token-env", &[("--token-env", true), ("--token-file", true), ("--env-file", true)]),
    ("--token-file", &[("--token-env", true), ("--token-file", true), ("--env-file", true)]),
    ("--env-file", &[("--token-env", true), ("--token-file", true), ("--env-file", true)]),
    ("--api-url", &[("--api-url", true)]),
    ("--timeout", &[("--timeout", true)]),
    ("--ca-file", &[("--ca-file", true)]),
    ("-vvv", &[("-q", false), ("--quiet", false)]),
];

impl TypedLine {
    /// Of a process's arguments, the program's name first.
    pub fn of(args: &[OsString]) -> Self {
        Self(args.iter().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect())
    }

    /// A hint whose command has an `…` gets what was typed in its place. The options before it come first, behind a
    /// subcommand that both name; those after it come last, before `--`; both take the place of those that they exclude.
    /// `None` if another subcommand was typed: then the hint is of no use.
    pub fn complete(&self, hint: &str) -> Option<String> {
        // Only there: a path, or what was typed, may have one inside.
        // A token is masked wherever it is printed: with that, the line would start a bot that has none.
        if self.0.iter().any(|word| mask(word) != *word) {
            return Some(hint.to_owned());
        }
        let is_end = |after: &str| after.is_empty() || after == " > FILE" || after.starts_with(" -");
        let Some((before, after)) = hint.rsplit_once(" …").filter(|(_, after)| is_end(after)) else {
            return Some(hint.to_owned());
        };
        let start = before.rfind("solobot ").or_else(|| before.ends_with("solobot").then(|| before.len() - 7));
        let start = start.filter(|&at| at == 0 || before[..at].ends_with(' '))? + "solobot".len();
        let first: Vec<&str> = before[start..].split_whitespace().collect();
        let (last, end) = if after.starts_with(" -") { (after.trim(), "") } else { ("", after) };
        let last: Vec<&str> = last.split_whitespace().collect();
        Some(format!("{} {}{end}", &before[..start], self.between(&first, &last)?.join(" ")))
    }

    fn between(&self, first: &[&str], last: &[&str]) -> Option<Vec<String>> {
        let dashes = self.0.iter().position(|arg| arg == "--").unwrap_or(self.0.len());
        let (typed, command) = self.0.split_at(dashes);
        let all = Cli::command();
        let name = first.iter().position(|word| all.find_subcommand(word).is_some());
        let (head, options) = first.split_at(name.map_or(0, |name| name + 1));
        // What was typed before the subcommand stays there.
        let at = name.map_or(Some(0), |name| typed.iter().position(|arg| arg == first[name]).map(|at| at + 1))?;
        let before = typed[..at.saturating_sub(1)].iter().map(|word| shell::quote(word).into_owned());
        let kept = without(&typed[at..], &[options, last].concat());
        let (globals, subcommand) = head.split_at(head.len().saturating_sub(1));
        let raw = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let mut line = raw(globals);
        line.extend(before);
        line.extend(raw(subcommand));
        line.extend(raw(options));
        line.extend(kept.iter().map(|word| shell::quote(word).into_owned()));
        line.extend(raw(last));
        line.extend(command.iter().map(|word| shell::quote(word).into_owned()));
        Some(line)
    }
}

/// What was typed without what `options` take the place of.
fn without(typed: &[String], options: &[&str]) -> Vec<String> {
    let named = |option: &str| option.split('=').next().unwrap_or_default().to_owned();
    let gone: Vec<(&str, bool)> = REPLACED
        .iter()
        .filter(|(option, _)| options.iter().any(|one| named(one) == *option))
        .flat_map(|(_, all)| all.iter().copied())
        .collect();
    let mut kept = Vec::new();
    let mut typed = typed.iter();
    while let Some(arg) = typed.next() {
        match gone.iter().find(|(name, _)| *name == named(arg)) {
            Some((name, true)) if arg == name => drop(typed.next()),
            Some(_) => {}
            None if arg.starts_with('-') && !arg.starts_with("--") => {
                let (rest, goes_on) = without_letters(arg, &gone);
                kept.extend((rest.len() > 1).then_some(rest));
                if goes_on {
                    typed.next();
                }
            }
            None => kept.push(arg.clone()),
        }
    }
    kept
}

/// What is left of `-nq`, `-w5` or `-qw`, and whether the next word is a value that is gone too.
fn without_letters(cluster: &str, gone: &[(&str, bool)]) -> (String, bool) {
    let all = Cli::command();
    let takes_value = |letter: char| {
        let options = all.get_subcommands().chain([&all]).flat_map(clap::Command::get_arguments);
        options.filter(|one| one.get_short() == Some(letter)).any(|one| one.get_action().takes_values())
    };
    let mut left = String::from("-");
    let mut letters = cluster[1..].chars();
    while let Some(letter) = letters.next() {
        match gone.iter().find(|(name, _)| *name == format!("-{letter}")) {
            Some((_, true)) => return (left, letters.as_str().is_empty()),
            Some((_, false)) => {}
            None => {
                left.push(letter);
                if takes_value(letter) {
                    return (left + letters.as_str(), false);
                }
            }
        }
    }
    (left, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, hint: &str, wanted: &str) {
        let args = shell_words::split(&format!("solobot {typed}")).unwrap().into_iter().map(OsString::from);
        assert_eq!(TypedLine::of(&args.collect::<Vec<_>>()).complete(hint).as_deref().unwrap_or_default(), wanted);
    }

    #[test]
    fn what_was_typed_takes_the_ellipsis_place() {
        let line = "acquire -n -m 'a b.py' -- python3 'a b.py' -n";
        check(
            line,
            "wait: solobot acquire --wait forever …",
            "wait: solobot acquire --wait forever -m 'a b.py' -- python3 'a b.py' -n",
        );
        check(
            line,
            "take: solobot acquire --takeover …",
            "take: solobot acquire --takeover -n -m 'a b.py' -- python3 'a b.py' -n",
        );
        check("acquire main", "x: solobot acquire --takeover=orphan …", "x: solobot acquire --takeover=orphan main");
        check(line, "as root: sudo solobot …", "as root: sudo solobot acquire -n -m 'a b.py' -- python3 'a b.py' -n");
        check("-q acquire main", "x: solobot -vvv …", "x: solobot -vvv acquire main");
        check("-q acquire main", "x: solobot acquire --lock-only …", "x: solobot -q acquire --lock-only main");
        check("status -v", "x: solobot … > FILE", "x: solobot status -v > FILE");
        check(
            "acquire x",
            "x: solobot acquire --lock .solobot-x.lock …",
            "x: solobot acquire --lock .solobot-x.lock x",
        );
        check("-c a status", "x: solobot -c b …", "x: solobot -c b status");
        check("acquire -l a -- x", "x: solobot … --lock PATH", "x: solobot acquire --lock PATH -- x");
        check("acquire --pid 9 -l a", "x: solobot acquire --pid $$ …", "x: solobot acquire --pid $$ -l a");
        let token = format!("{}:{}", 123_456_789, "A".repeat(35));
        check(&format!("acquire -- bot {token}"), "x: solobot acquire --takeover …", "x: solobot acquire --takeover …");
        check("status", "x: solobot stop main", "x: solobot stop main");
        check("release", "x: solobot acquire --takeover …", "");
    }

    #[test]
    fn an_ellipsis_elsewhere_stays() {
        check("acquire main", "x: solobot stop --lock '/a …/x'", "x: solobot stop --lock '/a …/x'");
        check(
            "acquire -- a '…' 'b …'",
            "x: solobot acquire --lock '/a …/x' …",
            "x: solobot acquire --lock '/a …/x' -- a '…' 'b …'",
        );
    }

    #[test]
    fn options_that_exclude_it_go() {
        for typed in ["acquire -w 5 main", "acquire -w5 main", "acquire --wait=5 main", "acquire --nonblock main"] {
            check(typed, "x: solobot acquire --wait forever …", "x: solobot acquire --wait forever main");
        }
        for (typed, left) in [
            ("acquire -nq main", "-q main"),
            ("acquire -qn main", "-q main"),
            ("acquire -qw5 main", "-q main"),
            ("acquire -qw 5 main", "-q main"),
            ("acquire -E75 -n -mn.py main", "-E75 -mn.py main"),
        ] {
            check(typed, "x: solobot acquire --wait forever …", &format!("x: solobot acquire --wait forever {left}"));
        }
        check(
            "acquire --takeover=orphan main",
            "x: solobot acquire --takeover …",
            "x: solobot acquire --takeover main",
        );
    }
}
