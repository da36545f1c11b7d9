//! Times as they are shown.

use jiff::Timestamp;

/// Without the fraction of a second, so that two looks within one second say the same.
pub fn to_the_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
