//! Turns what was seen into entries. Pure, except that it looks for a virtual environment beside a script that is not
//! running yet.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::look::{Inventory, Lock, RunningBot};
use super::token_place::{TokenPlace, in_env_file};
use super::units::Unit;
use crate::base::secret::mask;
use crate::lock::layouts;
use crate::outcome::init::BotDraft;
use crate::process::program::{Args, Program};

/// Its lock, named or solobot's default, in a file in `folder`.
pub fn lock_path(entry: &BotDraft, folder: &Path) -> PathBuf {
    let dir = folder.join(&entry.dir);
    match &entry.lock {
        Some(lock) => dir.join(lock),
        None => default_lock_dir(entry, &dir).join(layouts::SOLOBOT),
    }
}

/// Whether a file or a folder that it names is itself named by a token.
fn has_token(entry: &BotDraft) -> bool {
    let paths = [&entry.dir, &entry.program].into_iter().chain(&entry.lock).chain(&entry.env_file).chain(&entry.logs);
    paths.into_iter().any(|path| mask(path) != path.as_str())
}

fn default_lock_dir(entry: &BotDraft, dir: &Path) -> PathBuf {
    match entry.key {
        "script" => dir.join(&entry.program).parent().unwrap_or(Path::new("/")).to_owned(),
        _ => dir.to_owned(),
    }
}

/// The entries of a file in `folder`.
pub fn entries(seen: &Inventory, folder: &Path) -> Vec<BotDraft> {
    let mut entries: Vec<BotDraft> = seen.running.iter().map(of_running).collect();
    entries.extend(seen.units.iter().map(of_unit));
    if let Some(program) = &seen.named {
        entries.extend(of_program(program, &seen.cwd, "you named it", false));
    } else {
        let found = "this script polls Telegram; it is not running now";
        let of_script = |script: &PathBuf| {
            let is_guessed = seen.guessed.as_ref() == Some(script);
            of_program(&Program::script(script), &seen.cwd, found, !is_guessed)
        };
        entries.extend(seen.scripts.iter().filter_map(of_script));
    }
    for entry in entries.iter_mut().filter(|entry| entry.pids.is_empty()) {
        entry.lease_env = seen.lease_env;
    }
    tell_apart(&mut entries);
    name(&mut entries);
    give_locks(&mut entries);
    for entry in &mut entries {
        relate(entry, folder);
        if has_token(entry) {
            entry.doubtful = true;
            entry.evidence.push(
                "one of its paths contains a token, which every user here can read and which is not written here; \
                 rename it, then run solobot init again"
                    .into(),
            );
        }
    }
    entries
}

fn of_running(bot: &RunningBot) -> BotDraft {
    let first = &bot.instances[0];
    let pids: Vec<i32> = bot.instances.iter().map(|one| one.root.pid).collect();
    let mut evidence: Vec<String> = bot
        .instances
        .iter()
        .map(|one| {
            format!("running as PID {}, user {}, origin {}: {}", one.root.pid, one.user, one.origin, one.command)
        })
        .collect();
    if pids.len() > 1 {
        evidence.push(format!("{} instances are running; `solobot acquire` allows only one", pids.len()));
    }
    if let Some(token) = first.known_token() {
        evidence.push(format!("its token belongs to bot {}", token.bot_id));
    }
    if bot.is_elsewhere {
        evidence.push(
            "its folder does not exist here: it runs in a container, which needs its own file, or the folder was removed".into(),
        );
    }
    let mut entry = BotDraft {
        pids,
        evidence,
        doubtful: bot.is_elsewhere,
        lease_env: bot.lease_env,
        called: bot.name.clone(),
        ..bare(&bot.program, &bot.cwd)
    };
    entry.args = Some(first.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect());
    entry.unlocked_under = (!bot.is_locked).then(|| first.origin.to_string());
    entry.command = Some(bot.argv.clone());
    entry.other_user.clone_from(&bot.other_user);
    put_token(&mut entry, bot.token.as_ref());
    if let Some(lock) = &bot.lock {
        put_lock(&mut entry, lock, &bot.program.default_lock_dir(&bot.cwd));
    }
    if let Some(unit) = &bot.unit {
        entry.logs.push(format!("unit:{}", unit.name));
    }
    entry
}

