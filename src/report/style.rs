//! Colour, decided once, and styles named by meaning. Everything is readable without.
//!
//! All text for people goes out here, and here its tokens are masked, whatever they name. [`write_raw`] is for what is no
//! text: it masks nothing.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};

use crate::base::env;
use crate::base::secret::mask;
use crate::cli::Color;
use crate::platform::poll;

/// What is wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What deserves a look.
pub const WARNING: Style = AnsiColor::Yellow.on_default();
/// What is well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What to type.
pub const COMMAND: Style = AnsiColor::Cyan.on_default();
/// What stands out, as a name or a number does.
pub const NAME: Style = Style::new().bold();
/// What may be skipped.
pub const FAINT: Style = Style::new().dimmed();

/// Whether a stream gets colour.
pub fn has_colour(choice: Color, stream: &impl IsTerminal) -> bool {
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            stream.is_terminal()
                && std::env::var_os(env::NO_COLOR).is_none_or(|value| value.is_empty())
                && std::env::var_os(env::TERM).is_some_and(|term| term != "dumb")
        }
    }
}

pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Writes to stdout, without its colours if it has none.
///
/// # Errors
/// Those of `write(2)`; a reader that has gone is none.
pub fn to_stdout(text: &str, colour: bool) -> io::Result<()> {
    let result = write(&mut io::stdout().lock(), text, colour);
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

/// Writes a notice to stderr only if that does not block: a full pipe that nobody reads must not keep a bot from its
/// start.
pub fn notice(text: &str, colour: bool) {
    if poll::is_stderr_writable() {
        let _ = write(&mut io::stderr().lock(), text, colour);
    }
}

fn write(stream: &mut impl Write, text: &str, colour: bool) -> io::Result<()> {
    if colour {
        stream.write_all(mask(text).as_bytes())?;
    } else {
        // Afterwards: what was styled in part is in one piece then.
        stream.write_all(mask(&anstream::adapter::strip_str(text).to_string()).as_bytes())?;
    }
    stream.flush()
}
