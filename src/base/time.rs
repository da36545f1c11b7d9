//! Moments, as they are shown.

use jiff::Timestamp;

/// Without its fraction of a second: nobody asks for it, and two looks in one second are to say the same.
pub fn to_the_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
