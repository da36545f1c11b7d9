//! What a lease's name, its TTL and the grace beside it may be.

use std::time::Duration;

use crate::base::duration::parse_duration;

/// The TTL unless told.
pub const TTL: Duration = Duration::from_mins(1);
/// A shorter one could not be renewed in time over the internet.
pub const SHORTEST: Duration = Duration::from_secs(5);
/// A longer one would let a dead host keep a bot from starting for too long.
pub const LONGEST: Duration = Duration::from_mins(10);
/// The longest name, in bytes.
const NAME_MAX: usize = 128;

fn is_of_names(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-')
}

/// A name made of any text: what may not be in one becomes `_`.
pub fn name_of(text: &str) -> String {
    text.chars().map(|c| if is_of_names(c) { c } else { '_' }).take(NAME_MAX).collect()
}

/// Takes the text for the name of a lease: 1 to 128 of `A-Z a-z 0-9 _ . : -`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_name(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("the name of a lease is empty".into());
    }
    if text.len() > NAME_MAX || !text.chars().all(is_of_names) {
        return Err("the name of a lease has 1 to 128 letters, digits, `_`, `.`, `:` or `-`".into());
    }
    Ok(text.to_owned())
}

/// Takes the text for a TTL.
///
/// # Errors
/// If it is no duration from 5 s to 10 min.
pub fn parse_ttl(text: &str) -> Result<Duration, String> {
    let ttl = parse_duration(text)?;
    if (SHORTEST..=LONGEST).contains(&ttl) {
        return Ok(ttl);
    }
    let (what, bound) = if ttl < SHORTEST { ("short", "at least 5s") } else { ("long", "at most 10m") };
    Err(format!("`{text}` is too {what}: {bound}"))
}

/// The longest grace that a TTL has room for. A bot is killed at 80% of the TTL and asked to end `grace` before that; 40%
/// have to be left until then, so that an engine may be away for a while.
pub fn longest_grace(ttl: Duration) -> Duration {
    ttl * 2 / 5
}

/// The shortest TTL that has room for a grace, in seconds; `None` if none has.
pub fn ttl_for(grace: Duration) -> Option<u64> {
    let needed = (grace.saturating_mul(5) / 2).saturating_add(Duration::from_nanos(999_999_999)).max(SHORTEST);
    (needed.as_secs() <= LONGEST.as_secs()).then_some(needed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["123456", "123456-test", "a_b.c:d-E", &"x".repeat(128)] {
            assert_eq!(parse_name(name).as_deref(), Ok(name));
        }
        for name in ["", "a b", "a/b", "é", "a\n", &"x".repeat(129), "{a}"] {
            assert!(parse_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_ttl_is_from_5_seconds_to_10_minutes() {
        for (text, seconds) in [("5s", 5), ("60", 60), ("10m", 600)] {
            assert_eq!(parse_ttl(text), Ok(Duration::from_secs(seconds)));
        }
        for (text, why) in
            [("4.9s", "at least 5s"), ("0", "at least 5s"), ("601", "at most 10m"), ("soon", "not a dur")]
        {
            assert!(parse_ttl(text).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn a_grace_and_the_ttl_it_needs() {
        assert_eq!(longest_grace(TTL), Duration::from_secs(24));
        assert_eq!(longest_grace(SHORTEST), Duration::from_secs(2));
        let needed = |millis| ttl_for(Duration::from_millis(millis));
        assert_eq!((needed(0), needed(2000), needed(2001), needed(10_000)), (Some(5), Some(5), Some(6), Some(25)));
        assert_eq!((needed(240_000), needed(240_001), ttl_for(Duration::MAX)), (Some(600), None, None));
    }
}
