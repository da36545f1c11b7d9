//! Outcomes, errors and notices become bytes. stdout carries data, stderr everything else; a reader that has gone is no
//! error.

pub mod bugs;
pub mod conflicts;
pub mod doctor;
pub mod human;
pub mod init;
pub mod json;
mod log;
pub mod message;
pub mod metrics;
pub mod notice;
pub mod plan;
pub mod progress;
pub mod sanitize;
pub mod settings;
pub mod status;
pub mod style;
pub mod table;
pub mod watching;
pub mod wrap;

use std::collections::HashSet;
use std::io::{self, IsTerminal};

use crate::base::error::{Error, plain};
use crate::base::exit::Exit;
use crate::cli::{Color, Global, Usage, Wrong};
use crate::lock::held::Incident;
use crate::outcome::Outcome;
use crate::outcome::events::{Events, Notice};
use crate::outcome::metrics::MetricsNotWritten;
use crate::outcome::status::StatusOutcome;
use crate::platform::{stack, terminal};
use progress::Progress;
use watching::Watching;

/// Where and how to print.
#[derive(Debug)]
pub struct Report {
    global: Global,
    progress: Progress,
    watching: Watching,
    /// Warnings that were shown: each once, also with `--watch`.
    shown: HashSet<String>,
}

impl Report {
    /// For these options; starts the log, if it was asked for.
    pub fn new(global: &Global) -> Self {
        let report = Self {
            global: global.clone(),
            progress: Progress::default(),
            watching: Watching::default(),
            shown: HashSet::new(),
        };
        log::start(global, report.has_colour());
        report
    }

    /// Whether stderr gets colour.
    pub fn has_colour(&self) -> bool {
        style::has_colour(self.global.color, &io::stderr())
    }

    /// Prints an outcome and says with which code solobot ends.
    pub fn outcome(&mut self, outcome: &Outcome) -> Exit {
        self.progress.clear();
        if let Outcome::Status(StatusOutcome { watched: Some(_), .. }) = outcome {
            // What was drawn last stays where the operator can read it; what was printed is there already.
            self.watching.leave();
            if self.watching.has_drawn() {
                let _ = self.print(outcome);
            }
            return outcome.exit();
        }
        if let Outcome::Metrics(measured) = outcome
            && let Some(path) = &measured.output
        {
            return match metrics::write(path, &metrics::text(measured)) {
                Ok(()) => outcome.exit(),
                Err(source) => self.error(&MetricsNotWritten { path: path.clone(), source }.into()),
            };
        }
        match self.print(outcome) {
            Ok(()) => outcome.exit(),
            Err(error) => not_written(&error, self.has_colour()),
        }
    }

    fn print(&self, outcome: &Outcome) -> io::Result<()> {
        if self.global.json {
            return json::outcome(outcome).map_or(Ok(()), |line| style::json_to_stdout(&line));
        }
        let speaks = !self.global.quiet;
        let text = match outcome {
            Outcome::Status(status) => status::status(status, terminal::width(&io::stdout()), self.global.verbose > 0),
            Outcome::KillDuplicates(done) if speaks => plan::outcome(done, terminal::width(&io::stdout())),
            Outcome::Check(check) if speaks => human::check(check),
            Outcome::Doctor(outcome) if speaks => doctor::doctor(outcome, terminal::width(&io::stdout())),
            Outcome::Metrics(measured) => metrics::text(measured),
            Outcome::Conflicts(counted) if speaks => conflicts::text(counted, terminal::width(&io::stdout())),
            Outcome::Conflicts(counted) => {
                style::notice(&conflicts::incomplete(counted), self.has_colour());
                return Ok(());
            }
            Outcome::CleanStale(cleaned) if speaks => human::clean_stale(cleaned),
            Outcome::Release(released) => {
                if speaks {
                    style::notice(&format!("solobot: {}", human::release(released)), self.has_colour());
                }
                return Ok(());
            }
            Outcome::Init(drafted) if speaks || !drafted.written => init::text(drafted),
            Outcome::Completions { text, .. } => return style::write_raw(text.as_bytes()),
            Outcome::DeleteWebhook(deleted) if speaks => human::delete_webhook(deleted),
            Outcome::Acquire(acquired) => {
                // Its stdout may be captured by the shell that holds the lock; what it says is no data.
                let text = human::acquire(*acquired);
                if self.global.verbose > 0 && !text.is_empty() {
                    style::notice(&text, self.has_colour());
                }
                return Ok(());
            }
            Outcome::Check(_)
            | Outcome::Doctor(_)
            | Outcome::CleanStale(_)
            | Outcome::KillDuplicates(_)
            | Outcome::DeleteWebhook(_)
            | Outcome::Init(_)
            | Outcome::Keeper => return Ok(()),
        };
        style::to_stdout(&text, style::has_colour(self.global.color, &io::stdout()))
    }

