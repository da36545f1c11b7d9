//! The token that a program reads from a file. It is read if it is not certain whether a process is the bot.
//!
//! Such programs read `.env` beside their script or in a folder above it (as python-dotenv does), otherwise in their
//! working folder. A file counts if the user who runs the program can read it, and only that user, root and the
//! program's owner can write it: a planted file would make the bot's process look like another bot. If two of these
//! files differ, it is unknown which one counts.

use std::path::{Path, PathBuf};

use crate::base::env;
use crate::base::secret::{Token, TokenId};
use crate::platform::filesystem::{FileStatus, read_bounded};
use crate::platform::proc::Credentials;
use crate::process::instance::EnvFileToken;
use crate::settings::open_of;
use crate::telegram::dotenv::DotEnv;
use crate::telegram::sources::MAX_BYTES;

/// The file's name.
const NAME: &str = ".env";

/// Who runs a program, and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct TokenReader<'a> {
    /// Who runs it, where that is known.
    pub by: Option<&'a Credentials>,
    /// Whose files count: the program's owner, the caller. Root's always do.
    pub owners: &'a [u32],
    /// The variables of its bot, which come before the usual ones.
    pub own: &'a [String],
}

/// What a file has.
enum EnvFileContent {
    Token(TokenId),
    None,
    /// One of several, or something that must not be read.
    Unclear,
}

