//! Durations as people type them: `30`, `0.5`, `500ms`, `30s`, `5m`, `1h`, and `forever` where solobot waits.

use std::fmt;
use std::time::{Duration, Instant};

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// At most this long; zero means not at all.
    For(Duration),
    Forever,
}

impl Limit {
    /// When the wait ends; `None` for never.
    pub fn deadline(self, start: Instant) -> Option<Instant> {
        match self {
            Self::For(duration) => start.checked_add(duration),
            Self::Forever => None,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(duration) => f.write_str(&show(*duration)),
            Self::Forever => f.write_str("forever"),
        }
    }
}

/// Parses a duration; a bare number is seconds.
///
/// # Errors
/// If the text is not a duration; the message says how to write one.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return Err(form(text)),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = plain.then(|| digits.parse().ok()).flatten().ok_or_else(|| form(text))?;
    Duration::try_from_secs_f64(number * factor).map_err(|_| form(text))
}

/// Parses a duration or `forever`.
///
/// # Errors
/// As [`parse_duration`].
pub fn parse_limit(text: &str) -> Result<Limit, String> {
    if text.trim().eq_ignore_ascii_case("forever") {
        return Ok(Limit::Forever);
    }
    parse_duration(text).map(Limit::For).map_err(|_| not_a_duration(text, "5m, 1h or forever"))
}

/// As [`parse_duration`], but not 0.
///
/// # Errors
/// As [`parse_duration`], and for 0.
pub fn parse_positive(text: &str) -> Result<Duration, String> {
    parse_duration(text).and_then(|duration| {
        if duration.is_zero() { Err(format!("`{text}` is too short: it must be more than 0")) } else { Ok(duration) }
    })
}

fn form(text: &str) -> String {
    not_a_duration(text, "5m or 1h")
}

fn not_a_duration(text: &str, last: &str) -> String {
    format!("`{text}` is not a duration: use 30, 0.5, 500ms, 30s, {last}")
}

/// A duration for people: the largest one or two units, `2d 3h`, `5m 12s`, `1.5s`, `500ms`.
pub fn show(duration: Duration) -> String {
    let secs = duration.as_secs();
    let (days, hours, minutes, seconds) = (secs / 86400, secs / 3600 % 24, secs / 60 % 60, secs % 60);
    let pair = |a: u64, unit_a: &str, b: u64, unit_b: &str| {
        if b == 0 { format!("{a}{unit_a}") } else { format!("{a}{unit_a} {b}{unit_b}") }
    };
    if days > 0 {
        pair(days, "d", hours, "h")
    } else if hours > 0 {
        pair(hours, "h", minutes, "m")
    } else if minutes > 0 {
        pair(minutes, "m", seconds, "s")
    } else if secs == 0 && duration.subsec_millis() > 0 {
        format!("{}ms", duration.subsec_millis())
    } else if duration.subsec_millis() >= 100 && secs < 10 {
        format!("{secs}.{}s", duration.subsec_millis() / 100)
    } else {
        format!("{secs}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_the_contract() {
        let cases = [("30", 30_000), ("0.5", 500), ("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000)];
        for (text, millis) in cases {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse_limit("forever"), Ok(Limit::Forever));
        assert_eq!(parse_limit("0"), Ok(Limit::For(Duration::ZERO)));
    }

    #[test]
    fn what_is_no_duration() {
        for text in ["", "s", "-1", "1 week", "5x", "nan", "inf", "1e400", "..", "٣", "99999999999999999999999h"] {
            assert!(parse_duration(text).unwrap_err().contains("500ms"), "{text}");
        }
    }

    #[test]
    fn shown_in_one_or_two_units() {
        let cases =
            [(0, "0s"), (500, "500ms"), (1500, "1.5s"), (61_000, "1m 1s"), (3_600_000, "1h"), (93_600_000, "1d 2h")];
        for (millis, text) in cases {
            assert_eq!(show(Duration::from_millis(millis)), text);
        }
    }
}
