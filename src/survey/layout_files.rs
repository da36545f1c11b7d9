//! The files of the field's layouts on this machine: where they are, by whose environment, and what they tell of processes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::tokens::TokenReader;
use crate::base::secret::TokenId;
use crate::lock::file::open_to_look;
use crate::lock::layouts::{self, LayoutFile, Surroundings};
use crate::lock::state::{self, State};
use crate::platform::filesystem::FileStatus;
use crate::platform::identity::Identity;
use crate::process::instance::{EnvFileToken, Instance};
use crate::settings::Context;

/// Whose environment says where programs have locks of their own: the caller's; that of whoever called `sudo`, of the bot's
/// users and of these processes.
pub fn around(context: &Context, users: &[u32], processes: impl Iterator<Item = i32>) -> Vec<Surroundings> {
    let uid = context.caller.uid;
    let own = Surroundings { vars: context.vars.clone(), home: context.home.clone(), uid };
    let others = context.caller.sudo_uid.into_iter().chain(users.iter().copied()).filter(|&other| other != uid);
    let others = others.map(Surroundings::of_user).chain(processes.filter_map(Surroundings::of_process));
    std::iter::once(own).chain(others).collect()
}

/// The locks of the field's layouts that are there, in the current folder and wherever these processes, or the caller, have
/// them.
pub fn existing(context: &Context, processes: impl Iterator<Item = i32>) -> Vec<LayoutFile> {
    layouts::existing(&context.cwd, &around(context, &[], processes))
}

/// The token in the file beside such a lock, and that file.
pub fn token_beside(file: &LayoutFile) -> Option<(TokenId, PathBuf)> {
    let path = file.token_file()?;
    let owner = FileStatus::of_entry(&file.path).ok()?.owner();
    Some((TokenReader { by: None, owners: &[owner], own: &[] }.in_file(&path)?, path))
}

/// The living process that such a file names. The kernel is not asked for its locks.
fn claimant(path: &Path) -> Option<Identity> {
    let lock = open_to_look(path).ok()?;
    match state::unlocked(&lock, &lock.record()) {
        Ok(State::OwnerAliveUnlocked(process)) => Some(process),
        _ => None,
    }
}

/// The claims in the folders of the layouts that were looked at, so that those whom many processes share are looked at once.
#[derive(Default)]
pub struct ClaimLook {
    seen: HashMap<PathBuf, Vec<Identity>>,
}

impl ClaimLook {
    /// Whether a program's own lock names this process, in a folder to which its environment leads.
    pub fn is_named(&mut self, process: Identity) -> bool {
        let Some(around) = Surroundings::of_process(process.pid) else { return false };
        layouts::folders_of_programs(&around).into_iter().any(|(layout, folder)| {
            let claims = self.seen.entry(folder).or_insert_with_key(|folder| {
                layout.files_in(folder).iter().filter_map(|path| claimant(path)).collect()
            });
            claims.contains(&process)
        })
    }
}

/// The files in a process's own folders beside which its program's token would lie.
fn with_token(pid: i32) -> Vec<LayoutFile> {
    let files = layouts::existing("/".as_ref(), Surroundings::of_process(pid).as_slice());
    files.into_iter().filter(|file| file.layout.token_file.is_some()).collect()
}

/// The token that lies beside the lock that names this process.
pub fn token_of(process: Identity) -> Option<TokenId> {
    let files = with_token(process.pid).into_iter();
    files.filter(|file| claimant(&file.path) == Some(process)).find_map(|file| Some(token_beside(&file)?.0))
}

/// Gives instances of one program the token that lies beside the lock that names one of them: what the program reads there,
/// an instance reads too that another one has written over since.
pub fn give_tokens(instances: &mut [Instance]) {
    let is_open = |one: &Instance| one.token.is_none() && one.in_file == EnvFileToken::Nothing;
    let read: Vec<Vec<LayoutFile>> =
        instances.iter().map(|one| if is_open(one) { with_token(one.root.pid) } else { Vec::new() }).collect();
    let is_theirs = |file: &LayoutFile| {
        claimant(&file.path).is_some_and(|process| instances.iter().any(|one| one.members.contains(&process)))
    };
    let mut known: Vec<&LayoutFile> = read.iter().flatten().filter(|file| is_theirs(file)).collect();
    known.dedup();
    let found: Vec<Option<(TokenId, PathBuf)>> =
        read.iter().map(|files| files.iter().filter(|file| known.contains(file)).find_map(token_beside)).collect();
    for (one, found) in instances.iter_mut().zip(found) {
        if let Some((token, path)) = found {
            one.in_file = EnvFileToken::Token { token, path };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_claims_for_the_living_process_that_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let claim = |content: &str| {
            let path = folder.path().join("bot.pid");
            std::fs::write(&path, content).unwrap();
            claimant(&path)
        };
        let own = Identity::own().unwrap();
        assert_eq!(claim(&own.pid.to_string()), Some(own));
        assert_eq!(claim(&i32::MAX.to_string()), None);
        assert_eq!(claim(""), None);
        assert_eq!(claimant(&folder.path().join("none")), None);
    }
}
