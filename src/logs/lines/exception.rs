//! How an exception is written in the first column.

/// Names of exceptions that do not end in `Error` or `Exception`.
const NAMES: [&[u8]; 9] = [
    b"TimedOut",
    b"RetryAfter",
    b"Conflict",
    b"Forbidden",
    b"BadRequest",
    b"InvalidToken",
    b"Timeout",
    b"ChatMigrated",
    b"Unauthorized",
];

/// What may stand before the name.
const BEFORE: [&[u8]; 8] = [
    b"Uncaught ",
    b"Unhandled rejection ",
    b"Unhandled exception. ",
    b"Unhandled ",
    b"Fatal ",
    b"Caused by: ",
    b"---> ",
    b"PHP Fatal error:  Uncaught ",
];

/// `telegram.error.TimedOut: Timed out`, `Error: connect ETIMEDOUT`, `Unhandled rejection Error: x`.
pub fn names_an_exception(text: &[u8]) -> bool {
    let text = BEFORE.iter().find_map(|before| text.strip_prefix(*before)).unwrap_or(text);
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let length = text.iter().take(120).take_while(is_name).count();
    let (name, rest) = text.split_at(length);
    if length == 0 || !name[0].is_ascii_alphabetic() || !(rest.is_empty() || rest[0] == b':') {
        return false;
    }
    let is_error = [&b"Error"[..], b"Exception"].iter().any(|end| name.ends_with(end));
    is_error || NAMES.iter().any(|end| name.ends_with(end)) || memchr::memmem::find(name, b".exceptions.").is_some()
}
