//! `doctor`: why are there conflicts, and what to do.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::notice::{Notice, Notify};
use super::view::{LockView, absolute, lossy};
use crate::cli;
use crate::doctor::facts::{Bot as BotFacts, Facts, Seen};
use crate::doctor::gather::{self, Surroundings, Target};
use crate::doctor::{Code, Finding, Level, diagnose};
use crate::error::Error;
use crate::exit::Exit;
use crate::platform::user;
use crate::settings::{Bot, Origin, Settings};

/// What `doctor` has to say.
#[derive(Debug)]
pub enum Outcome {
    /// An explanation was asked for.
    Explained(Code),
    /// It looked.
    Diagnosed(Diagnosis),
}

/// What was found, and what was looked at.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    /// This host's name.
    pub host: String,
    /// Who looks.
    pub user: String,
    /// When, to a second.
    pub time: Timestamp,
    /// The worst first.
    pub findings: Vec<Finding>,
    /// What was looked at.
    pub bots: Vec<Looked>,
    /// How many processes there were.
    pub processes: usize,
    /// How many of them could not be inspected.
    pub uninspected: usize,
    /// What could not be seen, in whole sentences.
    pub unseen: Vec<String>,
    /// Nothing was named: these are the likely bots.
    #[serde(skip)]
    pub guessed: bool,
}

/// One bot that was looked at.
#[derive(Debug, Serialize)]
pub struct Looked {
    /// Its name.
    pub name: String,
    /// The PIDs of its instances.
    pub instances: Vec<i32>,
    /// Its locks.
    pub locks: Vec<LookedLock>,
}

/// One lock that was looked at.
#[derive(Debug, Serialize)]
pub struct LookedLock {
    /// Its path.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// Its state in a word.
    pub state: &'static str,
}

impl Outcome {
    /// The exit code it leads to.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Diagnosed(it) if it.findings.iter().any(|finding| finding.level == Level::Error) => Exit::No,
            Self::Diagnosed(_) | Self::Explained(_) => Exit::Ok,
        }
    }
}

/// `doctor --explain CODE`.
pub fn explain(code: Code) -> Outcome {
    Outcome::Explained(code)
}

/// Runs `doctor`.
///
/// # Errors
/// For an unknown BOT, and if `/proc` cannot be read.
pub fn run(
    args: &cli::Doctor,
    global: &cli::Global,
    settings: &Settings,
    notify: &mut dyn Notify,
) -> Result<Outcome, Error> {
    let named: Vec<String> = args.bot.iter().cloned().collect();
    let bots = settings.select_many(&args.selection, &named)?;
    let guessed = bots.is_empty();
    let mut on_watch = |bot: &str, span| notify.notice(&Notice::Watching { bot: bot.to_owned(), span });
    let surroundings = surroundings(settings);
    let gathered = if guessed {
        gather::of_machine(&surroundings, &mut on_watch)
    } else {
        look_at(&bots, args, global, &surroundings, &mut on_watch)
    };
    let facts = gathered.map_err(|source| Error::Io { action: "list processes".into(), source })?;
    Ok(Outcome::Diagnosed(diagnosis(&facts, guessed)))
}

fn surroundings(settings: &Settings) -> Surroundings {
    let context = settings.context();
    let named = context.vars.get("XDG_STATE_HOME").map(PathBuf::from);
    let usual = || context.home.as_ref().map(|home| home.join(".local/state"));
    Surroundings { cwd: context.cwd.clone(), state: named.or_else(usual) }
}

fn look_at(
    bots: &[Bot],
    args: &cli::Doctor,
    global: &cli::Global,
    surroundings: &Surroundings,
    on_watch: &mut gather::OnWatch<'_>,
) -> std::io::Result<Facts> {
    let mut unseen = Vec::new();
    let targets: Vec<Target<'_>> = bots
        .iter()
        .map(|bot| {
            // What is wrong with a token must not keep doctor from looking at everything else.
            let token = bot.token.resolve().unwrap_or_else(|error| {
                unseen.push(format!("the token of {} is not known: {error}", bot.name));
                None
            });
            Target {
                name: bot.name.clone(),
                select: select(bot, args, global),
                lock_flag: args.selection.lock.as_deref().map(|lock| format!("-l {}", quote(lock))),
                program: bot.program.as_ref(),
                token: token.map(|resolved| &resolved.token),
                lock: &bot.lock,
                lock_is_named: *bot.provenance.of("lock") != Origin::Default,
                skip_env: bot.skip_env.as_deref(),
                network_allowed: args.selection.allow_network_fs,
            }
        })
        .collect();
    let mut facts = gather::of_targets(&targets, surroundings, on_watch)?;
    facts.unseen = unseen;
    Ok(facts)
}

/// What the operator types behind another subcommand to mean the same bot, from any folder; `None` if only a lock does.
fn select(bot: &Bot, args: &cli::Doctor, global: &cli::Global) -> Option<String> {
    if bot.configured {
        let file = global.config.as_deref().map(|file| format!("-c {} ", quote(file)));
        return Some(file.unwrap_or_default() + &shell_words::quote(&bot.name));
    }
    let typed = || Some(format!("-m {}", shell_words::quote(&args.selection.program.as_ref()?.to_string_lossy())));
    gather::select(bot.program.as_ref()?).or_else(typed)
}

/// An absolute path as a shell takes it.
fn quote(path: &Path) -> String {
    shell_words::quote(&absolute(path).to_string_lossy()).into_owned()
}

fn diagnosis(facts: &Facts, guessed: bool) -> Diagnosis {
    let mut unseen = facts.unseen.clone();
    let is_root = user::effective_uid() == 0;
    let sudo = if is_root { "" } else { "; sudo would show more" };
    if facts.uninspected > 0 {
        unseen.push(format!("{} of {} processes could not be inspected{sudo}", facts.uninspected, facts.processes));
    }
    if facts.hidden {
        unseen.push("/proc hides the processes of other users (hidepid); sudo would show them".into());
    }
    for lock in facts.bots.iter().flat_map(|bot| &bot.locks) {
        if let crate::lock::state::State::Unreadable { why, .. } = &lock.facts.state {
            unseen.push(format!("the state of lock {} cannot be told: {why}", lock.facts.path.display()));
        }
    }
    Diagnosis {
        host: user::host_name(),
        user: user::name(user::effective_uid()),
        time: Timestamp::from_second(facts.now.as_second()).unwrap_or_default(),
        findings: diagnose(facts),
        bots: facts.bots.iter().map(looked).collect(),
        processes: facts.processes,
        uninspected: facts.uninspected,
        unseen,
        guessed,
    }
}

fn looked(bot: &BotFacts) -> Looked {
    Looked {
        name: bot.name.clone(),
        instances: bot.instances.iter().map(Seen::pid).collect(),
        locks: bot
            .locks
            .iter()
            .map(|lock| LookedLock { path: lock.facts.path.clone(), state: LockView::of(&lock.facts).state })
            .collect(),
    }
}
