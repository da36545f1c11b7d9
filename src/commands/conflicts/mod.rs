//! `conflicts`: what the logs say, per day.

mod likely;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::notice::{Notice, Notify};
use crate::base::error::{Error, exit_of_io};
use crate::base::exit::Exit;
use crate::cli;
use crate::conflicts::input::{self, Input};
use crate::conflicts::tally::{By, Limits, Summary};
use crate::conflicts::time::Clock;
use crate::conflicts::{Query, Source, read, written};
use crate::process::find::{self, Search};
use crate::settings::{Bot, Log, Settings};

/// What the logs say.
#[derive(Debug)]
pub struct Outcome {
    /// Counted.
    pub summary: Summary,
    /// What was read.
    pub sources: Vec<Source>,
    /// Buckets are days or hours.
    pub by: By,
    /// Of this zone.
    pub zone: TimeZone,
    /// What `--max` allows.
    pub max: Option<u64>,
    /// Which bots' logs these are; empty for files.
    pub bots: Vec<String>,
    /// When it was looked.
    pub now: Timestamp,
    /// Errors without a time are left out.
    pub only_dated: bool,
}

impl Outcome {
    /// Whether there are no more conflicts than `--max` allows.
    pub fn is_within(&self) -> bool {
        self.max.is_none_or(|max| self.summary.totals.conflicts <= max)
    }

    /// Whether everything could be read to its end.
    pub fn is_complete(&self) -> bool {
        self.sources.iter().all(|source| source.error.is_none())
    }

    /// The exit code it leads to.
    pub fn exit(&self) -> Exit {
        if self.is_within() && self.is_complete() { Exit::Ok } else { Exit::No }
    }
}

/// Runs `conflicts`.
///
/// # Errors
/// Nothing says which logs are meant; none of them can be read.
pub fn run(args: &cli::Conflicts, settings: &Settings, notify: &mut dyn Notify) -> Result<Outcome, Error> {
    let (inputs, bots) = inputs(args, settings, notify)?;
    let now = Timestamp::now();
    let zone = args.tz.clone().unwrap_or_else(TimeZone::system);
    let mut clock = Clock::new(zone.clone(), now);
    let mut instant = |moment: &Option<_>| -> Option<i64> {
        let moment: &crate::conflicts::time::Moment = moment.as_ref()?;
        Some(moment.instant(&mut clock))
    };
    let by = match args.by {
        cli::By::Day => By::Day,
        cli::By::Hour => By::Hour,
    };
    let limits = Limits { by, zone: zone.clone(), since: instant(&args.since), until: instant(&args.until) };
    let only_dated = limits.since.is_some() || limits.until.is_some();
    let total = total_size(&inputs);
    let query = Query { limits, last_lines: args.last_lines, now };
    let findings = read(&inputs, &query, &mut |done| notify.notice(&Notice::Reading { done, total }));
    if findings.sources.iter().all(|source| source.error.is_some() && source.bytes == 0)
        && let Some(first) = findings.sources.iter().find_map(|source| Some((&source.name, source.error.as_ref()?)))
    {
        return Err(unreadable(first.0, first.1));
    }
    Ok(Outcome { summary: findings.summary, sources: findings.sources, by, zone, max: args.max, bots, now, only_dated })
}

/// How many bytes there are to read, if that is known: packed files, streams and journals do not say.
fn total_size(inputs: &[Input]) -> Option<u64> {
    inputs
        .iter()
        .map(|input| match input {
            Input::File(path) => path.metadata().ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len()),
            Input::Stdin | Input::Unit(_) => None,
        })
        .sum()
}

fn unreadable(name: &str, error: &std::io::Error) -> Error {
    match exit_of_io(error) {
        Exit::NotPermitted => {
            Error::Io { action: format!("read {name}"), source: std::io::Error::new(error.kind(), error.to_string()) }
        }
        _ => Error::usage(
            format!("cannot read {name}: {error}"),
            "name a log: solobot conflicts FILE, or - for standard input",
        ),
    }
}

