//! Turns outcomes, errors and notices into bytes. stdout carries data, stderr everything else. If a reader is gone,
//! that is no error.

pub mod bugs;
pub mod conflicts;
pub mod doctor;
pub mod human;
pub mod init;
pub mod json;
mod lease_notice;
mod log;
pub mod message;
pub mod metrics;
pub mod notice;
pub mod plan;
pub mod progress;
pub mod sanitize;
pub mod settings;
pub mod status;
pub mod stream;
pub mod style;
pub mod table;
pub mod watching;
pub mod wrap;

use std::collections::HashSet;
use std::io::{self, IsTerminal};

use crate::base::error::{Error, plain};
use crate::base::exit::Exit;
use crate::cli::again::TypedLine;
use crate::cli::examples::NO_BREAK;
use crate::cli::{Color, Global, Usage, Wrong};
use crate::lock::held::Incident;
use crate::outcome::Outcome;
use crate::outcome::acquire::AcquireOutcome;
use crate::outcome::events::{Events, Notice};
use crate::outcome::metrics::MetricsNotWritten;
use crate::outcome::status::StatusOutcome;
use crate::platform::advice;
use crate::platform::stack;
use progress::Progress;
use watching::WatchScreen;

/// Where and how to print.
#[derive(Debug)]
pub struct Report<'a> {
    global: Global,
    /// What hints that say "the same, but …" go on with.
    typed: TypedLine<'a>,
    progress: Progress,
    watching: WatchScreen,
    /// Warnings and hints that were shown: each once, also with `--watch`.
    shown: HashSet<String>,
}

impl<'a> Report<'a> {
    /// For these options; starts the log, if it was asked for.
    pub fn new(global: &Global, typed: TypedLine<'a>) -> Self {
        let report = Self {
            global: global.clone(),
            typed,
            progress: Progress::default(),
            watching: WatchScreen::default(),
            shown: HashSet::new(),
        };
        log::start(global, report.has_colour());
        report
    }

    /// Whether stderr gets colour.
    pub fn has_colour(&self) -> bool {
        stream::has_colour(self.global.color, &io::stderr())
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
            Err(error) => not_written(&error, self.has_colour(), self.typed),
        }
    }

    fn print(&self, outcome: &Outcome) -> io::Result<()> {
        if self.global.json {
            return json::outcome(outcome).map_or(Ok(()), |line| stream::json_to_stdout(&line));
        }
        let speaks = !self.global.quiet;
        let columns = stream::columns(&io::stdout());
        let text = match outcome {
            Outcome::Status(status) => status::status(status, columns, self.global.verbose > 0, self.typed),
            Outcome::KillDuplicates(done) if speaks => plan::outcome(done, columns),
            Outcome::Restart(done) if speaks => human::restart(done),
            Outcome::Check(check) if speaks => human::check(check),
            Outcome::Lease(lease) if speaks => human::lease(lease, self.typed),
            Outcome::Doctor(outcome) if speaks => doctor::doctor(outcome, columns),
            // What a program reads is not for people: no line of it is broken.
            Outcome::Metrics(measured) => return stream::to_stdout(&metrics::text(measured), false, None),
            Outcome::Conflicts(counted) if speaks => conflicts::text(counted, columns, self.typed),
            Outcome::Conflicts(counted) => {
                stream::notice(&conflicts::incomplete(counted, self.typed), self.has_colour());
                return Ok(());
            }
            Outcome::CleanStale(cleaned) if speaks => human::clean_stale(cleaned),
            Outcome::Release(released) => {
                if speaks {
                    stream::notice(&format!("solobot: {}", human::release(released, self.typed)), self.has_colour());
                }
                return Ok(());
            }
            Outcome::Init(drafted) if !drafted.written => return stream::to_stdout(&drafted.text, false, None),
            Outcome::Init(drafted) if speaks => init::text(drafted),
            Outcome::Completions { text, .. } => return stream::write_raw(text.as_bytes()),
            Outcome::DeleteWebhook(deleted) if speaks => human::delete_webhook(deleted),
            Outcome::Acquire(AcquireOutcome::Background(_)) if !speaks => return Ok(()),
            Outcome::Acquire(acquired @ AcquireOutcome::Background(_)) => human::acquire(acquired),
            Outcome::Acquire(acquired) => {
                // Its stdout may be captured by the shell that holds the lock; what it says is no data.
                let text = human::acquire(acquired);
                if self.global.verbose > 0 && !text.is_empty() {
                    stream::notice(&text, self.has_colour());
                }
                return Ok(());
            }
            Outcome::Check(_)
            | Outcome::Lease(_)
            | Outcome::Doctor(_)
            | Outcome::CleanStale(_)
            | Outcome::KillDuplicates(_)
            | Outcome::Restart(_)
            | Outcome::DeleteWebhook(_)
            | Outcome::Init(_)
            | Outcome::Background => return Ok(()),
        };
        stream::to_stdout(&text, stream::has_colour(self.global.color, &io::stdout()), columns)
    }

    /// Prints an error and says with which code solobot ends.
    pub fn error(&mut self, error: &Error) -> Exit {
        self.progress.clear();
        self.watching.leave();
        if self.global.json {
            let _ = stream::json_to_stdout(&json::error(error, self.typed));
        } else if let Error::Bug(message) = error {
            stream::to_stderr(&format!("{}\n", bugs::bug_report(message)));
        } else if !(self.global.quiet && is_refusal(error)) {
            let hints: Vec<String> = error.hints().into_iter().filter(|hint| !self.shown.contains(hint)).collect();
            stream::notice(&message::error(&error.brief(), &hints, self.typed), self.has_colour());
        }
        error.exit()
    }
}

