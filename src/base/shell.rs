//! Words as they are typed into a shell.

use std::borrow::Cow;

use super::text::is_hidden;

/// Quoted where a shell must not read more into it than is there: also bash's `{a,b}` and `!`, and zsh's `=`. What is
/// hidden is written out as `$'a\nb'`, since nothing else of it could be seen and pasted.
pub fn quote(word: &str) -> Cow<'_, str> {
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

/// A whole line of them.
pub fn join<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> String {
    words.into_iter().map(|word| quote(word.as_ref()).into_owned()).collect::<Vec<_>>().join(" ")
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
        let line = join(words);
        assert!(!line.contains(is_hidden) && line.contains("--lock=x"), "{line}");
        let script = format!("export LC_ALL=C.UTF-8; printf '%s\\0' {line}");
        let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap().split_terminator('\0').collect::<Vec<_>>(),
            words,
            "{line}"
        );
    }
}
