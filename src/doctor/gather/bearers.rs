//! Instances of other programs that carry the token of one of the bots.

use std::collections::BTreeSet;
use std::io;

use super::super::facts::{Bearer, Bot};
use crate::process::connections::{Blind, Evidence, Polling};
use crate::process::find;

/// Finds them; their connections are not looked at yet.
///
/// # Errors
/// `/proc` cannot be read.
pub fn of(bots: &[Bot]) -> io::Result<Vec<Bearer>> {
    let of_bot = |bot: &Bot| {
        let seen: Vec<String> = bot.all().filter_map(|seen| seen.instance.token.clone()).collect();
        bot.token.iter().map(|token| token.fingerprint.clone()).chain(seen).collect::<Vec<_>>()
    };
    let known: BTreeSet<String> = bots.iter().flat_map(of_bot).collect();
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let found = find::likely_bots(&[], &[])?;
    let strangers = found.instances.into_iter().filter(|one| !bots.iter().any(|bot| bot.has_process(one.root)));
    let bearers = strangers.filter_map(|one| {
        let fingerprint = one.token.filter(|token| known.contains(token))?;
        let program = one.program.map_or_else(|| one.command.clone(), |program| program.to_string());
        let evidence = Evidence { polling: Polling::Unknown(Blind::Gone), connections: Vec::new() };
        Some(Bearer { process: one.root, program, command: one.command, fingerprint, evidence })
    });
    Ok(bearers.collect())
}
