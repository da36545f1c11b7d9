//! Words as programs pass them to each other: UTF-16 that need not be valid, which std keeps as WTF-8. `as_encoded_bytes` shows
//! that.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// The word of these bytes: part of another word, cut at ASCII, or the content of a file. Windows has no word of any other
/// bytes than WTF-8: of those, everything before the first byte that is none.
pub fn os_str(bytes: &[u8]) -> &OsStr {
    let valid = &bytes[..valid_up_to(bytes)];
    // SAFETY: it is WTF-8 from its beginning to the end of a code point, and no surrogates in it form a pair.
    unsafe { OsStr::from_encoded_bytes_unchecked(valid) }
}

/// The same, of your own.
pub fn os_string(bytes: Vec<u8>) -> OsString {
    os_str(&bytes).to_owned()
}

/// The last component of the bytes of a path.
pub fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(is_separator).next().unwrap_or(path)
}

/// Whether a word names a folder as well as a file, so that no PATH is searched for it.
pub fn names_folder(word: &[u8]) -> bool {
    word.iter().any(is_separator)
}

fn is_separator(byte: &u8) -> bool {
    matches!(byte, b'/' | b'\\' | b':')
}

/// Whether two names of files in one folder mean one program: `Python` is `python.exe`.
pub fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    program_name(one).eq_ignore_ascii_case(program_name(other))
}

/// The name of a program, without an extension that every program has.
pub fn program_name(file_name: &[u8]) -> &[u8] {
    match file_name.split_at_checked(file_name.len().wrapping_sub(EXE.len())) {
        Some((name, end)) if end.eq_ignore_ascii_case(EXE) => name,
        _ => file_name,
    }
}

const EXE: &[u8] = b".exe";
/// What is tried behind the name of a program that has no such extension.
const EXTENSIONS: [&str; 4] = ["com", "exe", "bat", "cmd"];

/// The file that is started where this path is typed: itself, or one with an extension that is not typed.
pub fn started_file(path: PathBuf) -> PathBuf {
    if path.is_file() {
        return path;
    }
    let with = EXTENSIONS.iter().map(|extension| path.with_added_extension(extension));
    with.into_iter().find(|file| file.is_file()).unwrap_or(path)
}

/// How many bytes are WTF-8: UTF-8 in which a surrogate may stand alone, encoded as any other code point would be.
fn valid_up_to(bytes: &[u8]) -> usize {
    let (mut at, mut is_behind_lead) = (0, false);
    loop {
        let rest = &bytes[at..];
        let utf8 = match std::str::from_utf8(rest) {
            Ok(_) => return bytes.len(),
            Err(error) => error.valid_up_to(),
        };
        at += utf8;
        is_behind_lead &= utf8 == 0;
        match bytes[at..] {
            [0xED, 0xA0..=0xAF, 0x80..=0xBF, ..] => is_behind_lead = true,
            // A pair must be encoded as the one code point that it is.
            [0xED, 0xB0..=0xBF, 0x80..=0xBF, ..] if !is_behind_lead => is_behind_lead = false,
            _ => return at,
        }
        at += 3;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_program_has_several_names() {
        for (one, other, is_same) in [
            (&b"python.exe"[..], &b"Python"[..], true),
            (b"PYTHON.EXE", b"python.exe", true),
            (b"python3.exe", b"python.exe", false),
            (b".exe", b"", true),
            (b"exe", b"", false),
        ] {
            assert_eq!(is_same_name(one, other), is_same, "{one:?} {other:?}");
        }
        for path in [&br"C:\x\bot.exe"[..], b"C:/x/bot.exe", b"C:bot.exe", b"bot.exe"] {
            assert_eq!(file_name(path), b"bot.exe");
        }
    }

    #[test]
    fn only_wtf_8_becomes_a_word() {
        for (bytes, valid) in [
            (&b"bot.py"[..], 6),
            ("bötchen 🤖".as_bytes(), 13),
            (b"", 0),
            (b"a\xFFb", 1),
            (b"\xED\xA0\x80x", 4),
            (b"x\xED\xB0\x80", 4),
            (b"\xED\xA0\x80\xED\xB0\x80", 3),
            (b"\xED\xA0\x80x\xED\xB0\x80", 7),
            (b"\xED\xA0", 0),
        ] {
            assert_eq!(valid_up_to(bytes), valid, "{bytes:?}");
        }
    }
}
