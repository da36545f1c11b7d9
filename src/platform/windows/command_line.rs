//! Windows passes a program one line instead of words. How its words are put into it and taken out of it is for programs to
//! agree on: nearly all do as Microsoft's C runtime does, and so do these. The exception is `cmd.exe`, which runs batch files.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};

const QUOTE: u16 = b'"' as u16;
const BACKSLASH: u16 = b'\\' as u16;
const SPACE: u16 = b' ' as u16;
const TAB: u16 = b'\t' as u16;

/// The words of a line.
pub(super) fn split(line: &[u16]) -> Vec<OsString> {
    if line.is_empty() {
        return Vec::new();
    }
    let is_space = |unit: &u16| matches!(*unit, SPACE | TAB);
    let (mut word, mut is_quoted, mut at) = (Vec::new(), false, 0);
    // Nothing is escaped in the program's name, because no file's name has a quote in it.
    while let Some(&unit) = line.get(at).filter(|unit| is_quoted || !is_space(unit)) {
        if unit == QUOTE {
            is_quoted = !is_quoted
        } else {
            word.push(unit)
        }
        at += 1;
    }
    let mut words = vec![OsString::from_wide(&word)];
    loop {
        at += line[at..].iter().take_while(|unit| is_space(unit)).count();
        if at >= line.len() {
            return words;
        }
        (word, is_quoted) = (Vec::new(), false);
        while let Some(&unit) = line.get(at).filter(|unit| is_quoted || !is_space(unit)) {
            let backslashes = line[at..].iter().take_while(|unit| **unit == BACKSLASH).count();
            if backslashes > 0 {
                at += backslashes;
                // They escape each other, and the quote, only before a quote.
                let is_before_quote = line.get(at) == Some(&QUOTE);
                word.extend(vec![BACKSLASH; if is_before_quote { backslashes / 2 } else { backslashes }]);
                if is_before_quote && backslashes % 2 == 1 {
                    word.push(QUOTE);
                    at += 1;
                }
                continue;
            }
            at += 1;
            match unit {
                QUOTE if is_quoted && line.get(at) == Some(&QUOTE) => {
                    word.push(QUOTE);
                    at += 1;
                }
                QUOTE => is_quoted = !is_quoted,
                unit => word.push(unit),
            }
        }
        words.push(OsString::from_wide(&word));
    }
}

/// A line of these words.
///
/// # Errors
/// One of them contains a NUL character; the first, a program, a quote.
pub(super) fn join(words: &[OsString]) -> io::Result<Vec<u16>> {
    let mut line = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let units: Vec<u16> = word.encode_wide().collect();
        refuse(&units, &[0])?;
        if at == 0 {
            refuse(&units, &[QUOTE])?;
            line.push(QUOTE);
            line.extend(units);
            line.push(QUOTE);
            continue;
        }
        line.push(SPACE);
        let is_quoted = units.is_empty() || units.iter().any(|unit| matches!(*unit, SPACE | TAB));
        push_quoted(&mut line, &units, is_quoted, &[BACKSLASH, QUOTE]);
    }
    Ok(line)
}

/// Pushes a word in which a quote is written as this, and the backslashes before one twice.
fn push_quoted(line: &mut Vec<u16>, units: &[u16], is_quoted: bool, quote: &[u16]) {
    let mut backslashes = 0;
    if is_quoted {
        line.push(QUOTE);
    }
    for &unit in units {
        if unit == QUOTE {
            line.extend(vec![BACKSLASH; backslashes]);
            line.extend(quote);
        } else {
            line.push(unit);
        }
        backslashes = if unit == BACKSLASH { backslashes + 1 } else { 0 };
    }
    if is_quoted {
        line.extend(vec![BACKSLASH; backslashes]);
        line.push(QUOTE);
    }
}

/// What cmd.exe takes for nothing but itself, without quotes around it; as in std's `std::process::Command`.
const PLAIN: &str = r"#$*+-./:?@\_";
/// An empty part of a variable that every cmd.exe has. Behind a `%` it makes that `%` begin no variable's name.
const NO_VARIABLE: &str = "%%cd:~,";

