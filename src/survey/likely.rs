//! Likely bots, if none is named: a process that has a token, would read one from its file, is connected to Telegram,
//! holds or claims a bot's lock, was started under one according to the journal, or is a script whose text polls. For
//! each process that is found in one of these ways, every other process of its program is found too.
//!
//! Not promised: a bot that shows none of these signs, and one whose token several programs have while none is seen to
//! use it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::held_locks::HeldLock;
use super::layout_files::{self, ClaimLook};
use super::scan::{Matches, ProcessScan};
use super::scripts;
use super::tokens::TokenReader;
use super::users::Users;
use crate::base::secret::{self, TokenId};
use crate::journal::{Event, EventKind};
use crate::platform::identity::{Identity, lineage};
use crate::platform::proc::{self, Handle};
use crate::platform::table::{self, Listed};
use crate::platform::words::{file_name, is_same_name};
use crate::process::argv::{ParsedArgv, Runner, Target};
use crate::process::candidate::Candidate;
use crate::process::details::Details;
use crate::process::instance::{EnvFileToken, Role};
use crate::process::matching::{Confidence, Doubt, Match, Matcher};
use crate::process::origin::Starter;
use crate::process::program::Program;
use crate::settings::Caller;

/// What marks a process as a bot's, token or not.
#[derive(Debug, Default)]
pub struct BotSigns {
    /// Connected to Telegram, or to the server of the environment.
    pub connected: HashSet<Identity>,
    /// Holders of a bot's lock, and those that claim one. Where that is solobot, `flock(1)` or a shell, what they run is
    /// meant.
    pub holders: Vec<Identity>,
    /// Tokens whose every reader is asked for, also where another process shows them.
    pub tokens: Vec<TokenId>,
    /// Programs of which it is known that they are bots: what the folder's scripts and units start.
    pub programs: Vec<Program>,
}

/// One program that is likely a bot's, and who runs it.
#[derive(Debug)]
pub struct LikelyBot {
    /// The program; `None` where it cannot be told (`-c`, standard input, a title).
    pub program: Option<Program>,
    /// Its processes.
    pub matches: Matches,
}

/// Everything that is likely a bot, and what was read for it.
///
/// # Errors
/// If the process table cannot be read.
pub fn find(held_locks: &BotSigns, caller: Caller) -> io::Result<(ProcessScan, Vec<LikelyBot>)> {
    let run_under_lock = run_by(&held_locks.holders)?;
    let (mut scan, hits) = ProcessScan::list(&|exe| !is_tool(exe), &|cmdline| !is_tool(cmdline))?;
    // The master of workers that are connected is the bot as much as they are.
    let connected: HashSet<i32> =
        held_locks.connected.iter().flat_map(|one| scan.family(*one)).map(|one| one.pid).collect();
    let mut seeds: Vec<Seed> = Vec::new();
    let mut claims = ClaimLook::default();
    let mut rest: Vec<&Listed> = Vec::new();
    for hit in &hits {
        let environ = match Handle::open(hit.pid).map(|handle| handle.environ()) {
            Some(Ok(environ)) => environ,
            Some(Err(error))
                if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::FileTooLarge) =>
            {
                scan.count_blind(hit.pid);
                Vec::new()
            }
            _ => continue,
        };
        let has_token = !secret::carried(&environ, &proc::words(&hit.cmdline)).is_empty();
        let is_named = |claims: &mut ClaimLook| Identity::of(hit.pid).is_some_and(|process| claims.is_named(process));
        let is_held = run_under_lock.contains(&hit.pid) || (is_of_interpreter(hit) && is_named(&mut claims));
        let is_connected = connected.contains(&hit.pid);
        if !has_token && !is_held && !is_connected {
            rest.push(hit);
            continue;
        }
        scan.add(hit);
        let Some(process) = Identity::of(hit.pid) else { continue };
        let family = scan.family(process);
        let Some(candidate) = scan.get(process) else { continue };
        let is_worker = family.len() > 1 && candidate.role() == Role::Worker;
        if runs_itself(candidate) && !is_worker && (has_token || !is_go_between(&candidate.details)) {
            let top = family.last().copied();
            seeds.push(Seed { top, ..Seed::of(candidate, is_held || is_connected) });
        }
    }
    // Whose text polls counts; whoever would read a token from a file, where nobody else has that token.
    let known: HashSet<TokenId> = seeds.iter().filter_map(|seed| seed.token.clone()).collect();
    for hit in rest.iter().filter(|hit| is_of_interpreter(hit)) {
        scan.add(hit);
        let Some(candidate) = Identity::of(hit.pid).and_then(|process| scan.get(process)) else { continue };
        if !runs_itself(candidate) || !candidate.program().is_some_and(|program| program.is_script_or_module()) {
            continue;
        }
        let seed = Seed { token: token_in_file(candidate, caller), ..Seed::of(candidate, false) };
        let is_wanted = |token: &TokenId| !known.contains(token) || held_locks.tokens.contains(token);
        if seed.is_strong || seed.token.as_ref().is_some_and(is_wanted) {
            seeds.push(seed);
        }
    }
    let seeds = without_starters(seeds);
    let mut all = by_program(seeds);
    for program in &held_locks.programs {
        if all.iter().all(|one| !is_of(one, program)) {
            all.push(LikelyBot { program: Some(program.clone()), matches: Matches::new() });
        }
    }
    bring_in(&mut scan, &mut all, &rest);
    all.retain(|one| !one.matches.is_empty());
    Ok((scan, all))
}