/// What `-q` keeps silent: the exit code says it.
fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), "held" | "runs-unlocked" | "takeover-refused")
}

impl Events for Report<'_> {
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
        if let Notice::Warning(text)
        | Notice::Incident { incident: Incident::NotRecorded(text) | Incident::NoOwnerRecord(text), .. } = notice
            && !self.shown.insert(text.clone())
        {
            return;
        }
        if let Notice::Waiting { what, elapsed, wait } = notice {
            self.progress.waiting(*what, *elapsed, *wait);
            return;
        }
        if let Notice::Passing(passing) = notice {
            self.progress.passing(notice::passing(*passing));
            return;
        }
        if let Notice::Watching { bot, span, why } = notice {
            self.progress.watching(&notice::watching(bot, *span, why));
            return;
        }
        if let Notice::Refused { holding, .. } = notice {
            self.shown.extend(holding.remedies.iter().cloned());
        }
        self.progress.clear();
        self.watching.leave();
        stream::notice(&notice::notice(notice, stream::columns(&io::stderr()), self.typed), self.has_colour());
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
        self.watching.show(seen, &self.global, self.typed).is_ok() && stream::is_read()
    }

    fn suspend(&mut self) {
        self.watching.leave();
    }
}

/// Prints what is said of a command line that is not run: help and version on stdout, errors on stderr.
pub fn usage(usage: &Usage, typed: TypedLine<'_>) -> Exit {
    let on_stderr = |text: &str, choice| stream::notice(text, stream::has_colour(choice, &io::stderr()));
    match usage {
        Usage::Answer { text, is_asked: true } => {
            let stdout = io::stdout();
            let result =
                stream::to_stdout(&help(text), stream::has_colour(Color::Auto, &stdout), stream::columns(&stdout));
            let colour = stream::has_colour(Color::Auto, &io::stderr());
            return result.map_or_else(|error| not_written(&error, colour, typed), |()| Exit::Ok);
        }
        Usage::Answer { text, is_asked: false } => on_stderr(&help(text), Color::Auto),
        Usage::Wrong(Wrong { message, hints, is_json: true, .. }) => {
            let _ = stream::json_to_stdout(&json::usage_or_error(Exit::Usage.code(), "usage", message, hints));
        }
        Usage::Wrong(Wrong { message, hints, synopsis, color, .. }) => {
            let synopsis = synopsis.as_ref().map_or_else(String::new, |line| format!("{line}\n"));
            on_stderr(&format!("{}{synopsis}", message::error(message, hints, typed)), *color);
        }
    }
    Exit::Usage
}

/// Help as clap made it, with the commands of its examples painted.
fn help(text: &str) -> String {
    let line = |line: &str| {
        let is_command = line.starts_with("    ") && line.contains(NO_BREAK);
        let plain = line.replace(NO_BREAK, " ");
        if is_command { format!("    {}", style::paint(style::COMMAND, plain.trim_start())) } else { plain }
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// What was asked for did not arrive.
fn not_written(error: &io::Error, colour: bool, typed: TypedLine<'_>) -> Exit {
    let message = format!("cannot write to stdout: {}", plain(error));
    let hints = [
        format!("if its disk is full, free some space: {}", advice::FREE_SPACE),
        "write it to another file: solobot … > FILE".to_owned(),
    ];
    stream::notice(&message::error(&message, &hints, typed), colour);
    Exit::CantCreate
}

/// Says that there is no stack, from a small one.
pub fn no_room(error: &io::Error) -> Exit {
    let limit = stack::low_limit().unwrap_or_default() / 1024;
    stream::to_stderr(&format!(
        "solobot: error: the stack is limited to {limit} KiB, and there is no memory for a larger one: {}\n  hint: \
         raise its limit: ulimit -s 8192\n",
        plain(error)
    ));
    Exit::CantCreate
}

/// Prints bytes as they are: an answer to a shell.
pub fn bytes(bytes: &[u8]) -> Exit {
    match stream::write_raw(bytes) {
        Ok(()) => Exit::Ok,
        Err(_) => Exit::CantCreate,
    }
}