/// The line that has cmd.exe run a batch file with these arguments, none of which cmd.exe takes for anything but text: without
/// quotes around it, `&` starts another command, and within them `%NAME%` still is a variable. It is std's
/// `std::process::Command` that has found out how; it does not hand the line out.
///
/// # Errors
/// An argument contains a line feed, a carriage return or NUL, which no quoting helps; the batch file's name a quote.
pub(super) fn join_for_batch(script: &OsStr, arguments: &[OsString]) -> io::Result<Vec<u16>> {
    let mut line: Vec<u16> = "cmd.exe /e:ON /v:OFF /d /c \"\"".encode_utf16().collect();
    let script: Vec<u16> = script.encode_wide().collect();
    refuse(&script, &[0, QUOTE])?;
    if script.last() == Some(&BACKSLASH) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    line.extend(script);
    line.push(QUOTE);
    for argument in arguments {
        let units: Vec<u16> = argument.encode_wide().collect();
        refuse(&units, &[0, u16::from(b'\n'), u16::from(b'\r')])?;
        let is_plain = |unit: char| match unit {
            '\0'..='\x7f' => unit.is_ascii_alphanumeric() || PLAIN.contains(unit),
            unit => !('\u{80}'..='\u{9f}').contains(&unit),
        };
        let is_all_plain = char::decode_utf16(units.iter().copied()).all(|unit| unit.map_or(true, is_plain));
        let is_quoted = units.is_empty() || units.last() == Some(&BACKSLASH) || !is_all_plain;
        let percent = u16::from(b'%');
        let escaped: Vec<u16> = units
            .iter()
            .flat_map(|&unit| NO_VARIABLE.encode_utf16().filter(move |_| unit == percent).chain([unit]))
            .collect();
        line.push(SPACE);
        push_quoted(&mut line, &escaped, is_quoted, &[QUOTE, QUOTE]);
    }
    line.push(QUOTE);
    Ok(line)
}

fn refuse(units: &[u16], these: &[u16]) -> io::Result<()> {
    if units.iter().any(|unit| these.contains(unit)) {
        let what = "it contains a character that no command line can pass on";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn a_line_is_taken_apart_as_the_c_runtime_does() {
        for (line, expected) in [
            (r"python bot.py", &["python", "bot.py"][..]),
            (r#""C:\Program Files\python.exe"  -u	bot.py "#, &[r"C:\Program Files\python.exe", "-u", "bot.py"]),
            (r#"a "b c" d\e \\"f g\\" "h\"i" "" j""k"#, &["a", "b c", r"d\e", r"\f g\", "h\"i", "", "jk"]),
            (r#"a "b""c" d"#, &["a", "b\"c", "d"]),
            (r#"a "b"#, &["a", "b"]),
            ("", &[]),
            (" a", &["", "a"]),
        ] {
            assert_eq!(split(&units(line)), words(expected), "{line}");
        }
    }

    #[test]
    fn what_is_joined_comes_apart_again() {
        for one in
            ["", " ", "a", "a b", r"\", r"a\", r"a b\", r#"""#, r#"\""#, r#"a\\"b c"#, r"C:\a b\", "%PATH%", "ü 🤖"]
        {
            let all = words(&[r"C:\x y\z.exe", one, "end"]);
            assert_eq!(split(&join(&all).unwrap()), all, "{one}");
        }
        assert!(join(&words(&["a\"b"])).is_err() && join(&words(&["a", "b\0"])).is_err());
    }

    #[test]
    fn a_batch_file_gets_nothing_that_is_run() {
        let line = |argument: &str| {
            let line = join_for_batch(OsStr::new(r"C:\b c.bat"), &words(&[argument]));
            line.map(|line| String::from_utf16(&line).unwrap())
        };
        let of = |argument: &str| format!(r#"cmd.exe /e:ON /v:OFF /d /c ""C:\b c.bat" {argument}""#);
        for (argument, passed) in [
            ("plain-1.0", "plain-1.0"),
            ("a&calc", r#""a&calc""#),
            (r#""&calc"#, r#""""&calc""#),
            ("%PATH%", r#""%%cd:~,%PATH%%cd:~,%""#),
            (r"a\", r#""a\\""#),
            ("", r#""""#),
        ] {
            assert_eq!(line(argument).unwrap(), of(passed), "{argument}");
        }
        assert!(line("a\nb").is_err() && line("a\rb").is_err());
    }
}