    /// Prints an error and says with which code solobot ends.
    pub fn error(&mut self, error: &Error) -> Exit {
        self.progress.clear();
        self.watching.leave();
        if self.global.json {
            let _ = style::json_to_stdout(&json::error(error));
        } else if let Error::Bug(message) = error {
            style::to_stderr(&format!("{}\n", bugs::bug_report(message)));
        } else if !(self.global.quiet && is_refusal(error)) {
            style::notice(&message::error(&error.brief(), &error.hints()), self.has_colour());
        }
        error.exit()
    }
}

/// What `-q` keeps silent: the exit code says it.
fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), "held" | "runs-unlocked" | "takeover-refused")
}

impl Events for Report {
    fn notice(&mut self, notice: &Notice) {
        let is_warning = matches!(notice, Notice::Warning(_) | Notice::Incident { .. });
        let is_detail = matches!(
            notice,
            Notice::HeldForUs | Notice::Settings { .. } | Notice::Incident { incident: Incident::Restored, .. }
        );
        if (self.global.quiet && !is_warning) || (is_detail && self.global.verbose == 0) {
            return;
        }
        if let Notice::Reading { done, total } = notice {
            self.progress.reading(*done, *total);
            return;
        }
        if let Notice::Warning(text) = notice
            && !self.shown.insert(text.clone())
        {
            return;
        }
        if let Notice::Waiting { elapsed, wait } = notice {
            self.progress.waiting(*elapsed, *wait);
            return;
        }
        if let Notice::Passing(passing) = notice {
            self.progress.passing(notice::passing(*passing));
            return;
        }
        self.progress.clear();
        self.watching.leave();
        style::notice(&notice::notice(notice, terminal::width(&io::stderr())), self.has_colour());
    }

    fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    fn confirm(&mut self, question: &str) -> Option<bool> {
        if !self.can_ask() {
            return None;
        }
        let prompt = dialoguer::Confirm::new().with_prompt(sanitize::line(question)).default(false);
        // Ctrl-C or a closed terminal is a no.
        Some(prompt.interact().unwrap_or(false))
    }

    fn ask(&mut self, question: &str, proposal: Option<&str>) -> Option<String> {
        if !self.can_ask() {
            return None;
        }
        let question = sanitize::line(question);
        let mut input = dialoguer::Input::<String>::new().with_prompt(question).allow_empty(true);
        if let Some(proposal) = proposal {
            input = input.default(sanitize::line(proposal));
        }
        // Ctrl-C or a closed terminal is no answer.
        Some(input.interact_text().unwrap_or_default())
    }

    fn interim(&mut self, seen: &StatusOutcome) -> bool {
        self.watching.show(seen, &self.global).is_ok() && style::is_read()
    }

    fn suspend(&mut self) {
        self.watching.leave();
    }
}

/// Prints what is said of a command line that is not run: help and version on stdout, errors on stderr.
pub fn usage(usage: &Usage) -> Exit {
    let on_stderr = |text: &str, choice| style::notice(text, style::has_colour(choice, &io::stderr()));
    match usage {
        Usage::Answer { text, is_asked: true } => {
            let result = style::to_stdout(text, style::has_colour(Color::Auto, &io::stdout()));
            let colour = style::has_colour(Color::Auto, &io::stderr());
            return result.map_or_else(|error| not_written(&error, colour), |()| Exit::Ok);
        }
        Usage::Answer { text, is_asked: false } => on_stderr(text, Color::Auto),
        Usage::Wrong(Wrong { message, hints, is_json: true, .. }) => {
            let _ = style::json_to_stdout(&json::usage_or_error(Exit::Usage.code(), "usage", message, hints));
        }
        Usage::Wrong(Wrong { message, hints, synopsis, color, .. }) => {
            let synopsis = synopsis.as_ref().map_or_else(String::new, |line| format!("{line}\n"));
            on_stderr(&format!("{}{synopsis}", message::error(message, hints)), *color);
        }
    }
    Exit::Usage
}

/// What was asked for did not arrive.
fn not_written(error: &io::Error, colour: bool) -> Exit {
    let message = format!("cannot write to stdout: {error}");
    let hints = ["is there room where stdout goes? df -h; or send it elsewhere: solobot … > FILE".to_owned()];
    style::notice(&message::error(&message, &hints), colour);
    Exit::CantCreate
}

/// Says that there is no stack, from a small one.
pub fn no_room(error: &io::Error) -> Exit {
    let limit = stack::low_limit().unwrap_or_default() / 1024;
    style::to_stderr(&format!(
        "solobot: error: the stack may have no more than {limit} KiB, and there is no memory for another: {}\n  hint: \
         raise its limit: ulimit -s 8192\n",
        plain(error)
    ));
    Exit::CantCreate
}

/// Prints bytes as they are: an answer to a shell.
pub fn bytes(bytes: &[u8]) -> Exit {
    match style::write_raw(bytes) {
        Ok(()) => Exit::Ok,
        Err(_) => Exit::CantCreate,
    }
}
