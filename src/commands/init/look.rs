//! What runs here, and what could: processes, units, scripts, lock files. Nothing is changed.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::scripts;
use super::units::{self, Unit};
use crate::base::env;
use crate::base::secret::{self, Token};
use crate::lock::carriers::{LockedFile, flocks_of};
use crate::lock::state::{State, inspect};
use crate::lock::{layouts, marks};
use crate::platform::filesystem::{open_regular, read_bounded};
use crate::platform::identity::Identity;
use crate::platform::proc::Handle;
use crate::platform::table;
use crate::process::argv::{self, Reading, Target};
use crate::process::connections::{self, Servers};
use crate::process::details::Details;
use crate::process::find::{self, Search};
use crate::process::instance::Instance;
use crate::process::program::Program;
use crate::process::same_bot;
use crate::settings::Context;
use crate::telegram::dotenv::DotEnv;
use crate::telegram::source::MAX_BYTES;

/// Everything that was seen.
#[derive(Debug, Default)]
pub struct Sight {
    /// The bots that run, oldest first.
    pub running: Vec<Running>,
    /// Units that would start a bot which does not run.
    pub units: Vec<Unit>,
    /// Scripts in the current folder that poll, and that none of the others runs.
    pub scripts: Vec<PathBuf>,
    /// The program that the operator named.
    pub named: Option<Program>,
    /// Lock files of the field's layouts.
    pub locks: Vec<PathBuf>,
    /// The current folder.
    pub cwd: PathBuf,
    /// How many processes could not be inspected.
    pub uninspected: usize,
}

/// A bot that runs: one program with one token.
#[derive(Debug)]
pub struct Running {
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
    /// Its lock, if it has one that is not solobot's default.
    pub lock: Option<Lock>,
    /// The systemd unit that starts it.
    pub unit: Option<Unit>,
    /// It runs in another root (a container): its folder is not the one of that path here.
    pub is_elsewhere: bool,
}

/// Where a bot's token comes from; never the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPlace {
    /// The variable.
    pub name: String,
    /// The file that sets it.
    pub env_file: Option<PathBuf>,
}

/// A lock that a bot uses already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Its path.
    pub path: PathBuf,
    /// The bot holds or claims it now; else it merely lies in its folder.
    pub is_its: bool,
}

/// Looks.
///
/// # Errors
/// `/proc` cannot be read.
pub fn look(context: &Context) -> io::Result<Sight> {
    let state = context.vars.get(env::XDG_STATE_HOME).map(PathBuf::from);
    let state = state.or_else(|| context.home.as_ref().map(|home| home.join(".local/state")));
    let well_known = layouts::existing(&context.cwd, state.as_deref());
    let names = token_names()?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let likely = find::likely_bots(&names, &[])?;
    // Root sees whatever can be seen.
    let uninspected = if context.caller.uid == 0 { 0 } else { likely.uninspected };
    let mut instances = likely.instances;
    instances.extend(without_token(&instances, &well_known)?);
    let mut running: Vec<Running> = Vec::new();
    for instance in instances {
        match running.iter_mut().find(|bot| same_bot::is_same(&bot.instances[0], &instance)) {
            Some(bot) => bot.instances.push(instance),
            None => running.extend(bot_of(instance, state.as_deref())),
        }
    }
    let mut units = units::installed(context);
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
    let scripts = scripts::polling_in(&context.cwd).into_iter().filter(|script| !is_run(script)).collect();
    Ok(Sight { running, units, scripts, locks: well_known, cwd: context.cwd.clone(), uninspected, named: None })
}

/// Under which names tokens are carried on this machine.
fn token_names() -> io::Result<Vec<String>> {
    let mut names = BTreeSet::new();
    for hit in table::list(&|line| !line.is_empty())?.hits {
        let environ = Handle::open(hit.pid).and_then(|handle| handle.read("environ").ok()).unwrap_or_default();
        names.extend(secret::names_in_environ(&environ));
    }
    Ok(names.into_iter().filter(|name| !env::TOKENS.contains(&name.as_str())).collect())
}

/// Bots that have read their token from a file: what is connected to Telegram, holds a bot's lock, or claims one of the
/// field's. Only scripts and modules: a desktop client is connected too.
fn without_token(known: &[Instance], locks: &[PathBuf]) -> io::Result<Vec<Instance>> {
    let mut holders: Vec<Identity> = marks::all()?.into_iter().flat_map(|mark| mark.holders).collect();
    for lock in locks {
        match inspect(lock).state {
            State::Held { holders: all, .. } | State::Replaced { holders: all } => holders.extend(all),
            State::OwnerAliveUnlocked(process) => holders.push(process),
            State::Absent | State::Free | State::Stale(_) | State::Unreadable { .. } => {}
        }
    }
    let connected = connections::connected(&Servers::default())?.into_iter().map(|(process, _)| process);
    let suspects: Vec<Identity> = connected.chain(holders.into_iter().filter_map(bot_below)).collect();
    let mut found: Vec<Instance> = Vec::new();
    for suspect in suspects {
        let is_member = |instance: &Instance| instance.members.contains(&suspect);
        if known.iter().chain(&found).any(is_member) {
            continue;
        }
        let Some(program) = program_of(suspect) else { continue };
        let seen = find::find(&Search::new(&program))?;
        let own = seen.instances.into_iter().chain(seen.probable).filter(|one| is_member(one));
        found.extend(own);
    }
    Ok(found)
}