fn of_unit(unit: &Unit) -> BotDraft {
    let mut entry = bare(&unit.program, &unit.dir);
    entry.evidence.push(format!("{} starts it; it is not running now", unit.name));
    entry.logs.push(format!("unit:{}", unit.name));
    entry.command = Some(unit.argv.clone());
    let words = |args: &Args| args.words().iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    entry.args = unit.program.args().map(words);
    let token = unit.token_name.clone().map(|name| TokenPlace { name, env_file: unit.env_file.clone() });
    put_token(&mut entry, token.as_ref());
    entry
}

/// A program that does not run: what would start it is a guess.
fn of_program(program: &Program, cwd: &Path, evidence: &str, doubtful: bool) -> Option<BotDraft> {
    let (key, value) = program.setting()?;
    let dir = if key == "script" { Path::new(&value).parent().unwrap_or(cwd) } else { cwd };
    // A package's module needs the folder above it.
    let dir = if dir.starts_with(cwd) { cwd } else { dir };
    let mut entry = BotDraft { doubtful, evidence: vec![evidence.to_owned()], ..bare(program, dir) };
    entry.command = command_for(key, &value, dir);
    put_token(&mut entry, in_env_file(&dir.join(".env"), None).as_ref());
    let beside = program.default_lock_dir(dir).join(layouts::LAYOUT_B);
    if beside.is_file() {
        put_lock(&mut entry, &Lock { path: beside, is_its: false, layout: None }, &program.default_lock_dir(dir));
    }
    Some(entry)
}

fn command_for(key: &str, value: &str, dir: &Path) -> Option<Vec<String>> {
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    let python = ["venv/bin/python", ".venv/bin/python"].into_iter().find(|python| dir.join(python).exists());
    let python = python.unwrap_or("python3");
    match (key, Path::new(value).extension().and_then(std::ffi::OsStr::to_str)) {
        ("module", _) => words(&[python, "-m", value]),
        ("script", Some("py")) => words(&[python, value]),
        ("script", Some("js" | "mjs" | "cjs")) => words(&["node", value]),
        ("exe", _) => words(&[value]),
        _ => None,
    }
}

fn bare(program: &Program, dir: &Path) -> BotDraft {
    let (key, value) = program.setting().unwrap_or(("script", String::new()));
    BotDraft {
        name: String::new(),
        dir: dir.to_string_lossy().into_owned(),
        key,
        program: value,
        args: None,
        lock: None,
        locks_itself: false,
        token_env: None,
        env_file: None,
        logs: Vec::new(),
        command: None,
        pids: Vec::new(),
        evidence: Vec::new(),
        doubtful: false,
        unlocked_under: None,
        other_user: None,
        lease_env: None,
        called: program.short_name(),
    }
}

fn put_token(entry: &mut BotDraft, token: Option<&TokenPlace>) {
    entry.token_env = token.map(|token| token.name.clone());
    entry.env_file = token.and_then(|token| token.env_file.as_ref()).map(|file| file.to_string_lossy().into_owned());
}

/// A program's own kind of lock is none for solobot. Where its token lies beside that, so does solobot's lock: the program's
/// own folder changes with its version.
///
/// Layout B's lock is taken by the bot itself. Layout A's is not where solobot holds it: its bots look at
/// `SKIP_TELEGRAM_LOCK`.
fn put_lock(entry: &mut BotDraft, lock: &Lock, default: &Path) {
    if lock.path == default.join(layouts::SOLOBOT) {
        return;
    }
    if let Some(layout) = lock.layout {
        let beside = layout.token_file.map(|_| lock.path.with_file_name(layouts::SOLOBOT));
        entry.lock = beside.map(|path| path.to_string_lossy().into_owned());
        let (path, program) = (lock.path.display(), layout.program.unwrap_or_default());
        entry
            .evidence
            .push(format!("{path} belongs to {program}, and no other program looks at it: this lock is solobot's"));
        return;
    }
    entry.lock = Some(lock.path.to_string_lossy().into_owned());
    entry.locks_itself = lock.path.file_name().is_some_and(|name| name == layouts::LAYOUT_B);
    let how = if lock.is_its { "uses" } else { "may use" };
    entry.evidence.push(format!("it {how} the lock {}", lock.path.display()));
}

