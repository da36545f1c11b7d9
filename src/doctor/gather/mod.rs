//! Gathering the facts: the only part of doctor that looks at the machine. It changes nothing.

mod lock;
mod machine;
mod places;
mod starts;
mod tmpfiles;
mod traces;
mod view;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::facts::{Bot, Facts, Seen, Trace};
use crate::lock::carriers::{self, LockedFile};
use crate::process::details::{Handle, variable};
use crate::process::find::{self, Found, Search};
use crate::process::instance::Instance;
use crate::process::program::Program;
use crate::telegram::token::Token;

pub use machine::of_machine;

/// Where locks may lie besides the bots' own folders.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The current folder.
    pub cwd: PathBuf,
    /// `$XDG_STATE_HOME`, or what stands for it.
    pub state: Option<PathBuf>,
}

/// A bot to look at.
#[derive(Debug)]
pub struct Target<'a> {
    /// Its name.
    pub name: String,
    /// What means it behind a subcommand.
    pub select: Option<String>,
    /// The flag that names its lock.
    pub lock_flag: Option<String>,
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
pub fn of_targets(
    targets: &[Target<'_>],
    surroundings: &Surroundings,
    on_watch: &mut OnWatch<'_>,
) -> io::Result<Facts> {
    let mut facts = Facts { now: Timestamp::now(), ..Facts::default() };
    for target in targets {
        let bots = match target.program {
            Some(program) => {
                let mut found = find::find(&Search::new(program).with_token(target.token))?;
                found.forecast();
                count(&mut facts, &found);
                distinct(&found, target)
            }
            None => vec![empty(target)],
        };
        for mut bot in bots {
            bot.locks = if target.lock_is_named || target.program.is_none() {
                vec![lock::look(target.lock, bot.all(), target.network_allowed)]
            } else {
                places::locks_of(&bot, Some(target.lock), surroundings, target.network_allowed)
            };
            if let Some(program) = target.program {
                watch(&mut bot, program, on_watch);
            }
            facts.bots.push(bot);
        }
    }
    Ok(facts)
}

/// A bot of which nothing has been seen yet.
fn empty(target: &Target<'_>) -> Bot {
    Bot {
        name: target.name.clone(),
        select: target.select.clone(),
        lock_flag: target.lock_flag.clone(),
        has_program: target.program.is_some(),
        lock_is_named: target.lock_is_named,
        skip_env: target.skip_env.map(str::to_owned),
        ..Bot::default()
    }
}

/// The distinct bots that were found: one, unless a bare name or tokens make several.
fn distinct(found: &Found, target: &Target<'_>) -> Vec<Bot> {
    let groups = found.bots();
    let is_several = groups.len() > 1;
    let closer = |instance: &Instance| look_closer(instance, target.skip_env);
    let mut bots: Vec<Bot> = groups
        .into_iter()
        .map(|group| {
            let own = group[0].program.as_ref().filter(|_| is_several);
            let bot = Bot { instances: group.into_iter().map(closer).collect(), ..empty(target) };
            match own {
                Some(own) => Bot { name: own.to_string(), select: select(own), ..bot },
                None => bot,
            }
        })
        .collect();
    if bots.is_empty() {
        bots.push(empty(target));
    }
    bots[0].probable = found.probable.iter().map(closer).collect();
    bots
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
