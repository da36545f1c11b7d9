//! Gathering the facts: the only part of doctor that looks at the machine. It changes nothing.

mod lock;
mod machine;
mod starts;
mod tmpfiles;
mod traces;
mod view;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::facts::{Bot, Facts, Seen, Trace};
use crate::lock::carriers::{self, LockedFile};
use crate::lock::state::State;
use crate::process::details::{Handle, variable};
use crate::process::find::{self, Found, Search};
use crate::process::instance::Instance;
use crate::process::program::Program;
use crate::telegram::token::Token;

pub use machine::{Surroundings, of_machine};

/// The default lock's name, and layout B's.
const LOCK_NAMES: [&str; 2] = [".solobot.lock", ".bot_instance.lock"];

/// A bot to look at.
#[derive(Debug)]
pub struct Target<'a> {
    /// Its name.
    pub name: String,
    /// What means it behind a subcommand.
    pub select: String,
    /// Its program.
    pub program: Option<&'a Program>,
    /// Its token.
    pub token: Option<&'a Token>,
    /// Its lock.
    pub lock: &'a Path,
    /// Whether flags or the file name that lock.
    pub lock_is_named: bool,
    /// The variable that tells it that a lock is held for it.
    pub skip_env: Option<&'a str>,
    /// Whether the lock may lie on a network file system.
    pub network_allowed: bool,
}

/// Told before starts are watched, with the bot's name and how long that may take.
pub type OnWatch<'a> = dyn FnMut(&str, Duration) + 'a;

/// Looks at these bots.
///
/// # Errors
/// `/proc` cannot be read.
pub fn of_targets(targets: &[Target<'_>], on_watch: &mut OnWatch<'_>) -> io::Result<Facts> {
    let mut facts = Facts { now: Timestamp::now(), ..Facts::default() };
    for target in targets {
        let bots = match target.program {
            Some(program) => running(program, target, &mut facts, on_watch)?,
            None => vec![bot_of(target)],
        };
        facts.bots.extend(bots);
    }
    Ok(facts)
}

/// A bot without instances, with its lock.
fn bot_of(target: &Target<'_>) -> Bot {
    Bot { locks: vec![lock::look(target.lock, std::iter::empty(), target.network_allowed)], ..empty(target) }
}

fn empty(target: &Target<'_>) -> Bot {
    Bot {
        name: target.name.clone(),
        select: Some(target.select.clone()),
        has_program: target.program.is_some(),
        lock_is_named: target.lock_is_named,
        skip_env: target.skip_env.map(str::to_owned),
        ..Bot::default()
    }
}

/// The distinct bots that a program is: one, unless a bare name or tokens make several.
fn running(
    program: &Program,
    target: &Target<'_>,
    facts: &mut Facts,
    on_watch: &mut OnWatch<'_>,
) -> io::Result<Vec<Bot>> {
    let mut found = find::find(&Search::new(program).with_token(target.token))?;
    found.forecast();
    count(facts, &found);
    let groups: Vec<Vec<Seen>> = found
        .bots()
        .into_iter()
        .map(|group| group.into_iter().map(|instance| look_closer(instance, target.skip_env)).collect())
        .collect();
    let probable: Vec<Seen> = found.probable.iter().map(|instance| look_closer(instance, target.skip_env)).collect();
    let several = groups.len() > 1;
    let mut bots: Vec<Bot> = groups
        .into_iter()
        .map(|instances| {
            let own = instances[0].instance.program.clone().filter(|_| several);
            let bot = Bot { instances, ..empty(target) };
            match own {
                Some(own) => Bot { name: own.to_string(), select: select(&own), ..bot },
                None => bot,
            }
        })
        .collect();
    if bots.is_empty() {
        bots.push(empty(target));
    }
    bots[0].probable = probable;
    for bot in &mut bots {
        let paths = lock_paths(bot, target);
        let looked = paths.iter().map(|path| lock::look(path, bot.all(), target.network_allowed));
        bot.locks = drop_absent(looked.collect());
        watch(bot, program, on_watch);
    }
    Ok(bots)
}

fn count(facts: &mut Facts, found: &Found) {
    facts.processes = facts.processes.max(found.total);
    facts.uninspected = facts.uninspected.max(found.uninspected);
    facts.hidden |= found.hidden;
}

/// Watches a bot's starts if they are suspicious.
fn watch(bot: &mut Bot, program: &Program, on_watch: &mut OnWatch<'_>) {
    let Some(suspicion) = starts::suspicion(program, &bot.instances) else { return };
    on_watch(&bot.name, starts::WATCH);
    (bot.starts, bot.watched) = starts::watch(program, &suspicion, &bot.instances, starts::WATCH);
    bot.starter = suspicion.starter;
}

/// What doctor alone asks about an instance.
fn look_closer(instance: &Instance, skip_env: Option<&str>) -> Seen {
    let environ = Handle::open(instance.root.pid).and_then(|handle| handle.read("environ").ok());
    // A title may have overwritten it: nothing is known then.
    let environ = environ.filter(|environ| !environ.is_empty());
    let skips_lock = skip_env.and_then(|name| Some(variable(environ.as_ref()?, name) == Some(b"1")));
    Seen {
        instance: instance.clone(),
        skips_lock,
        flocks: flocks_around(instance),
        traces: traces_of(instance, environ.as_deref()),
        folder_is_gone: instance.cwd.as_ref().is_some_and(|cwd| cwd.to_string_lossy().ends_with(" (deleted)")),
    }
}

/// What the instance and its ancestors have locked. PID 1's locks are nobody's in particular.
fn flocks_around(instance: &Instance) -> Vec<LockedFile> {
    let around = instance.members.iter().chain(&instance.ancestors).filter(|process| process.pid != 1);
    let mut files: Vec<LockedFile> = around.flat_map(|process| carriers::flocks_of(process.pid)).collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files.dedup_by(|one, other| one.path == other.path);
    files
}

fn traces_of(instance: &Instance, environ: Option<&[u8]>) -> Vec<Trace> {
    let of_ancestor = |pid: i32| {
        let handle = Handle::open(pid)?;
        traces::of_ancestor(pid, &handle.argv(), handle.link("exe").as_deref())
    };
    let ancestors = instance.ancestors.iter().filter_map(|ancestor| of_ancestor(ancestor.pid));
    ancestors.chain(environ.and_then(traces::of_environ)).collect()
}

/// Where the bot's lock may be. One that is named is the only one; else the default lock, layout B's, and whatever an
/// instance holds.
fn lock_paths(bot: &Bot, target: &Target<'_>) -> Vec<PathBuf> {
    if target.lock_is_named {
        return vec![target.lock.to_owned()];
    }
    let own = bot.instances.first().and_then(|seen| folder_of(&seen.instance));
    let folder = own.or_else(|| target.lock.parent().map(Path::to_owned)).unwrap_or_default();
    let mut paths: Vec<PathBuf> = LOCK_NAMES.iter().map(|name| folder.join(name)).collect();
    paths.extend(held_by(bot));
    paths.dedup();
    paths
}

/// The folder of an instance's default lock.
fn folder_of(instance: &Instance) -> Option<PathBuf> {
    Some(instance.program.as_ref()?.default_lock_dir(instance.cwd.as_deref()?))
}

/// The files named like a lock that its instances themselves hold, and that are still there.
fn held_by(bot: &Bot) -> Vec<PathBuf> {
    let is_lock = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        (name.contains("lock") || name.ends_with(".pid")) && path.is_file()
    };
    let files = bot.instances.iter().flat_map(|seen| &seen.flocks).map(|file| file.path.clone());
    let known = |path: &PathBuf| LOCK_NAMES.iter().any(|name| path.file_name() == Some(OsStr::new(name)));
    files.filter(|path| is_lock(path) && !known(path)).collect()
}

