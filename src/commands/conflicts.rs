//! `conflicts`: what the logs say, per day.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::base::error::{Error, exit_of_io, plain};
use crate::base::exit::Exit;
use crate::cli;
use crate::logs::input::{self, Input};
use crate::logs::tally::{Limits, Period};
use crate::logs::time::Clock;
use crate::logs::{Query, read};
use crate::outcome::conflicts::ConflictsOutcome;
use crate::outcome::events::{Events, Notice};
use crate::platform::advice;
use crate::settings::{Bot, Settings};
use crate::survey::{FoundBot, Surveyor, logs};

/// Runs `conflicts`.
///
/// # Errors
/// Nothing says which logs are meant; none of them can be read.
pub fn run(args: &cli::Conflicts, settings: &Settings, events: &mut dyn Events) -> Result<ConflictsOutcome, Error> {
    let (inputs, bots) = inputs(args, settings, events)?;
    let now = Timestamp::now();
    let zone = args.tz.clone().unwrap_or_else(TimeZone::system);
    let mut clock = Clock::new(zone.clone(), now);
    let mut instant = |moment: &Option<_>| -> Option<i64> {
        let moment: &crate::logs::time::TimeArg = moment.as_ref()?;
        Some(moment.instant(&mut clock))
    };
    let by = match args.by {
        cli::GroupBy::Day => Period::Day,
        cli::GroupBy::Hour => Period::Hour,
    };
    let limits = Limits { by, zone: zone.clone(), since: instant(&args.since), until: instant(&args.until) };
    let only_dated = limits.since.is_some() || limits.until.is_some();
    let total = total_size(&inputs);
    let query = Query { limits, last_lines: args.last_lines, now };
    let findings = read(&inputs, &query, &mut |done| events.notice(&Notice::Reading { done, total }));
    if findings.sources.iter().all(|source| source.error.is_some() && source.bytes == 0)
        && let Some(first) = findings.sources.iter().find_map(|source| Some((&source.name, source.error.as_ref()?)))
    {
        return Err(unreadable(first.0, first.1));
    }
    Ok(ConflictsOutcome {
        summary: findings.summary,
        sources: findings.sources,
        by,
        zone,
        max: args.max,
        bots,
        now,
        only_dated,
    })
}

/// How many bytes there are to read, if that is known: packed files, streams and journals do not say.
fn total_size(inputs: &[Input]) -> Option<u64> {
    inputs
        .iter()
        .map(|input| match input {
            Input::File(path) => path.metadata().ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len()),
            Input::Pipe(_) | Input::Stdin | Input::Unit(_) => None,
        })
        .sum()
}

fn unreadable(name: &str, error: &std::io::Error) -> Error {
    match exit_of_io(error) {
        Exit::NotPermitted => {
            Error::Io { action: format!("read {name}"), source: std::io::Error::new(error.kind(), error.to_string()) }
        }
        _ => Error::usage(
            format!("cannot read {name}: {}", plain(error)),
            "to read another log, or - for standard input: solobot conflicts FILE",
        ),
    }
}

/// The logs that are meant, and the bots whose logs they are.
fn inputs(
    args: &cli::Conflicts,
    settings: &Settings,
    events: &mut dyn Events,
) -> Result<(Vec<Input>, Vec<String>), Error> {
    let given: Vec<&OsStr> = args.inputs.iter().map(AsRef::as_ref).collect();
    let (known, others): (Vec<&OsStr>, Vec<&OsStr>) =
        given.iter().partition(|name| name.to_str().is_some_and(|name| settings.knows(name)));
    let mut inputs = Vec::new();
    let mut names = Vec::new();
    if given.is_empty() || !known.is_empty() {
        let known: Vec<String> = known.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        let bots = settings.select_many(&args.selection, &known)?;
        if !bots.is_empty() && bots.iter().all(|bot| !bot.logs.is_empty()) {
            return named(&bots, &others, settings, events);
        }
        let survey = Surveyor::new(settings).look(&bots)?;
        survey.warnings.iter().for_each(|warning| events.notice(&Notice::Warning(warning.clone())));
        let mut without = Vec::new();
        for bot in &survey.bots {
            let logs = logs::of_bot(bot);
            if logs.inputs.is_empty() {
                without.push(bot);
                continue;
            }
            if !logs.are_named && !bots.is_empty() {
                let pids = bot.found.instances.iter().map(|one| one.root.pid).collect();
                let names = logs.inputs.iter().map(Input::name).collect();
                events.notice(&Notice::LogsFound { bot: bot.label.clone(), pids, logs: names });
            }
            inputs.extend(logs.inputs);
        }
        let has_any = !inputs.is_empty() || !others.is_empty();
        if !has_any {
            return Err(nothing(settings, &without, bots.is_empty()));
        }
        for bot in &without {
            events.notice(&Notice::Warning(no_logs(bot)));
        }
        names = survey.bots.into_iter().map(|bot| bot.bot.name).collect();
    }
    for name in others {
        inputs.extend(of_name(name, settings)?);
    }
    Ok((inputs, names))
}

