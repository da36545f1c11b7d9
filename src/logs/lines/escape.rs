//! Escape sequences of terminals.

/// Escape sequences at `at`: colours, and the titles that shells set.
pub fn skip_colour(text: &[u8], mut at: usize) -> usize {
    while let Some(rest) = text.get(at..) {
        let end = match rest {
            [0x1b, b'[', ..] => rest.iter().skip(2).take(22).position(u8::is_ascii_alphabetic),
            [0x1b, b']', ..] => rest.iter().skip(2).take(200).position(|byte| *byte == 0x07),
            _ => None,
        };
        let Some(end) = end else { break };
        at += end + 3;
    }
    at
}
