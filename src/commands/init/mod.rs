//! `init`: writes solobot.toml from what is running here.
//!
//! `look` gathers what is running, `draft` decides what each bot's entry says (pure), and `text` writes it as TOML.
//! This file puts it in place: it writes a temporary file, then links it (which never overwrites a file) or, with
//! `--force`, renames it.
//!
//! Invariants: neither a token nor the URL of a lease's engine is written, only where they come from. Before anything is written to the disk, solobot itself
//! must accept the text. Not promised: that every bot was found.

mod draft;
mod lease_place;
mod look;
mod text;
mod token_place;
mod units;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::base::error::{self, Error, Expected, plain};
use crate::base::exit::Exit;
use crate::cli;
use crate::outcome::events::{Events, Notice};
use crate::outcome::init::{Guess, InitOutcome};
use crate::platform::filesystem::{self, Folder};
use crate::process::program::Program;
use crate::settings::{self, Context, Settings};
use crate::survey::scripts;

/// Why the file is not written.
#[derive(Debug, thiserror::Error)]
pub enum ConfigNotWritten {
    /// There is one already.
    #[error("`{}` already exists, not overwritten", .0.display())]
    Exists(PathBuf),
    /// There is a folder of that name.
    #[error("`{}` is a folder, not a file", .0.display())]
    Folder(PathBuf),
    /// A system call failed.
    #[error("cannot write `{}`: {}", .path.display(), plain(.source))]
    Io {
        /// The file.
        path: PathBuf,
        source: io::Error,
    },
}

impl Expected for ConfigNotWritten {
    fn exit(&self) -> Exit {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Exit::NotPermitted,
            Self::Exists(_) | Self::Folder(_) | Self::Io { .. } => Exit::CantCreate,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Exists(_) | Self::Folder(_) => "config-exists",
            Self::Io { .. } => "not-written",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Exists(path) => vec![
                "to see what would be written: solobot init --dry-run".into(),
                format!("to replace it: solobot init --force -c {}", error::typed(path)),
            ],
            Self::Folder(path) => {
                let path = error::typed(path);
                vec![
                    format!("to move it away: mv {path} {path}.old"),
                    "to write it elsewhere: solobot init -c FILE".into(),
                ]
            }
            Self::Io { .. } => vec!["to write it elsewhere: solobot init -c FILE".into()],
        }
    }
}

/// Runs `init`.
///
/// # Errors
/// The file is there and `--force` is not given; it cannot be written; `/proc` cannot be read.
pub fn run(
    args: &cli::Init,
    global: &cli::Global,
    context: Context,
    events: &mut dyn Events,
) -> Result<InitOutcome, Error> {
    // What the file calls its bots stays their name. The one that is to be replaced may be wrong.
    let settings = Settings::load(global, context.clone()).unwrap_or_else(|_| Settings::without_file(context));
    let context = settings.context();
    let path = context.cwd.join(global.config.as_deref().unwrap_or(Path::new(settings::FILE_NAME)));
    // Before anything else: who is refused should not have to answer questions first.
    if !args.dry_run && path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
        return Err(ConfigNotWritten::Folder(path).into());
    }
    if !args.dry_run && !args.force && path.symlink_metadata().is_ok() {
        return Err(ConfigNotWritten::Exists(path).into());
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut seen = look::look(&settings, folder)?;
    if seen.running.is_empty() && seen.units.is_empty() {
        let may_ask = !args.yes && !global.json && !args.dry_run && events.can_ask();
        let likeliest = scripts::likeliest(&seen.scripts, &context.cwd);
        if may_ask {
            seen.named = ask(likeliest, context, events)?;
        } else {
            seen.guessed = likeliest.map(Path::to_owned);
        }
    }
    let entries = draft::entries(&seen, folder);
    let text = text::file(&entries, &seen, folder);
    settings::check(&path, &text, context)
        .map_err(|error| Error::Bug(format!("init wrote a draft that solobot itself refuses: {error}")))?;
    let mut is_distrusted = false;
    if !args.dry_run {
        write(&path, &text, args.force)?;
        if let Some(reason) = settings::distrust(&path, context) {
            let name = error::typed(&path);
            let warning = format!("solobot will use this file only if it is named, as in solobot -c {name}: {reason}");
            events.notice(&Notice::Warning(warning));
            is_distrusted = true;
        }
    }
    let bots: Vec<_> = entries.into_iter().filter(|entry| !entry.doubtful).collect();
    // A script whose name cannot be written is only a comment.
    let written = seen.guessed.filter(|_| !bots.is_empty());
    let guess = written.map(|script| Guess { script: below(&script, context).to_owned(), count: seen.scripts.len() });
    Ok(InitOutcome { path, written: !args.dry_run, bots, text, is_distrusted, elsewhere: seen.elsewhere, guess })
}

/// A path as it would be typed in the current folder.
fn below<'a>(path: &'a Path, context: &Context) -> &'a Path {
    path.strip_prefix(&context.cwd).unwrap_or(path)
}

/// Asks for the bot's program, where nothing runs.
fn ask(proposal: Option<&Path>, context: &Context, events: &mut dyn Events) -> Result<Option<Program>, Error> {
    let proposal = proposal.map(|script| below(script, context).to_string_lossy().into_owned());
    let template = if proposal.is_some() { "" } else { " (empty: a template)" };
    match events.ask(&format!("Which program is the bot?{template}"), proposal.as_deref()) {
        Some(answer) if !answer.trim().is_empty() => {
            Ok(Some(Program::from_option(answer.trim().as_ref(), &context.cwd)?))
        }
        _ => Ok(None),
    }
}

/// Puts the text in place in one step: a reader finds nothing, or all of it.
fn write(path: &Path, text: &str, force: bool) -> Result<(), ConfigNotWritten> {
    let failed = |source| ConfigNotWritten::Io { path: path.to_owned(), source };
    let (folder, name) = Folder::of(path).map_err(failed)?;
    let mut temporary = name.clone();
    temporary.push(format!(".{}.tmp", std::process::id()));
    // A leftover of a dead process with our PID.
    let _ = folder.remove(&temporary);
    let file = folder.create(&temporary).map_err(failed)?;
    let placed = fill(&file, text)
        .and_then(|()| if force { folder.replace(&temporary, &name) } else { folder.link(&temporary, &name) });
    let _ = folder.remove(&temporary);
    placed.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => ConfigNotWritten::Exists(path.to_owned()),
        _ => failed(source),
    })
}

/// Everybody may read it, whatever the umask says: it holds no secret, and the bot's unit may run as another user.
fn fill(mut file: &File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    filesystem::make_readable_by_all(file)?;
    file.sync_all()
}
