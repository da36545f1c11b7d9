//! Words as they are typed into the shell of this platform: PowerShell on Windows, sh elsewhere.

use std::borrow::Cow;

use super::text::is_hidden;

/// What ends a line of a command that goes on in the next one.
pub const GOES_ON: &str = if cfg!(windows) { " `" } else { " \\" };
/// What takes its meaning from the character behind it, outside of single quotes.
pub const ESCAPE: char = if cfg!(windows) { '`' } else { '\\' };

/// Quoted where the shell must not read more into it than is there.
pub fn quote(word: &str) -> Cow<'_, str> {
    if cfg!(windows) { powershell(word) } else { sh(word) }
}

/// A line of words behind a command.
pub fn join<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> String {
    spaced(words, quote)
}

/// A line that begins with the program's name or path.
pub fn command<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> String {
    let line = join(words);
    if cfg!(windows) { called(line) } else { line }
}

/// The words as a POSIX shell reads them, whatever the platform: for the shell of another host.
pub fn join_for_sh<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> String {
    spaced(words, sh)
}

/// The words of a command line in a file; `None` without a closing quote. On Windows a backslash is one: it is in every path.
#[cfg(feature = "cli")]
pub fn split(line: &str) -> Option<Vec<String>> {
    if cfg!(windows) { split_with_backslashes(line) } else { shell_words::split(line).ok() }
}

/// Words with spaces are in single or double quotes, and nothing is escaped.
#[cfg(feature = "cli")]
fn split_with_backslashes(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None, None);
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_with(String::new);
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_with(String::new).push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// Commands of which each one is run if the one before has succeeded.
pub fn and<C: AsRef<str>>(commands: &[C]) -> String {
    let commands: Vec<&str> = commands.iter().map(AsRef::as_ref).collect();
    if cfg!(windows) { and_for_powershell(&commands) } else { commands.join(" && ") }
}

/// Windows PowerShell has no `&&`.
fn and_for_powershell(commands: &[&str]) -> String {
    match commands {
        [first, rest @ ..] if !rest.is_empty() => format!("{first}; if ($?) {{ {} }}", and_for_powershell(rest)),
        _ => commands.concat(),
    }
}

fn spaced<W: AsRef<str>>(words: impl IntoIterator<Item = W>, quote: fn(&str) -> Cow<'_, str>) -> String {
    words.into_iter().map(|word| quote(word.as_ref()).into_owned()).collect::<Vec<_>>().join(" ")
}

/// For sh, also for bash's `{a,b}` and `!`, and zsh's `=`. What is hidden is written out as `$'a\nb'`, since nothing else of it
/// could be seen and pasted.
fn sh(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:%=@,+".contains(c);
    if !word.is_empty() && !word.starts_with('=') && word.chars().all(is_plain) {
        return word.into();
    }
    if !word.contains(is_hidden) {
        return format!("'{}'", word.replace('\'', r"'\''")).into();
    }
    let escaped = word.chars().fold(String::new(), |text, c| match c {
        '\n' => text + r"\n",
        '\t' => text + r"\t",
        // The quote too: what breaks lines would take it for the end.
        '\\' | '\'' => text + if c == '\\' { r"\\" } else { r"\x27" },
        c if c.is_ascii_control() => text + &format!(r"\x{:02x}", u32::from(c)),
        c if is_hidden(c) => text + &format!(r"\u{:04x}", u32::from(c)),
        c => text + c.encode_utf8(&mut [0; 4]),
    });
    format!("$'{escaped}'").into()
}

/// For Windows PowerShell 5.1 and newer, as an argument. A double quote in a word reaches cmdlets; Windows PowerShell loses it on
/// the way to a program, whatever is written.
pub fn powershell(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || r"_-./\:=+".contains(c);
    // It takes `-Da.b` apart, as a parameter and its value.
    let is_parameter = word.starts_with('-') && !word.starts_with("--") && word.contains(['.', ':']);
    if !word.is_empty() && !is_parameter && word.chars().all(is_plain) {
        return word.into();
    }
    // It takes typographic quotes for plain ones.
    let is_single = |c: char| matches!(c, '\'' | '\u{2018}'..='\u{201b}');
    let is_double = |c: char| matches!(c, '\u{201c}'..='\u{201e}');
    let is_written_out = word.contains(is_hidden);
    let escaped = word.chars().fold(String::new(), |text, c| match c {
        c if !is_written_out => {
            (if is_single(c) { text + c.encode_utf8(&mut [0; 4]) } else { text }) + c.encode_utf8(&mut [0; 4])
        }
        '\n' => text + "`n",
        '\t' => text + "`t",
        // The quote too: what breaks lines would take it for the end.
        c if is_hidden(c) || c == '"' => text + &format!("$([char]0x{:x})", u32::from(c)),
        c => (if is_double(c) || "`$".contains(c) { text + "`" } else { text }) + c.encode_utf8(&mut [0; 4]),
    });
    if is_written_out { format!("\"{escaped}\"") } else { format!("'{escaped}'") }.into()
}

