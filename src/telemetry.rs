//! What solobot says of itself: the log (`-vv`, to stderr), and reports of bugs.
//!
//! Nothing here is set up before it is needed: the log only if it was asked for, color-eyre only when there is a bug to
//! report.

use std::io::{self, Write};
use std::panic::PanicHookInfo;

use color_eyre::config::HookBuilder;
use tracing_subscriber::EnvFilter;

use crate::cli::Global;
use crate::report::{Report, sanitize, style};

/// Starts the log: `-vv` shows what solobot does, `-vvv` every step. As JSON lines with `--json`.
pub fn start(global: &Global, report: &Report) {
    let level = match global.verbose {
        0 | 1 => return,
        2 => "solobot=debug",
        _ => "solobot=trace",
    };
    let is_json = global.json;
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_writer(move || Clean { is_json })
        .with_ansi(report.has_colour())
        .with_target(false);
    if global.json { log.json().init() } else { log.init() }
}

/// stderr, where tokens are masked and hidden characters escaped: the log names folders and locks too.
struct Clean {
    is_json: bool,
}

impl Write for Clean {
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

/// Lets a panic be shown by color-eyre, which is set up only then.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let (panics, _) = hooks().into_hooks();
        style::to_stderr(&format!("{}\n", panics.panic_report(info)));
    }));
}

/// The report of an error that nobody expected.
pub fn bug_report(message: &str) -> String {
    // Only the first call can install the hook, and one report is all there is.
    let _ = hooks().install();
    format!("{:?}", color_eyre::eyre::eyre!("{message}"))
}

fn hooks() -> HookBuilder {
    HookBuilder::new().display_env_section(false).panic_section("this is a bug in solobot: please report it")
}
