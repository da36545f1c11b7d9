//! Terminals.

use std::os::fd::AsFd;

/// How large a terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// At least 1.
    pub columns: usize,
    /// At least 1.
    pub rows: usize,
}

/// The width of a terminal in columns; `None` if the stream is no terminal or does not say.
pub fn width(stream: &impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    (size.ws_col > 0).then_some(size.ws_col.into())
}

/// The size of a terminal; `None` if the stream is no terminal or does not say.
pub fn size(stream: &impl AsFd) -> Option<Size> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some(Size { columns: size.ws_col.into(), rows: size.ws_row.into() })
}