/// What begins with a quote would be a text for PowerShell, what begins with a digit a number.
fn called(line: String) -> String {
    if line.starts_with(|c: char| c.is_alphabetic() || r".\_/".contains(c)) { line } else { format!("& {line}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bash_reads_the_same_words() {
        let words = [
            "a",
            "",
            "it's",
            "{a,b}",
            "!x",
            "=z",
            "~",
            "a b",
            "$HOME",
            "*",
            "…",
            "ünï",
            "日本 語",
            "a\nb",
            "\t'\\n\x1b[31m",
            "--lock=x",
            "a\u{202e}b",
            "#",
            "a^b",
        ];
        let line = join_for_sh(words);
        assert!(!line.contains(is_hidden) && line.contains("--lock=x"), "{line}");
        let script = format!("export LC_ALL=C.UTF-8; printf '%s\\0' {line}");
        let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap().split_terminator('\0').collect::<Vec<_>>(),
            words,
            "{line}"
        );
    }

    #[test]
    fn powershell_reads_the_same_words() {
        for (word, written) in [
            ("a", "a"),
            (r"C:\Users\bot\main.py", r"C:\Users\bot\main.py"),
            ("--lock=x.lock", "--lock=x.lock"),
            ("-m", "-m"),
            ("ünï", "ünï"),
            ("", "''"),
            (r"C:\Program Files\x", r"'C:\Program Files\x'"),
            ("it's", "'it''s'"),
            ("it\u{2019}s \u{2018}a\u{201a}", "'it\u{2019}\u{2019}s \u{2018}\u{2018}a\u{201a}\u{201a}'"),
            ("\u{201c}a\u{201d}", "'\u{201c}a\u{201d}'"),
            ("-Da.b", "'-Da.b'"),
            ("-a:b", "'-a:b'"),
            ("--%", "'--%'"),
            ("@x", "'@x'"),
            ("a,b", "'a,b'"),
            ("#", "'#'"),
            ("$x", "'$x'"),
            ("(a)", "'(a)'"),
            ("{a}", "'{a}'"),
            (";", "';'"),
            ("`", "'`'"),
            ("~", "'~'"),
            ("*.py", "'*.py'"),
            ("a>b|c&d", "'a>b|c&d'"),
            ("\u{2013}x", "'\u{2013}x'"),
            ("%PATH%", "'%PATH%'"),
            ("say \"a\"", "'say \"a\"'"),
            ("a\nb", "\"a`nb\""),
            ("\t$x`'\"\u{201e}", "\"`t`$x``'$([char]0x22)`\u{201e}\""),
            ("\x1b[31m", "\"$([char]0x1b)[31m\""),
            ("a\u{202e}b", "\"a$([char]0x202e)b\""),
        ] {
            assert_eq!(powershell(word), written, "{word:?}");
        }
    }

    #[test]
    fn powershell_runs_what_the_line_begins_with() {
        for (words, line) in [
            (&["node.exe", "a b.js"][..], "node.exe 'a b.js'"),
            (&[r".\bot.exe"], r".\bot.exe"),
            (&[r"C:\Program Files\x.exe", "y"], r"& 'C:\Program Files\x.exe' y"),
            (&["7z", "x"], "& 7z x"),
            (&["-"], "& -"),
        ] {
            let spaced = spaced(words, powershell);
            assert_eq!(called(spaced), line);
        }
        assert_eq!(and_for_powershell(&["a", "b", "c"]), "a; if ($?) { b; if ($?) { c } }");
        assert_eq!(and_for_powershell(&["a"]), "a");
    }

    #[cfg(feature = "cli")]
    #[test]
    fn a_backslash_of_windows_is_one() {
        let split = split_with_backslashes;
        let words = |line| split(line).map(|words| words.join("|"));
        assert_eq!(words(r"venv\Scripts\python.exe  main.py").as_deref(), Some(r"venv\Scripts\python.exe|main.py"));
        assert_eq!(words(r#""C:\a b\x.exe" '' -n"it's""#).as_deref(), Some(r"C:\a b\x.exe||-nit's"));
        assert_eq!((words("").as_deref(), words("'a b")), (Some(""), None));
        assert_eq!(split("  "), Some(vec![]));
    }
}
