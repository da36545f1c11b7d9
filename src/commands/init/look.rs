//! What is running here, and what could be: bots, units, scripts, lock files. Nothing is changed.

use std::fs;
use std::path::{Path, PathBuf};

use super::lease_place;
use super::token_place::{TokenPlace, in_env_file};
use super::units::{self, Unit};
use crate::base::error::Error;
use crate::base::secret::{self};
use crate::lock::layouts::LockLayout;
use crate::lock::state::State;
use crate::platform::filesystem::FileId;
use crate::platform::identity::Identity;
use crate::platform::proc::Handle;
use crate::process::argv::{self, has_script_extension};
use crate::process::details::Details;
use crate::process::instance::{EnvFileToken, Instance};
use crate::process::program::Program;
use crate::settings::Settings;
use crate::survey::evidence::facts::other_user;
use crate::survey::{FoundBot, Survey, Surveyor, layout_files, locks, scripts};

/// What a project's folder has, besides scripts.
const PROJECT: [&str; 11] = [
    ".git",
    ".env",
    "pyproject.toml",
    "requirements.txt",
    "Pipfile",
    "setup.py",
    "package.json",
    "composer.json",
    "Gemfile",
    "go.mod",
    "Cargo.toml",
];

/// Everything that was seen.
#[derive(Debug, Default)]
pub struct Inventory {
    /// The bots that run, oldest first.
    pub running: Vec<RunningBot>,
    /// Units that would start a bot which does not run.
    pub units: Vec<Unit>,
    /// Scripts in the current folder that poll, and that none of the others runs.
    pub scripts: Vec<PathBuf>,
    /// The program that the operator named.
    pub named: Option<Program>,
    /// The one of `scripts` that is taken for the bot, where nobody could be asked.
    pub guessed: Option<PathBuf>,
    /// Lock files of the field's layouts.
    pub locks: Vec<PathBuf>,
    /// The current folder.
    pub cwd: PathBuf,
    /// The names of bots that run in other projects' folders, and are theirs to draft.
    pub elsewhere: Vec<String>,
    /// How many processes could not be inspected.
    pub uninspected: usize,
    /// The variable of init's own environment that has the URL of an engine.
    pub lease_env: Option<&'static str>,
}

/// A bot that runs: one program with one token.
#[derive(Debug)]
pub struct RunningBot {
    pub name: String,
    /// Whether solobot.toml names it.
    pub is_configured: bool,
    /// Its instances; at least one.
    pub instances: Vec<Instance>,
    /// What it runs.
    pub program: Program,
    /// Where it runs.
    pub cwd: PathBuf,
    /// The command line of the oldest instance.
    pub argv: Vec<String>,
    /// Where its token comes from.
    pub token: Option<TokenPlace>,
    /// The variable of its environment that has the URL of an engine.
    pub lease_env: Option<&'static str>,
    /// Its lock, if it has one that is not solobot's default.
    pub lock: Option<Lock>,
    /// Who runs the oldest instance, where that is another user than the one who asks.
    pub other_user: Option<String>,
    /// Whether the oldest instance runs under a lock.
    pub is_locked: bool,
    /// The systemd unit that starts it.
    pub unit: Option<Unit>,
    /// It runs in another root (a container): its folder is not the one of that path here.
    pub is_elsewhere: bool,
}

/// A lock that a bot uses already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    pub path: PathBuf,
    /// The bot holds or claims it now; else it merely lies in its folder.
    pub is_its: bool,
    /// It is of a kind that only the bot's own program looks at.
    pub layout: Option<&'static LockLayout>,
}

/// Looks, for a file in `folder`: a project's file is about that project's bots alone.
///
/// # Errors
/// `/proc` cannot be read.
pub fn look(settings: &Settings, folder: &Path) -> Result<Inventory, Error> {
    let context = settings.context();
    let cwd = &context.cwd;
    let mut units = units::installed(context);
    let found = scripts::polling_in(cwd);
    let started = units.iter().map(|unit| unit.program.clone());
    let programs: Vec<Program> = started.chain(found.iter().map(|script| Program::script(script))).collect();
    let survey = survey(settings, &programs)?;
    let homes = [&context.config_home, &Some(context.system_config.clone())];
    let is_for_all = homes.into_iter().flatten().any(|home| home.join("solobot") == folder);
    let is_here = |path: &Path| path.starts_with(cwd) || (folder != cwd && path.starts_with(folder));
    let lies_here = |bot: &RunningBot| {
        let place = bot.program.place();
        // What runs in a container is this project's if the project has that file too.
        let copy = place.as_ref().filter(|_| bot.is_elsewhere).and_then(|place| Some(cwd.join(place.file_name()?)));
        bot.is_configured
            || is_here(&bot.cwd)
            || place.is_some_and(|place| is_here(&place))
            || copy.is_some_and(|copy| copy.exists())
    };
    let mut running: Vec<RunningBot> = survey.bots.iter().filter_map(bot_of).collect();
    let has_any = running.iter().any(lies_here) || units.iter().any(|unit| is_here(&unit.dir));
    let mut elsewhere = Vec::new();
    if !is_for_all && (has_any || is_project(cwd)) {
        let (own, others): (Vec<_>, Vec<_>) = running.into_iter().partition(lies_here);
        running = own;
        elsewhere = others.iter().map(|bot| bot.program.to_string()).collect();
        units.retain(|unit| is_here(&unit.dir) || unit.program.place().is_some_and(|place| is_here(&place)));
    }
    for bot in &mut running {
        bot.unit = units.iter().position(|unit| unit.program.is_same(&bot.program)).map(|at| units.remove(at));
        if let (Some(unit), Some(token)) = (&bot.unit, &mut bot.token) {
            token.env_file = token.env_file.take().or_else(|| unit.env_file.clone());
        }
    }
    units.retain(|unit| unit.is_bot);
    let is_run = |script: &PathBuf| {
        let program = Program::script(script);
        running.iter().any(|bot| bot.program.is_same(&program))
            || units.iter().any(|unit| unit.program.is_same(&program))
    };
    let scripts = found.into_iter().filter(|script| !is_run(script)).collect();
    // Root sees whatever can be seen.
    let uninspected = if context.caller.uid == 0 { 0 } else { survey.uninspected };
    let roots = survey.bots.iter().flat_map(|bot| bot.found.mine()).map(|one| one.root.pid);
    let files = layout_files::existing(context, roots).into_iter();
    let locks = files.filter(|file| file.layout.program.is_none()).map(|file| file.path).collect();
    Ok(Inventory {
        running,
        units,
        scripts,
        locks,
        cwd: cwd.clone(),
        elsewhere,
        uninspected,
        lease_env: lease_place::in_variables(&context.vars),
        named: None,
        guessed: None,
    })
}

