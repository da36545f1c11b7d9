//! The log of what solobot does (`-vv`, to stderr). Nothing is set up unless it is asked for.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;

use super::sanitize;
use crate::cli::Global;

/// Starts the log: `-vv` shows what solobot does, `-vvv` every step. As JSON lines with `--json`.
pub fn start(global: &Global, has_colour: bool) {
    let level = match global.verbose {
        0 | 1 => return,
        2 => "solobot=debug",
        _ => "solobot=trace",
    };
    let is_json = global.json;
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_writer(move || MaskingWriter { is_json })
        .with_ansi(has_colour)
        .with_target(false);
    if global.json { log.json().init() } else { log.init() }
}

/// stderr, where tokens are masked and hidden characters escaped: the log names folders and locks too.
struct MaskingWriter {
    is_json: bool,
}

impl Write for MaskingWriter {
    /// Takes all of it: the log writes an event at once.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.trim_end_matches('\n');
        let clean = if self.is_json { sanitize::json(line.to_owned()) } else { sanitize::text(line) };
        io::stderr().lock().write_all((clean + &text[line.len()..]).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