/// A process by which a likely bot was found.
#[derive(Debug)]
struct Seed {
    process: Identity,
    program: Option<Program>,
    /// The name in its title, where that is all that it shows.
    title: Option<Program>,
    command: String,
    token: Option<TokenId>,
    is_strong: bool,
    found: Match,
    /// The topmost process that it is a part of.
    top: Option<Identity>,
}

impl Seed {
    fn of(candidate: &Candidate, is_marked: bool) -> Self {
        let program = candidate.program().map(Program::anyhow);
        let token = secret::used(&candidate.carried, &[], None).map(secret::Token::id);
        let ParsedArgv::Runs(invocation) = &candidate.reading else { return Self::bare(candidate, program, token) };
        let confidence = match invocation.target {
            Target::Worker | Target::Inline(_) | Target::Stdin => Confidence::Probable,
            _ if program.is_none() && candidate.title().is_none() => Confidence::Probable,
            _ if token.is_some() => Confidence::Token,
            Target::Script(_) | Target::Executable(_) => Confidence::File,
            Target::Module(_) => Confidence::Module,
        };
        let polls = || program.as_ref().and_then(Program::place).is_some_and(|file| scripts::polls(&file));
        let is_strong = is_marked || polls();
        let doubt = match invocation.target {
            Target::Inline(_) | Target::Stdin => Some(Doubt::Inline),
            _ => None,
        };
        let found = Match { confidence, doubt, started_in: None };
        Self { is_strong, found, ..Self::bare(candidate, program, token) }
    }

    fn bare(candidate: &Candidate, program: Option<Program>, token: Option<TokenId>) -> Self {
        let found = Match { confidence: Confidence::Probable, doubt: None, started_in: None };
        let command = candidate.details.command();
        let title = candidate.title();
        Self { process: candidate.identity(), program, title, command, token, is_strong: false, found, top: None }
    }
}

/// The token in the `.env` file of a script or a module, or in the one beside the lock that names it.
pub fn token_in_file(candidate: &Candidate, caller: Caller) -> Option<TokenId> {
    let program = candidate.program().filter(|program| program.is_script_or_module() && runs_itself(candidate))?;
    let users = Users::of(Some(&program), caller, &[]);
    let by = Handle::open(candidate.identity().pid).and_then(|handle| handle.credentials())?;
    let reader = TokenReader { by: Some(&by), owners: users.all(), own: &[] };
    let place = program.place();
    match reader.find(place.as_deref().and_then(Path::parent), candidate.cwd.as_deref()) {
        EnvFileToken::Token { token, .. } => Some(token),
        EnvFileToken::Nothing => layout_files::token_of(candidate.identity()),
        EnvFileToken::Unclear => None,
    }
}

/// Whether it runs a program of its own, rather than handing on what it was given: shells, managers, wrappers, ssh, tmux.
fn runs_itself(candidate: &Candidate) -> bool {
    let ParsedArgv::Runs(invocation) = &candidate.reading else { return false };
    invocation.runner != Runner::Shell && !Starter::of(&candidate.details).is_carrier()
}

