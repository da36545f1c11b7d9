//! Terminals.

use std::os::fd::AsFd;

/// The width of a terminal in columns; `None` if the stream is no terminal or does not say.
pub fn width(stream: &impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    (size.ws_col > 0).then_some(size.ws_col.into())
}
