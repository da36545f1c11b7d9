//! Terminals.

use std::io::{Stderr, Stdout};
use std::os::fd::AsFd;

use crate::base::env;

/// A stream that may lead to a terminal.
pub trait Stream: AsFd {}

impl Stream for Stdout {}
impl Stream for Stderr {}

/// Whether terminals know nothing but lines.
pub fn is_dumb() -> bool {
    std::env::var_os(env::TERM).is_none_or(|term| term.is_empty() || term == "dumb")
}

/// How large a terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// At least 1.
    pub columns: usize,
    /// At least 1.
    pub rows: usize,
}

/// The width of a terminal in columns; `None` if the stream is not a terminal or does not say.
pub fn width(stream: &impl Stream) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    (size.ws_col > 0).then_some(size.ws_col.into())
}

/// The size of a terminal; `None` if the stream is not a terminal or does not say.
pub fn size(stream: &impl Stream) -> Option<Size> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some(Size { columns: size.ws_col.into(), rows: size.ws_row.into() })
}