/// The logs that are meant, and the bots whose logs they are.
fn inputs(
    args: &cli::Conflicts,
    settings: &Settings,
    notify: &mut dyn Notify,
) -> Result<(Vec<Input>, Vec<String>), Error> {
    let given: Vec<&OsStr> = args.inputs.iter().map(AsRef::as_ref).collect();
    let (known, others): (Vec<&OsStr>, Vec<&OsStr>) =
        given.iter().partition(|name| name.to_str().is_some_and(|name| settings.knows(name)));
    let mut inputs = Vec::new();
    let mut names = Vec::new();
    if given.is_empty() || !known.is_empty() {
        let known: Vec<String> = known.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        let bots = settings.select_many(&args.selection, &known)?;
        if bots.is_empty() {
            return likely::inputs(settings, notify);
        }
        for bot in &bots {
            let logs = if bot.logs.is_empty() { written_by(bot, notify)? } else { of_bot(bot) };
            if logs.is_empty() {
                notify.notice(&Notice::Warning(no_logs(bot)));
            }
            inputs.extend(logs);
        }
        if inputs.is_empty() && others.is_empty() {
            return Err(Error::usage(
                "no bot has a log that is there",
                "name one: solobot conflicts FILE, or in solobot.toml: logs = [\"bot.log\"]",
            ));
        }
        names = bots.into_iter().map(|bot| bot.name).collect();
    }
    for name in others {
        inputs.extend(of_name(name, settings)?);
    }
    Ok((inputs, names))
}

/// Where nobody names a bot's logs: what its instances write to, if they run.
fn written_by(bot: &Bot, notify: &mut dyn Notify) -> Result<Vec<Input>, Error> {
    let Some(program) = &bot.program else { return Ok(Vec::new()) };
    let token = super::token_of(bot, notify);
    let found = find::find(&Search::new(program).with_token(token))
        .map_err(|source| Error::Io { action: "list processes".into(), source })?;
    let logs = written::with_rotated(&found.instances);
    if !logs.is_empty() {
        let pids = found.instances.iter().map(|one| one.root.pid).collect();
        notify.notice(&Notice::LogsFound { bot: bot.name.clone(), pids, logs: logs.iter().map(Input::name).collect() });
    }
    Ok(logs)
}

fn no_logs(bot: &Bot) -> String {
    if bot.logs.is_empty() {
        format!("bot `{}` has no logs in solobot.toml, and no instance that writes to one", bot.name)
    } else {
        format!("none of the logs of bot `{}` is there", bot.name)
    }
}

fn of_name(name: &OsStr, settings: &Settings) -> Result<Vec<Input>, Error> {
    if name == "-" {
        return Ok(vec![Input::Stdin]);
    }
    if let Some(unit) = name.to_str().and_then(|name| name.strip_prefix("unit:")) {
        return Ok(vec![Input::Unit(unit.to_owned())]);
    }
    let path = Path::new(name);
    if input::is_pattern(path) {
        let found = input::expand(path);
        if found.is_empty() {
            return Err(Error::usage(
                format!("no file is named like `{}`", path.display()),
                "put a pattern in quotes: solobot conflicts 'logs/*.log'",
            ));
        }
        return Ok(found.into_iter().map(Input::File).collect());
    }
    if path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        let known: Vec<&str> = settings.names().collect();
        let bots = if known.is_empty() {
            "there is no solobot.toml; to write one: solobot init".into()
        } else {
            format!("the bots are {}: solobot conflicts {}", known.join(", "), known[0])
        };
        return Err(Error::usage(format!("`{}` is neither a bot nor a file", path.display()), bots));
    }
    Ok(vec![Input::File(path.to_owned())])
}

/// A bot's logs, with what was rotated away beside them; the oldest first.
pub fn of_bot(bot: &Bot) -> Vec<Input> {
    bot.logs
        .iter()
        .flat_map(|log| match log {
            Log::Unit(unit) => vec![Input::Unit(unit.clone())],
            Log::Files(path) => {
                files(path).into_iter().flat_map(|path| input::with_rotated(&path)).map(Input::File).collect()
            }
        })
        .collect()
}

fn files(path: &Path) -> Vec<PathBuf> {
    if input::is_pattern(path) {
        input::expand(path)
    } else if path.exists() {
        vec![path.to_owned()]
    } else {
        Vec::new()
    }
}

/// What a bot's logs say since then; for `check`, `doctor` and `metrics`. A file that was last written to before has nothing
/// to say: so what was rotated away, and packed, is not unpacked for a minute's look.
pub fn summary_of(bot: &Bot, since: Option<Timestamp>) -> (Summary, Vec<Source>) {
    let mut inputs = of_bot(bot);
    if let Some(since) = since {
        inputs.retain(|input| may_be_younger(input, since));
    }
    let limits =
        Limits { by: By::Day, zone: TimeZone::system(), since: since.map(Timestamp::as_millisecond), until: None };
    let findings = read(&inputs, &Query { limits, last_lines: None, now: Timestamp::now() }, &mut |_| {});
    (findings.summary, findings.sources)
}

fn may_be_younger(input: &Input, since: Timestamp) -> bool {
    let Input::File(path) = input else { return true };
    let written = path.metadata().and_then(|meta| meta.modified()).ok().and_then(|time| Timestamp::try_from(time).ok());
    written.is_none_or(|written| written >= since)
}