/// Of a process and one that it started with the same token, one is the bot: what shows more than the token, else the upper
/// one, whose helper the other is. (`python supervisor.py` hands the token on to the bot that it starts.)
fn without_starters(seeds: Vec<Seed>) -> Vec<Seed> {
    let at: HashMap<i32, usize> = seeds.iter().enumerate().map(|(at, seed)| (seed.process.pid, at)).collect();
    let is_same = |one: &Seed, other: &Seed| match (&one.program, &other.program) {
        (Some(one), Some(other)) => one.is_same_but_for_args(other),
        _ => false,
    };
    let mut dropped = HashSet::new();
    for (below, seed) in seeds.iter().enumerate() {
        for above in lineage(seed.process.pid).skip(1).filter_map(|pid| at.get(&pid).copied()) {
            let upper = &seeds[above];
            if upper.token.is_some() && upper.token == seed.token && !is_same(upper, seed) {
                dropped.insert(if seed.is_strong && !upper.is_strong { above } else { below });
            }
        }
    }
    seeds.into_iter().enumerate().filter(|(at, _)| !dropped.contains(at)).map(|(_, seed)| seed).collect()
}

/// One entry a program, the oldest first. What runs no program that can be told goes with the one that has its token; else it
/// stands with its likes, by its title or its command line.
fn by_program(mut seeds: Vec<Seed>) -> Vec<LikelyBot> {
    seeds.sort_by_key(|seed| (seed.program.is_none(), seed.process.start_ticks, seed.process.pid));
    let mut all: Vec<(LikelyBot, Vec<Seed>)> = Vec::new();
    for seed in seeds {
        let has_token = |own: &[Seed]| seed.token.is_some() && own.iter().any(|one| one.token == seed.token);
        let is_alike = |one: &Seed| {
            let has_title = one.title.is_some() && one.title == seed.title;
            one.command == seed.command || has_title || (one.top.is_some() && one.top == seed.top)
        };
        let is_its = |(_, own): &(LikelyBot, Vec<Seed>)| match (&own[0].program, &seed.program) {
            (Some(one), Some(other)) => one.is_same_but_for_args(other),
            (Some(_), None) => has_token(own),
            (None, None) => own.iter().any(is_alike),
            (None, Some(_)) => false,
        };
        let at = all.iter().position(is_its).unwrap_or_else(|| {
            let program = seed.program.clone().or_else(|| seed.title.clone());
            all.push((LikelyBot { program, matches: Matches::new() }, Vec::new()));
            all.len() - 1
        });
        all[at].0.matches.insert(seed.process.pid, seed.found.clone());
        all[at].1.push(seed);
    }
    all.into_iter().map(|(likely, _)| likely).collect()
}

fn is_of(likely: &LikelyBot, program: &Program) -> bool {
    likely.program.as_ref().is_some_and(|own| own.is_same_but_for_args(program))
}

/// Every process of the programs that were found.
fn bring_in(scan: &mut ProcessScan, all: &mut [LikelyBot], rest: &[&Listed]) {
    for likely in all {
        let Some(program) = &likely.program else { continue };
        let matcher = Matcher::new(program);
        rest.iter().filter(|hit| matcher.may_be(hit)).for_each(|hit| scan.add(hit));
        // What only the seed knew of itself stays.
        likely.matches.extend(scan.matches(&matcher));
    }
}

fn is_of_interpreter(hit: &Listed) -> bool {
    let path = hit.exe.as_deref().or_else(|| hit.cmdline.split(|&byte| byte == 0).next()).unwrap_or_default();
    let name = file_name(proc::unmarked(path));
    let name = std::str::from_utf8(name).unwrap_or_default();
    Runner::of_name(name.as_ref()).is_some_and(|runner| !matches!(runner, Runner::Shell | Runner::Native))
}