/// The process itself if it runs a script or a module, else the first below it that does: solobot or `flock(1)` may hold
/// the lock for a bot.
fn bot_below(holder: Identity) -> Option<Identity> {
    if program_of(holder).is_some() {
        return Some(holder);
    }
    let below = table::descendants(&[holder.pid]).unwrap_or_default();
    below.into_iter().filter_map(Identity::of).find(|process| program_of(*process).is_some())
}

/// The script or module that a process runs.
fn program_of(process: Identity) -> Option<Program> {
    let handle = Handle::open(process.pid)?;
    let details = Details::read(&handle).filter(|details| details.identity == process)?;
    let Reading::Runs(invocation) = argv::read(&details.argv, details.exe.as_deref()) else { return None };
    match invocation.target {
        Target::Script(_) | Target::Module(_) => {
            Program::of_invocation(&invocation, details.exe.as_deref(), &handle.link("cwd")?)
        }
        Target::Executable(_) | Target::Inline(_) | Target::Worker | Target::Stdin => None,
    }
}

/// `None` for what no entry can name: inline code, a folder that cannot be seen.
fn bot_of(instance: Instance, state: Option<&Path>) -> Option<Running> {
    let program = instance.program.clone()?;
    let cwd = instance.cwd.clone()?;
    program.setting()?;
    let handle = Handle::open(instance.root.pid)?;
    let here = std::fs::metadata(&cwd).map(|meta| (meta.dev(), meta.ino())).ok();
    let is_elsewhere = handle.id_of("cwd").is_some_and(|id| here != Some((id.device, id.inode)));
    let argv: Option<Vec<String>> = handle.argv().into_iter().map(|word| word.into_string().ok()).collect();
    let folder = program.default_lock_dir(&cwd);
    Some(Running {
        token: token_place(&instance, [&cwd, &folder]),
        lock: lock_of(&instance, &folder, state),
        argv: argv.unwrap_or_default(),
        instances: vec![instance],
        program,
        cwd,
        unit: None,
        is_elsewhere,
    })
}

/// The variable that carries the token in the bot's environment, else in the `.env` beside it.
fn token_place(instance: &Instance, folders: [&Path; 2]) -> Option<TokenPlace> {
    let carried = instance.members.iter().find_map(|process| {
        let names = secret::names_in_environ(&Handle::open(process.pid)?.read("environ").ok()?);
        let usual = env::TOKENS.iter().find(|usual| names.iter().any(|name| name == *usual));
        usual.map(|usual| (*usual).to_owned()).or_else(|| names.into_iter().next())
    });
    let in_file = folders.iter().find_map(|folder| in_env_file(&folder.join(".env"), carried.as_deref()));
    in_file.or_else(|| Some(TokenPlace { name: carried?, env_file: None }))
}

/// The variable of a `.env` file that holds a token: the one that is named, else a usual one, else any.
pub fn in_env_file(path: &Path, name: Option<&str>) -> Option<TokenPlace> {
    let text = read_bounded(open_regular(path).ok()?, MAX_BYTES).ok()?;
    let variables = DotEnv::parse(&String::from_utf8_lossy(&text));
    let is_token = |(_, value): &(&str, &str)| Token::parse(value).is_ok();
    let names: Vec<&str> = variables.iter().filter(is_token).map(|(name, _)| name).collect();
    let found = match name {
        Some(name) => names.contains(&name).then_some(name)?,
        None => env::TOKENS.iter().find(|usual| names.contains(usual)).or(names.first())?,
    };
    Some(TokenPlace { name: found.to_owned(), env_file: Some(path.to_owned()) })
}

/// The lock that the bot holds or claims; else layout B's, if it lies in its folder.
fn lock_of(instance: &Instance, folder: &Path, state: Option<&Path>) -> Option<Lock> {
    let own = |process: &Identity| instance.members.contains(process) || instance.descends_from(process.pid);
    let usual = layouts::of_bot(folder, instance.token.as_deref(), state);
    let is_its = |path: &PathBuf| match inspect(path).state {
        State::Held { holders, .. } | State::Replaced { holders } => holders.iter().any(own),
        State::OwnerAliveUnlocked(process) => own(&process),
        State::Absent | State::Free | State::Stale(_) | State::Unreadable { .. } => false,
    };
    if let Some(path) = usual.iter().find(|path| is_its(path)) {
        return Some(Lock { path: path.clone(), is_its: true });
    }
    let around = instance.members.iter().chain(&instance.ancestors).filter(|process| process.pid != 1);
    let mut held = around.flat_map(|process| flocks_of(process.pid)).filter(LockedFile::is_named_like_a_lock);
    if let Some(file) = held.find(|file| file.path.is_file()) {
        return Some(Lock { path: file.path, is_its: true });
    }
    let beside = folder.join(layouts::LAYOUT_B);
    beside.is_file().then_some(Lock { path: beside, is_its: false })
}
