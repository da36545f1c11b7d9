//! Terminals.

use std::io::{Stderr, Stdout};
use std::os::windows::io::{AsHandle, AsRawHandle};
use std::sync::OnceLock;

use windows_sys::Win32::System::Console::{
    CONSOLE_SCREEN_BUFFER_INFO, ENABLE_VIRTUAL_TERMINAL_PROCESSING, GetConsoleMode, GetConsoleScreenBufferInfo,
    GetStdHandle, STD_ERROR_HANDLE, STD_HANDLE, STD_OUTPUT_HANDLE, SetConsoleMode,
};

use crate::base::env;

/// A stream that may lead to a terminal.
pub trait Stream: AsHandle {}

impl Stream for Stdout {}
impl Stream for Stderr {}

/// Whether terminals know nothing but lines. A console knows colours and places if it is asked to, since Windows 10.
pub fn is_dumb() -> bool {
    static IS_DUMB: OnceLock<bool> = OnceLock::new();
    let is_told = || std::env::var_os(env::TERM).is_some_and(|term| term == "dumb");
    *IS_DUMB.get_or_init(|| is_told() || [STD_OUTPUT_HANDLE, STD_ERROR_HANDLE].into_iter().any(refuses_sequences))
}

/// Whether a stream leads to a console that does not do what control sequences say.
fn refuses_sequences(stream: STD_HANDLE) -> bool {
    let mut mode = 0;
    // SAFETY: the handle is looked up for the calls, which fail for what is no console; `mode` has room for the number.
    unsafe {
        let stream = GetStdHandle(stream);
        GetConsoleMode(stream, &raw mut mode) != 0
            && SetConsoleMode(stream, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING) == 0
    }
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
