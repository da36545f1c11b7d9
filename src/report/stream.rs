//! Writes text for people: colour, decided once; the width of the terminal; tokens masked, even in names.
//!
//! All text for people goes through here. [`write_raw`] is for anything else, and masks nothing.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::wrap;
use crate::base::env;
use crate::base::secret::mask;
use crate::cli::Color;
use crate::platform::poll;
use crate::platform::terminal::{self, Stream};

/// Whether a stream gets colour.
pub fn has_colour(choice: Color, stream: &impl IsTerminal) -> bool {
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let no_colour = std::env::var_os(env::NO_COLOR).is_some_and(|value| !value.is_empty());
            stream.is_terminal() && !no_colour && !terminal::is_dumb()
        }
    }
}

/// The width of a stream's terminal; `None` where it is no terminal, or one that knows nothing but lines.
pub fn columns(stream: &impl Stream) -> Option<usize> {
    terminal::width(stream).filter(|_| !terminal::is_dumb())
}

/// Whether a line that was written can be written again in the same place.
pub fn can_redraw(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && !terminal::is_dumb()
}

/// Writes to stdout in lines of at most `columns`, without its colours if it has none.
///
/// # Errors
/// Those of `write(2)`; a reader that has gone is none.
pub fn to_stdout(text: &str, colour: bool, columns: Option<usize>) -> io::Result<()> {
    let result = write(&mut io::stdout().lock(), &wrap::page(text, columns), colour);
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes a line of JSON to stdout, which is masked already and has no colours.
///
/// # Errors
/// Those of `write(2)`; a reader that has gone is none.
pub fn json_to_stdout(line: &str) -> io::Result<()> {
    match write_raw(line.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes bytes to stdout as they are: control sequences, an answer to a shell.
///
/// # Errors
/// Those of `write(2)`.
pub fn write_raw(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Whether somebody still reads stdout: `--watch` ends when its reader has gone.
pub fn is_read() -> bool {
    !poll::is_stdout_broken()
}

/// Writes to stderr. Where nobody reads it, nothing is lost but the message.
pub fn to_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(mask(text).as_bytes());
}

/// Writes a notice to stderr only as far as that does not block: a full pipe that nobody reads must not keep a bot from
/// its start. What was typed is part of hints, so a notice may be larger than any pipe.
pub fn notice(text: &str, colour: bool) {
    let mut stderr = io::stderr().lock();
    let mut patience = Duration::ZERO;
    for part in masked(&wrap::page(text, columns(&io::stderr())), colour).as_bytes().chunks(poll::WRITABLE_AT_ONCE) {
        if !poll::is_stderr_writable(patience) || stderr.write_all(part).is_err() {
            return;
        }
        patience = SLOW_READER;
    }
}

/// Who reads a notice at all has read 4 KiB of it in this time.
const SLOW_READER: Duration = Duration::from_millis(200);

fn write(stream: &mut impl Write, text: &str, colour: bool) -> io::Result<()> {
    stream.write_all(masked(text, colour).as_bytes())?;
    stream.flush()
}

fn masked(text: &str, colour: bool) -> String {
    if colour {
        mask(text).into_owned()
    } else {
        // Afterwards: what was styled in part is in one piece then.
        mask(&anstream::adapter::strip_str(text).to_string()).into_owned()
    }
}