/// Where the file names the logs of all of them, nobody needs to know what runs.
fn named(
    bots: &[Bot],
    others: &[&OsStr],
    settings: &Settings,
    events: &mut dyn Events,
) -> Result<(Vec<Input>, Vec<String>), Error> {
    let found: Vec<Vec<Input>> = bots.iter().map(logs::named).collect();
    if others.is_empty() && found.iter().all(Vec::is_empty) {
        let names: Vec<String> = bots.iter().map(|bot| format!("`{}`", bot.name)).collect();
        return Err(none_at_all(&format!("none of the log files of bot {} exists", names.join(", "))));
    }
    for (bot, _) in bots.iter().zip(&found).filter(|(_, logs)| logs.is_empty()) {
        events.notice(&Notice::Warning(none_is_there(&bot.name)));
    }
    let mut inputs: Vec<Input> = found.into_iter().flatten().collect();
    for name in others {
        inputs.extend(of_name(name, settings)?);
    }
    Ok((inputs, bots.iter().map(|bot| bot.name.clone()).collect()))
}

fn none_is_there(name: &str) -> String {
    format!("none of the log files of bot `{name}` exists")
}

fn no_logs(bot: &FoundBot) -> String {
    let label = &bot.label;
    match bot.found.instances.first() {
        _ if !bot.bot.logs.is_empty() => none_is_there(label),
        _ if bot.bot.configured => {
            format!("no logs are configured for bot `{label}`, and no instance is running that writes to one")
        }
        Some(one) => format!("no log of {label} (PID {}) was found; to name it: solobot conflicts FILE", one.root.pid),
        None => format!("no log of {label} was found; to name it: solobot conflicts FILE"),
    }
}

/// No log at all.
fn nothing(settings: &Settings, without: &[&FoundBot], is_guess: bool) -> Error {
    if !is_guess {
        let why: Vec<String> = without.iter().map(|bot| no_logs(bot)).collect();
        return none_at_all(&why.join("; "));
    }
    let name = |bot: &&FoundBot| {
        let pid = bot.found.instances.first().map_or_else(String::new, |one| format!(" (PID {})", one.root.pid));
        format!("{}{pid}", bot.label)
    };
    let why = match without {
        [] => "no process looks like a bot".to_owned(),
        bots => format!("no log of {} was found", bots.iter().map(name).collect::<Vec<_>>().join(", ")),
    };
    Error::Usage {
        message: format!("which log? {}, and {why}", settings.why_no_bot()),
        hints: vec![
            "to read a file: solobot conflicts bot.log".into(),
            "to read a systemd unit's journal: solobot conflicts unit:bot.service".into(),
        ],
    }
}

/// The folder to look into for a path that leads nowhere, above the first part with a wildcard.
fn folder_of(path: &Path) -> PathBuf {
    let is_plain = |folder: &&Path| !input::is_pattern(folder);
    let folder = path.ancestors().skip(1).find(|folder| is_plain(folder)).unwrap_or(path);
    if folder.as_os_str().is_empty() { ".".into() } else { folder.to_owned() }
}

fn none_at_all(message: &str) -> Error {
    Error::Usage {
        message: message.to_owned(),
        hints: vec![
            "to see where solobot looks: solobot status -v".into(),
            "to read another file (or name it as logs = [\"bot.log\"] in solobot.toml): solobot conflicts FILE".into(),
        ],
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
                format!("no file matches `{}`", path.display()),
                format!("to see which files are there: {}", advice::list(&folder_of(path))),
            ));
        }
        return Ok(found.into_iter().map(Input::File).collect());
    }
    if path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        let known: Vec<&str> = settings.names().collect();
        let hint = if known.is_empty() {
            format!("to see which files are there: {}", advice::list(&folder_of(path)))
        } else {
            format!("to choose one of the bots ({}): solobot conflicts {}", known.join(", "), known[0])
        };
        return Err(Error::usage(format!("`{}` is neither a bot in solobot.toml nor a file", path.display()), hint));
    }
    let is_pipe = path.metadata().is_ok_and(|meta| !meta.is_file() && !meta.is_dir());
    Ok(vec![if is_pipe { Input::Pipe(path.to_owned()) } else { Input::File(path.to_owned()) }])
}
