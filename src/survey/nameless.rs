//! Processes whose program cannot be told: code from the command line, a title, a server that loads the app, a kernel of a
//! notebook. Such a process is an instance of the bot if something else says so: the bot's token and a connection
//! ([`super::token_users`]), or the bot's own lock.

use super::find::{self, FoundInstances, Search};
use super::likely::{self, is_go_between};
use super::scan::{Matches, ProcessScan};
use crate::lock::coverage::LockCoverage;
use crate::lock::state::{LockFacts, State};
use crate::platform::identity::Identity;
use crate::platform::table;
use crate::platform::words::file_name;
use crate::process::argv::{ParsedArgv, Runner, Target};
use crate::process::candidate::Candidate;
use crate::process::instance::Instance;
use crate::process::matching::{Confidence, Match};
use crate::process::origin::Starter;
use crate::process::program::Program;

/// Programs that load somebody's bot: what they run cannot be told by their own names.
const LOADERS: [&str; 14] = [
    "uvicorn",
    "gunicorn",
    "hypercorn",
    "daphne",
    "granian",
    "uwsgi",
    "waitress-serve",
    "flask",
    "fastapi",
    "streamlit",
    "ipykernel_launcher",
    "jupyter",
    "celery",
    "pytest",
];

/// Whether what a process runs cannot be told from its command line.
pub fn is_nameless(candidate: &Candidate) -> bool {
    let ParsedArgv::Runs(invocation) = &candidate.reading else { return false };
    let is_loader = |program: &Program| LOADERS.contains(&program.short_name().as_str());
    match invocation.target {
        Target::Executable(_) if invocation.runner == Runner::Native => {
            candidate.program().is_some_and(|one| is_loader(&one))
        }
        Target::Inline(_) | Target::Stdin | Target::Worker | Target::Executable(_) => true,
        Target::Script(_) | Target::Module(_) => candidate.program().is_none_or(|one| is_loader(&one)),
    }
}

/// What a process runs, in a word: the file, the module; else what it is called.
pub fn short_name(candidate: &Candidate) -> String {
    if let Some(program) = candidate.program() {
        return program.file_name();
    }
    let command = candidate.details.command();
    let first = command.split(' ').next().unwrap_or_default();
    String::from_utf8_lossy(file_name(first.as_bytes())).trim_end_matches(':').to_owned()
}

/// Whether a process hands on what it was given, tokens or connections: a shell, a manager, a proxy.
pub fn merely_passes_on(candidate: &Candidate) -> bool {
    is_go_between(&candidate.details) || Starter::of(&candidate.details).is_carrier()
}

/// Adds these processes to the instances, each with what is a part of it.
pub fn add(scan: &mut ProcessScan, found: &mut FoundInstances, search: &Search<'_>, tops: &[Identity]) {
    if tops.is_empty() {
        return;
    }
    let pids: Vec<i32> = tops.iter().map(|top| top.pid).collect();
    let below = table::descendants(&pids).unwrap_or_default().into_iter().filter_map(Identity::of);
    let parts: Vec<Identity> = below.filter(|one| scan.family(*one).iter().any(|above| tops.contains(above))).collect();
    let sure = Match { confidence: Confidence::Token, doubt: None, started_in: None };
    let matches: Matches = tops.iter().chain(&parts).map(|process| (process.pid, sure.clone())).collect();
    let more = find::sorted(scan, &matches, search, &mut |all| vec![Some(true); all.len()]);
    found.instances.extend(more.instances);
    found.instances.sort_by_key(|one| one.root.start_ticks);
    found.probable.extend(more.probable);
}

/// Adds what runs under the bot's lock, where no instance is known to; says whether there was any.
pub fn add_under_lock(
    scan: &mut ProcessScan,
    found: &mut FoundInstances,
    search: &Search<'_>,
    lock: &LockFacts,
) -> bool {
    let State::Held { holders, .. } = &lock.state else { return false };
    let is_its = |one: &Instance| LockCoverage::of(&one.members, &one.ancestors, lock) != LockCoverage::Unlocked;
    if found.all().any(is_its) {
        return false;
    }
    let holders: Vec<Identity> = holders.iter().copied().chain(lock.kept_for).collect();
    let run = likely::run_by(&holders).unwrap_or_default().into_iter().filter_map(Identity::of);
    let tops: Vec<Identity> = run.filter(|top| scan.read(*top).is_some_and(is_nameless)).collect();
    add(scan, found, search, &tops);
    !tops.is_empty()
}