/// Of the places where a lock might be, those where one is; if there is none, the first.
fn drop_absent(locks: Vec<super::facts::Lock>) -> Vec<super::facts::Lock> {
    let is_there = |lock: &super::facts::Lock| lock.facts.state != State::Absent;
    if locks.iter().any(is_there) {
        locks.into_iter().filter(is_there).collect()
    } else {
        locks.into_iter().take(1).collect()
    }
}

/// What means a program behind a subcommand, wherever it is typed. A module is named by its file: `-m NAME` means it only
/// in its own folder.
pub fn select(program: &Program) -> Option<String> {
    let (text, name) = (program.to_string(), program.file_name());
    let option = |text: &str| Some(format!("-m {}", shell_words::quote(text)));
    if text.starts_with('/') || text == name {
        return option(&text);
    }
    let path = name.split('.').fold(program.default_lock_dir(Path::new("/")), |path, part| path.join(part));
    let files = [path.with_added_extension("py"), path.join("__main__.py")];
    option(files.iter().find(|file| file.is_file())?.to_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_selected_from_anywhere() {
        assert_eq!(select(&Program::script(Path::new("/a b/main.py"))).as_deref(), Some("-m '/a b/main.py'"));
        assert_eq!(select(&Program::script_glob("/r/*/main.py")).as_deref(), Some("-m '/r/*/main.py'"));
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("tg")).unwrap();
        let module = Program::module("tg.bot", dir.path());
        assert_eq!(select(&module), None);
        std::fs::write(dir.path().join("tg/bot.py"), "").unwrap();
        assert_eq!(select(&module), Some(format!("-m {}/tg/bot.py", dir.path().display())));
    }
}