/// Arguments are only written where they tell one bot from another; two that nothing tells apart are one entry.
fn tell_apart(entries: &mut Vec<BotDraft>) {
    let key = |entry: &BotDraft| {
        (entry.key, entry.program.clone(), if entry.key == "module" { entry.dir.clone() } else { String::new() })
    };
    let same = |one: &BotDraft, other: &BotDraft| key(one) == key(other);
    let mut kept: Vec<BotDraft> = Vec::new();
    for entry in entries.drain(..) {
        let twin = kept.iter_mut().find(|other| {
            let is_same = same(other, &entry) && other.called == entry.called;
            is_same && other.args == entry.args && other.dir == entry.dir
        });
        let Some(twin) = twin else {
            kept.push(entry);
            continue;
        };
        twin.pids.extend(&entry.pids);
        twin.evidence.extend(entry.evidence);
        if !entry.pids.is_empty() {
            twin.evidence.push(
                "the same program is running with several tokens, and one entry cannot tell them apart; start each with \
                 its own arguments or from its own folder"
                    .into(),
            );
        }
    }
    let alone: Vec<bool> =
        kept.iter().map(|entry| kept.iter().filter(|other| same(entry, other)).count() == 1).collect();
    for (entry, is_alone) in kept.iter_mut().zip(alone) {
        let has_secret = entry.args.iter().flatten().any(|arg| mask(arg) != arg.as_str());
        if is_alone || has_secret || entry.args.as_ref().is_some_and(Vec::is_empty) {
            entry.args = None;
        }
        if entry.command.iter().flatten().any(|word| mask(word) != word.as_str()) {
            entry.command = None;
            entry
                .evidence
                .push("its command line contains a token, which every user here can read; move it into .env".into());
        }
        entry.command = entry.command.take().filter(|command| command.first().is_some_and(|first| !first.is_empty()));
    }
    *entries = kept;
}

/// Each bot is called as every subcommand calls it; of two that are called alike one has its folder's name.
fn name(entries: &mut [BotDraft]) {
    let mut taken = BTreeSet::new();
    for entry in entries {
        let own = match entry.key {
            "script" => Path::new(&entry.program).parent().map_or_else(PathBuf::new, Path::to_owned),
            _ => PathBuf::from(&entry.dir),
        };
        let masked = mask(&entry.called);
        let called = if masked == entry.called.as_str() { entry.called.clone() } else { plain(&masked) };
        let folder = plain(&own.file_name().unwrap_or_default().to_string_lossy());
        let wanted = [called.clone(), folder.clone(), format!("{folder}-{called}")];
        let mut wanted = wanted.into_iter().filter(|name| !name.is_empty());
        let name = wanted.find(|name| !taken.contains(name)).unwrap_or_else(|| {
            let mut numbered = (2..=taken.len() + 2).map(|number| format!("{called}-{number}"));
            numbered.find(|name| !taken.contains(name)).unwrap_or_default()
        });
        taken.insert(name.clone());
        entry.name = name;
    }
}

/// What TOML takes for a key without quotes.
pub fn plain(text: &str) -> String {
    // Masked first: with a dash for its colon it would be no token any more.
    let dashed: String =
        mask(text).chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    dashed.trim_matches('-').to_owned()
}

/// No two bots share a lock: two programs of one folder would share its default.
fn give_locks(entries: &mut [BotDraft]) {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for entry in entries.iter_mut() {
        let default = default_lock_dir(entry, Path::new(&entry.dir));
        let own = entry.lock.clone().unwrap_or_else(|| default.join(layouts::SOLOBOT).to_string_lossy().into_owned());
        if taken.insert(own) {
            continue;
        }
        let another = default.join(format!(".solobot-{}.lock", entry.name)).to_string_lossy().into_owned();
        entry.evidence.push("another bot here uses the default lock, so this one has its own".into());
        entry.locks_itself = false;
        taken.insert(another.clone());
        entry.lock = Some(another);
    }
}

/// Paths below the bot's folder are written relative to it; the folder is left out where it is the file's own.
fn relate(entry: &mut BotDraft, folder: &Path) {
    let dir = PathBuf::from(&entry.dir);
    let shorten = |text: &mut String| {
        if let Ok(rest) = Path::new(text.as_str()).strip_prefix(&dir)
            && !rest.as_os_str().is_empty()
        {
            *text = rest.to_string_lossy().into_owned();
        }
    };
    if entry.key != "module" {
        shorten(&mut entry.program);
    }
    entry.lock.iter_mut().chain(&mut entry.env_file).for_each(shorten);
    if dir == folder {
        entry.dir = String::new();
    }
}
