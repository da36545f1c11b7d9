//! Other processes that are connected with a bot's token: the kernel lists more connections than the bot's own
//! instances have.
//!
//! If solobot cannot tell what such a process runs (`-c`, a title, a server that loads the app), it counts as an
//! instance of the bot. If it runs another program, it is another bot with that token.

use std::io;

use super::connections::{self, Servers};
use super::find::{self, FoundInstances, Search};
use super::likely::{self, is_go_between};
use super::scan::{Matches, ProcessScan};
use crate::base::secret::TokenId;
use crate::platform::identity::Identity;
use crate::process::argv::{ParsedArgv, Runner, Target};
use crate::process::candidate::Candidate;
use crate::process::matching::{Confidence, Match};
use crate::process::origin::Starter;
use crate::process::program::Program;
use crate::settings::Caller;

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

/// Another program that has the token of a bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUser {
    pub process: Identity,
    /// What it runs.
    pub program: String,
    /// Its command line, tokens masked.
    pub command: String,
    pub token: TokenId,
}

impl TokenUser {
    fn of(candidate: &Candidate, token: TokenId) -> Self {
        let command = candidate.details.command();
        let program = candidate.program().map_or_else(|| command.clone(), |program| program.to_string());
        Self { process: candidate.identity(), program, command, token }
    }
}

/// Every process that has one of these tokens: in a variable, in an argument, or in the file that it would read. Those that
/// merely hand it on are left out.
///
/// # Errors
/// If the process table cannot be read.
pub fn of_tokens(tokens: &[TokenId], caller: Caller) -> io::Result<Vec<TokenUser>> {
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    let held_locks = likely::BotSigns { tokens: tokens.to_vec(), ..likely::BotSigns::default() };
    let (scan, all) = likely::find(&held_locks, caller)?;
    let seeds = all.iter().flat_map(|one| one.matches.keys());
    let user = |pid: &i32| {
        let candidate = scan.get(Identity::of(*pid)?)?;
        let shown = candidate.carried.iter().map(|one| one.token.id()).find(|token| tokens.contains(token));
        let token =
            shown.or_else(|| likely::token_in_file(candidate, caller)).filter(|token| tokens.contains(token))?;
        Some(TokenUser::of(candidate, token))
    };
    Ok(seeds.filter_map(user).collect())
}

/// Adds those that are instances, and returns the others. Without a token nobody could be told, and the kernel's list, which
/// takes as long as half of all else, is not read. `known` are processes whose connections need no explanation.
pub fn add(
    scan: &mut ProcessScan,
    found: &mut FoundInstances,
    search: &Search<'_>,
    servers: &Servers,
    known: &[Identity],
) -> Vec<TokenUser> {
    let tokens = found.tokens(search.token.as_ref());
    if tokens.is_empty() {
        return Vec::new();
    }
    let unexplained = connections::unexplained(servers, known.iter().copied());
    let owners: Vec<Identity> = unexplained.owners.into_iter().map(|(process, _)| process).collect();
    found.promote_connected(&tokens, &|process| owners.contains(process));
    let members: Vec<Identity> = found.all().flat_map(|one| one.members.clone()).collect();
    let mut rivals = Vec::new();
    let mut matches = Matches::new();
    for process in owners.into_iter().filter(|process| !members.contains(process)) {
        let Some(candidate) = scan.read(process).filter(|one| !is_go_between(&one.details)) else { continue };
        if Starter::of(&candidate.details).is_carrier() {
            continue;
        }
        let carried = candidate.carried.iter().map(|one| one.token.id()).find(|token| tokens.contains(token));
        let in_file = || likely::token_in_file(candidate, search.caller).filter(|token| tokens.contains(token));
        let Some(token) = carried.or_else(in_file) else { continue };
        if is_anybodys(candidate) {
            matches.insert(process.pid, Match { confidence: Confidence::Token, doubt: None, started_in: None });
        } else {
            rivals.push(TokenUser::of(candidate, token));
        }
    }
    if !matches.is_empty() {
        let more = find::sorted(scan, &matches, search, &mut |all| vec![Some(true); all.len()]);
        found.instances.extend(more.instances);
        found.instances.sort_by_key(|one| one.root.start_ticks);
        found.probable.extend(more.probable);
    }
    rivals
}

/// Whether what a process runs cannot be told from its command line.
fn is_anybodys(candidate: &Candidate) -> bool {
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
