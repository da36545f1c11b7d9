//! Hints that repeat what was typed with a change: a hint that ends with `…` is completed with the rest of the typed
//! line, so that it can be pasted.

use std::ffi::OsString;

use clap::{Arg, Command, CommandFactory};

use super::Cli;
use super::typed::{Typed, takes_next, takes_value};
use crate::base::secret::mask;
use crate::base::shell;

/// A process's arguments, the program's name first. Nothing is done with them before a hint has to be completed.
#[derive(Debug, Clone, Copy)]
pub struct TypedLine<'a>(pub &'a [OsString]);

impl TypedLine<'_> {
    /// A hint whose command has an `…` gets what was typed in its place. The options before it come first, behind a
    /// subcommand that both name; those after it come last, before `--`; both take the place of those that they exclude.
    /// `None` if another subcommand was typed: then the hint is of no use.
    pub fn complete(self, hint: &str) -> Option<String> {
        // Only there: a path may have one inside.
        let is_end = |after: &str| after.is_empty() || after == " > FILE" || after.starts_with(" -");
        let Some((before, after)) = hint.rsplit_once(" …").filter(|(_, after)| is_end(after)) else {
            return Some(hint.to_owned());
        };
        let mut command = Cli::command();
        command.build();
        let typed = Typed::new(self.0, &command);
        // A token is masked wherever it is printed: with that, the line would start a bot that has none.
        if typed.words().iter().any(|word| mask(word) != *word) {
            return Some(hint.to_owned());
        }
        let start = before.rfind("solobot ").or_else(|| before.ends_with("solobot").then(|| before.len() - 7));
        let start = start.filter(|&at| at == 0 || before[..at].ends_with(' '))? + "solobot".len();
        let first: Vec<&str> = before[start..].split_whitespace().collect();
        let (last, end) = if after.starts_with(" -") { (after.trim(), "") } else { ("", after) };
        let last: Vec<&str> = last.split_whitespace().collect();
        Some(format!("{} {}{end}", &before[..start], between(&typed, &command, &first, &last)?))
    }
}

/// The words of a completed hint behind `solobot`; what was typed is quoted.
fn between(typed: &Typed, command: &Command, first: &[&str], last: &[&str]) -> Option<String> {
    let name = first.iter().position(|word| command.find_subcommand(word).is_some());
    if name.is_some_and(|name| typed.subcommand() != Some(first[name])) {
        return None;
    }
    let scope = typed.subcommand().and_then(|name| command.find_subcommand(name)).unwrap_or(command);
    let options = [first, last].concat();
    let (globals, head) = first.split_at(name.unwrap_or(0));
    let (before, behind) = if name.is_some() { (typed.before(), typed.behind()) } else { (&[][..], typed.words()) };
    let dashes = behind.iter().position(|word| word == "--").unwrap_or(behind.len());
    let (own, run) = behind.split_at(dashes);
    let raw = |words: &[&str]| words.join(" ");
    let quoted = |words: &[String]| shell::join(words);
    let parts = [
        raw(globals),
        quoted(&without(before, &options, scope)),
        raw(head),
        quoted(&without(own, &options, scope)),
        raw(last),
        quoted(run),
    ];
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    Some(parts.join(" "))
}

/// What was typed without the options of the hint, and without those that exclude them.
fn without(typed: &[String], options: &[&str], scope: &Command) -> Vec<String> {
    let named = |word: &str| {
        let long = word.strip_prefix("--").map(|name| name.split('=').next().unwrap_or_default());
        let short = word.strip_prefix('-').and_then(|letters| letters.chars().next());
        scope.get_arguments().find(|arg| match long {
            Some(long) => arg.get_long() == Some(long),
            None => short.is_some() && arg.get_short() == short,
        })
    };
    let of_hint: Vec<&Arg> = options.iter().filter_map(|word| named(word)).collect();
    let excludes =
        |one: &Arg, other: &Arg| scope.get_arg_conflicts_with(one).iter().any(|it| it.get_id() == other.get_id());
    let is_gone =
        |arg: &Arg| of_hint.iter().any(|one| one.get_id() == arg.get_id() || excludes(one, arg) || excludes(arg, one));
    let mut kept = Vec::new();
    let mut words = typed.iter();
    while let Some(word) = words.next() {
        let is_cluster = word.starts_with('-') && !word.starts_with("--") && word.len() > 1;
        let left = match named(word) {
            _ if is_cluster => without_letters(word, scope, &is_gone),
            Some(arg) if is_gone(arg) => None,
            _ => Some(word.clone()),
        };
        // A value goes with its option.
        let value = if takes_next(scope, word) { words.next() } else { None };
        let keeps_value = left.as_deref().is_some_and(|left| takes_next(scope, left));
        kept.extend(left);
        kept.extend(value.filter(|_| keeps_value).cloned());
    }
    kept
}

/// What is left of `-nq` or `-w5`.
fn without_letters(cluster: &str, scope: &Command, is_gone: &dyn Fn(&Arg) -> bool) -> Option<String> {
    let mut left = String::from("-");
    for (at, letter) in cluster.char_indices().skip(1) {
        let arg = scope.get_arguments().find(|arg| arg.get_short() == Some(letter));
        let has_value = arg.is_some_and(takes_value);
        if !arg.is_some_and(is_gone) {
            // The rest of the word is its value.
            left.push_str(if has_value { &cluster[at..] } else { &cluster[at..at + letter.len_utf8()] });
        }
        if has_value {
            break;
        }
    }
    (left.len() > 1).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, hint: &str, wanted: &str) {
        let args = shell_words::split(&format!("solobot {typed}")).unwrap().into_iter().map(OsString::from);
        let args: Vec<OsString> = args.collect();
        assert_eq!(TypedLine(&args).complete(hint).as_deref().unwrap_or_default(), wanted);
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
        check(
            "-c acquire acquire main",
            "x: solobot acquire --wait forever …",
            "x: solobot -c acquire acquire --wait forever main",
        );
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