impl TokenReader<'_> {
    /// The token that a program in `folder`, started in `cwd`, would read.
    pub fn find(&self, folder: Option<&Path>, cwd: Option<&Path>) -> EnvFileToken {
        let is_there = |path: &PathBuf| path.symlink_metadata().is_ok();
        let beside = folder.and_then(|folder| folder.ancestors().map(|dir| dir.join(NAME)).find(is_there));
        let here = cwd.map(|cwd| cwd.join(NAME)).filter(|path| Some(path) != beside.as_ref() && is_there(path));
        let mut found = EnvFileToken::Nothing;
        for path in beside.into_iter().chain(here) {
            found = match (self.read(&path), found) {
                (EnvFileContent::Unclear, _) => return EnvFileToken::Unclear,
                (EnvFileContent::Token(token), EnvFileToken::Nothing) => EnvFileToken::Token { token, path },
                (EnvFileContent::Token(token), EnvFileToken::Token { token: first, .. }) if token != first => {
                    return EnvFileToken::Unclear;
                }
                (EnvFileContent::None | EnvFileContent::Token(_), found) => found,
            };
        }
        found
    }

    /// The token in that very file.
    pub fn in_file(&self, path: &Path) -> Option<TokenId> {
        match self.read(path) {
            EnvFileContent::Token(token) => Some(token),
            EnvFileContent::None | EnvFileContent::Unclear => None,
        }
    }

    fn read(&self, path: &Path) -> EnvFileContent {
        let owners: Vec<u32> = self.owners.iter().copied().chain(self.by.map(|by| by.uid)).collect();
        let Some(file) = open_of(path, &owners) else { return EnvFileContent::Unclear };
        let may_read = |status: FileStatus| self.by.is_none_or(|by| status.is_readable_by(by));
        if !FileStatus::of_open(&file).is_ok_and(may_read) {
            return EnvFileContent::None;
        }
        let Ok(text) = read_bounded(file, MAX_BYTES) else { return EnvFileContent::Unclear };
        self.choose(&DotEnv::parse(&String::from_utf8_lossy(&text)))
    }

    /// The token of the bot's own variable, else of a usual one, else the only one.
    fn choose(&self, variables: &DotEnv) -> EnvFileContent {
        let own = self.own.iter().map(String::as_str).chain(env::TOKENS);
        let named = own.filter_map(|name| variables.get(name)).find_map(|value| Token::parse(value).ok());
        if let Some(token) = named {
            return EnvFileContent::Token(token.id());
        }
        let mut all: Vec<TokenId> =
            variables.iter().filter_map(|(_, value)| Some(Token::parse(value).ok()?.id())).collect();
        all.sort();
        all.dedup();
        match (all.pop(), all.is_empty()) {
            (None, _) => EnvFileContent::None,
            (Some(token), true) => EnvFileContent::Token(token),
            (Some(_), false) => EnvFileContent::Unclear,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    fn text(id: &str) -> String {
        format!("{id}:{}", "A".repeat(35))
    }

    /// What is read in the folders `up/a` (of the script) and `b` (the working folder), by whom.
    fn found_by(uid: Option<u32>, groups: &[u32], files: &[(&str, String)], own: &[&str], mode: u32) -> EnvFileToken {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for dir in ["up/a", "b"] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        for (path, content) in files {
            fs::write(root.join(path), content).unwrap();
            fs::set_permissions(root.join(path), Permissions::from_mode(mode)).unwrap();
        }
        let own: Vec<String> = own.iter().map(|name| (*name).to_owned()).collect();
        let me = fs::metadata(&root).unwrap().uid();
        let by = Credentials { uid: uid.unwrap_or(me), groups: groups.to_vec() };
        let reader = TokenReader { by: Some(&by), owners: &[me], own: &own };
        reader.find(Some(&root.join("up/a")), Some(&root.join("b")))
    }

    fn found(files: &[(&str, String)], own: &[&str], mode: u32) -> EnvFileToken {
        found_by(None, &[], files, own, mode)
    }

    fn id(found: &EnvFileToken) -> Option<&str> {
        match found {
            EnvFileToken::Token { token, .. } => Some(&token.bot_id),
            EnvFileToken::Nothing | EnvFileToken::Unclear => None,
        }
    }

    fn line(name: &str, id: &str) -> String {
        format!("{name}={}\n", text(id))
    }

    #[test]
    fn one_file_is_read_alone() {
        let folder = tempfile::tempdir().unwrap();
        let me = fs::metadata(folder.path()).unwrap().uid();
        let reader = TokenReader { by: None, owners: &[me], own: &[] };
        let read = |content: &str| {
            let path = folder.path().join(".env");
            fs::write(&path, content).unwrap();
            reader.in_file(&path).map(|token| token.bot_id)
        };
        assert_eq!(read(&line("X", "111111")).as_deref(), Some("111111"));
        assert_eq!(read("X=1\n"), None);
        assert_eq!(reader.in_file(&folder.path().join("none")), None);
    }

    #[test]
    fn beside_the_script_or_above_it_and_then_in_the_working_folder() {
        let read = |files: &[(&str, String)]| found(files, &[], 0o600);
        assert_eq!(read(&[]), EnvFileToken::Nothing);
        assert_eq!(id(&read(&[("up/a/.env", line("X", "111111"))])), Some("111111"));
        assert_eq!(id(&read(&[("up/.env", line("X", "111111"))])), Some("111111"));
        assert_eq!(id(&read(&[("up/.env", line("X", "222222")), ("up/a/.env", line("X", "111111"))])), Some("111111"));
        assert_eq!(id(&read(&[("b/.env", line("BOT_TOKEN", "111111"))])), Some("111111"));
        let same = [("up/.env", line("X", "111111")), ("b/.env", line("Y", "111111"))];
        assert_eq!(id(&read(&same)), Some("111111"));
        assert_eq!(read(&[("up/.env", line("X", "111111")), ("b/.env", line("X", "222222"))]), EnvFileToken::Unclear);
        assert_eq!(id(&read(&[("up/.env", "A=1\n".into()), ("b/.env", line("X", "222222"))])), Some("222222"));
    }

    #[test]
    fn which_of_several() {
        let both = || vec![("b/.env", line("FIRST", "111111") + &line("SECOND", "222222"))];
        assert_eq!(found(&both(), &[], 0o600), EnvFileToken::Unclear);
        assert_eq!(id(&found(&both(), &["SECOND"], 0o600)), Some("222222"));
        let usual = vec![("b/.env", line("FIRST", "111111") + &line("BOT_TOKEN", "222222"))];
        assert_eq!(id(&found(&usual, &[], 0o600)), Some("222222"));
    }

    #[test]
    fn what_another_may_write_or_the_program_may_not_read() {
        let file = || vec![("b/.env", line("X", "111111"))];
        assert_eq!(found(&file(), &[], 0o666), EnvFileToken::Unclear);
        let (own_group, other_group) = (fs::metadata(".").unwrap().gid(), 4242);
        let by_stranger = |groups: &[u32], mode| found_by(Some(4242), groups, &file(), &[], mode);
        assert_eq!(by_stranger(&[other_group], 0o640), EnvFileToken::Nothing);
        assert_eq!(id(&by_stranger(&[own_group], 0o640)), Some("111111"));
        assert_eq!(id(&by_stranger(&[], 0o644)), Some("111111"));
    }
}