/// What runs: the file's bots under their names, and whatever else looks like one.
fn survey(settings: &Settings, programs: &[Program]) -> Result<Survey, Error> {
    let mut surveyor = Surveyor::new(settings);
    let configured = surveyor.look_at(settings.bots())?;
    let mut survey = surveyor.look_around(programs)?;
    let known: Vec<Identity> =
        configured.bots.iter().flat_map(|bot| &bot.found.instances).map(|one| one.root).collect();
    survey.bots.retain(|bot| !bot.found.instances.iter().any(|one| known.contains(&one.root)));
    survey.bots.splice(0..0, configured.bots);
    Ok(survey)
}

/// Whether somebody's project lies in that folder.
fn is_project(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let name = entry.file_name();
        has_script_extension(&name) || PROJECT.iter().any(|known| name == *known)
    })
}

/// `None` for what no entry can name: inline code, a folder that cannot be seen, nothing certain.
fn bot_of(bot: &FoundBot) -> Option<RunningBot> {
    let first = bot.found.instances.first()?;
    let program = first.program.clone()?;
    let cwd = first.cwd.clone()?;
    program.setting()?;
    let handle = Handle::open(first.root.pid)?;
    let is_elsewhere = handle.cwd_id().is_some_and(|there| FileId::of(&cwd) != Some(there));
    let argv = Details::read(&handle).and_then(|details| argv::as_typed(&details.argv, details.exe.as_deref()));
    let argv: Option<Vec<String>> = argv.into_iter().flatten().map(|word| word.into_string().ok()).collect();
    Some(RunningBot {
        name: bot.bot.name.clone(),
        is_configured: bot.bot.configured,
        token: token_place(first, &program.default_lock_dir(&cwd)),
        lease_env: first.members.iter().find_map(|member| lease_place::in_process(member.pid)),
        lock: lock_of(bot),
        other_user: other_user(first.uid),
        is_locked: !bot.locks.own.state.holders().is_empty(),
        argv: argv.unwrap_or_default(),
        instances: bot.found.instances.clone(),
        program,
        cwd,
        unit: None,
        is_elsewhere,
    })
}

/// The lock that the file names; the one that the bot holds or claims; else one of the field's that lies in its folder.
fn lock_of(bot: &FoundBot) -> Option<Lock> {
    let facts = &bot.locks.own;
    let is_its = matches!(facts.state, State::OwnerAliveUnlocked(_)) || !facts.state.holders().is_empty();
    let is_there = facts.state != State::Absent;
    (is_there || locks::is_named(&bot.bot)).then(|| Lock {
        path: facts.path.clone(),
        is_its,
        layout: facts.layout.filter(|layout| layout.program.is_some()),
    })
}

/// The variable that carries the token in the bot's environment, else the one in the `.env` that it reads.
fn token_place(instance: &Instance, folder: &Path) -> Option<TokenPlace> {
    let of_member = |pid: i32| {
        let carried = secret::in_environ(&Handle::open(pid)?.environ().ok()?);
        let is_used = |one: &secret::ProcessToken| instance.token.as_ref().is_none_or(|token| one.token.id() == *token);
        carried.into_iter().find(is_used)?.variable
    };
    let carried = instance.members.iter().find_map(|member| of_member(member.pid));
    let read = match &instance.in_file {
        EnvFileToken::Token { path, .. } => Some(path.clone()),
        EnvFileToken::Nothing | EnvFileToken::Unclear => None,
    };
    let folders = [instance.cwd.as_deref(), Some(folder)].into_iter().flatten().map(|folder| folder.join(".env"));
    let in_file = read.into_iter().chain(folders).find_map(|path| in_env_file(&path, carried.as_deref()));
    in_file.or_else(|| Some(TokenPlace { name: carried?, env_file: None }))
}