/// What the holders of locks run, through solobot, shells and wrappers.
pub(super) fn run_by(holders: &[Identity]) -> io::Result<HashSet<i32>> {
    let mut found = HashSet::new();
    if holders.is_empty() {
        return Ok(found);
    }
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for (child, parent) in table::parents()? {
        children.entry(parent).or_default().push(child);
    }
    let mut seen = HashSet::new();
    let mut next: Vec<i32> = holders.iter().filter(|holder| holder.is_alive()).map(|holder| holder.pid).collect();
    while let Some(pid) = next.pop() {
        let details = Handle::open(pid).and_then(|handle| Details::read(&handle)).filter(|_| seen.insert(pid));
        match details.map(|details| Starter::of(&details).is_carrier()) {
            Some(true) => next.extend(children.get(&pid).into_iter().flatten()),
            Some(false) => drop(found.insert(pid)),
            None => {}
        }
    }
    Ok(found)
}

/// Those that hold a bot's lock by these marks.
pub fn holders(held_locks: &[HeldLock]) -> Vec<Identity> {
    held_locks.iter().flat_map(|mark| &mark.holders).copied().collect()
}

/// The processes for which solobot took a lock, by its journal, and which run still.
pub fn started_by_journal(events: &[Event]) -> Vec<Identity> {
    let mut last: BTreeMap<&Path, &Event> = BTreeMap::new();
    for event in events {
        let Some(lock) = &event.lock else { continue };
        if matches!(
            event.event,
            EventKind::LockTaken | EventKind::LockWaited | EventKind::LockTakenOver | EventKind::LockReleased
        ) {
            last.insert(lock, event);
        }
    }
    let taken = last.into_values().filter(|event| event.event != EventKind::LockReleased);
    let process = |event: &Event| {
        let process = Identity::of(event.pid?)?;
        let started = jiff::Timestamp::try_from(process.started_at()?).ok()?;
        (started <= event.time + jiff::SignedDuration::from_secs(2)).then_some(process)
    };
    taken.filter_map(process).collect()
}

/// Programs that are connected to Telegram for other reasons than a bot's: clients, proxies, the Bot API server itself.
const GO_BETWEENS: [&str; 30] = [
    "telegram-desktop",
    "Telegram",
    "telegram-cli",
    "telegram-bot-api",
    "firefox",
    "firefox-bin",
    "firefox-esr",
    "chrome",
    "chromium",
    "brave",
    "msedge",
    "opera",
    "nginx",
    "haproxy",
    "caddy",
    "envoy",
    "squid",
    "tinyproxy",
    "microsocks",
    "privoxy",
    "danted",
    "3proxy",
    "ss-local",
    "sing-box",
    "xray",
    "v2ray",
    "clash",
    "mihomo",
    "tor",
    "sshd",
];

/// Whether it is one of them.
pub fn is_go_between(details: &Details) -> bool {
    let names = [details.exe.as_deref().map(proc::undeleted), details.argv.first().map(PathBuf::from)];
    let is_known = |path: PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str);
        name.is_some_and(|name| GO_BETWEENS.contains(&name.trim_end_matches(':')))
    };
    names.into_iter().flatten().any(is_known)
}

/// Programs that inherit a shell's variables and never poll.
const TOOLS: [&[u8]; 62] = [
    b"sleep",
    b"tail",
    b"head",
    b"cat",
    b"less",
    b"more",
    b"grep",
    b"egrep",
    b"rg",
    b"awk",
    b"gawk",
    b"mawk",
    b"sed",
    b"vi",
    b"vim",
    b"nvim",
    b"nano",
    b"emacs",
    b"micro",
    b"helix",
    b"hx",
    b"man",
    b"git",
    b"ssh",
    b"scp",
    b"sftp",
    b"rsync",
    b"curl",
    b"wget",
    b"docker",
    b"podman",
    b"kubectl",
    b"top",
    b"htop",
    b"btop",
    b"watch",
    b"ps",
    b"pgrep",
    b"journalctl",
    b"systemctl",
    b"ssh-agent",
    b"gpg-agent",
    b"dbus-daemon",
    b"tee",
    b"tr",
    b"sort",
    b"cut",
    b"xargs",
    b"find",
    b"ls",
    b"make",
    b"cargo",
    b"rustc",
    b"gcc",
    b"ld",
    b"psql",
    b"redis-cli",
    b"sqlite3",
    b"screen",
    b"tmux",
    b"solobot",
    b"ffmpeg",
];

/// Whether a path, or the first argument of a command line, names such a program.
fn is_tool(text: &[u8]) -> bool {
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    let name = file_name(&text[..end]);
    TOOLS.iter().any(|tool| is_same_name(tool, name))
}
