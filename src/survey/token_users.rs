//! Other processes that are connected with a bot's token: the kernel lists more connections than the bot's own
//! instances have.
//!
//! If solobot cannot tell what such a process runs (`-c`, a title, a server that loads the app), it counts as an
//! instance of the bot. If it runs another program, it is another bot with that token.

use std::collections::HashSet;
use std::io;

use super::connections::{self, Servers};
use super::find::{FoundInstances, Search};
use super::likely;
use super::nameless;
use super::scan::ProcessScan;
use crate::base::secret::TokenId;
use crate::platform::identity::Identity;
use crate::process::candidate::Candidate;
use crate::settings::Caller;

/// Another program that has the token of a bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUser {
    pub process: Identity,
    /// What it runs.
    pub program: String,
    /// The same in a word.
    pub name: String,
    /// Its command line, tokens masked.
    pub command: String,
    pub token: TokenId,
}

impl TokenUser {
    fn of(candidate: &Candidate, token: TokenId) -> Self {
        let command = candidate.details.command();
        let program = candidate.program().map_or_else(|| command.clone(), |program| program.to_string());
        Self { process: candidate.identity(), program, name: nameless::short_name(candidate), command, token }
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
        Some(TokenUser::of(candidate, token_of(candidate, tokens, caller)?))
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
    let mut owners = connections::unexplained(servers, known.iter().copied());
    // Of other network namespaces, as containers have them, the list says nothing.
    let carriers = scan.carriers_of(&tokens).into_iter().filter(|one| !known.contains(one) && !owners.contains(one));
    let elsewhere = connections::connected_among(servers, carriers);
    owners.extend(elsewhere);
    found.promote_connected(&tokens, &|process| owners.contains(process));
    let members: HashSet<Identity> = found.all().flat_map(|one| one.members.clone()).collect();
    let mut rivals: Vec<TokenUser> = Vec::new();
    let mut nameless = Vec::new();
    for process in owners.into_iter().filter(|process| !members.contains(process)) {
        let family = scan.family(process);
        let token = family.iter().find_map(|one| token_of(scan.get(*one)?, &tokens, search.caller));
        let top = family.last().and_then(|top| scan.get(*top)).filter(|top| !nameless::merely_passes_on(top));
        let Some((top, token)) = top.zip(token).filter(|(top, _)| !members.contains(&top.identity())) else { continue };
        let is_new = !nameless.contains(&top.identity()) && rivals.iter().all(|one| one.process != top.identity());
        match (is_new, nameless::is_nameless(top)) {
            (true, true) => nameless.push(top.identity()),
            (true, false) => rivals.push(TokenUser::of(top, token)),
            (false, _) => {}
        }
    }
    nameless::add(scan, found, search, &nameless);
    rivals
}

/// Which of these tokens a process has: in a variable, in an argument, or in its file.
fn token_of(candidate: &Candidate, tokens: &[TokenId], caller: Caller) -> Option<TokenId> {
    let shown = candidate.carried.iter().map(|one| one.token.id()).find(|token| tokens.contains(token));
    shown.or_else(|| likely::token_in_file(candidate, caller).filter(|token| tokens.contains(token)))
}
