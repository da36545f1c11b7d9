//! Terminals.

use std::io::{Stderr, Stdout};
use std::os::windows::io::{AsHandle, AsRawHandle};

use windows_sys::Win32::System::Console::{CONSOLE_SCREEN_BUFFER_INFO, GetConsoleScreenBufferInfo};

/// A stream that may lead to a terminal.
pub trait Stream: AsHandle {}

impl Stream for Stdout {}
impl Stream for Stderr {}

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
    size(stream).map(|size| size.columns)
}

/// The size of a terminal's window; `None` if the stream is not a terminal or does not say.
pub fn size(stream: &impl Stream) -> Option<Size> {
    let mut info = CONSOLE_SCREEN_BUFFER_INFO::default();
    // SAFETY: the handle is borrowed for the call, and `info` has room for what is written.
    let known = unsafe { GetConsoleScreenBufferInfo(stream.as_handle().as_raw_handle(), &raw mut info) };
    let window = info.srWindow;
    let span = |from: i16, to: i16| usize::try_from(i32::from(to) - i32::from(from) + 1).ok().filter(|&span| span > 0);
    let (columns, rows) = (span(window.Left, window.Right), span(window.Top, window.Bottom));
    (known != 0).then_some(())?;
    Some(Size { columns: columns?, rows: rows? })
}
