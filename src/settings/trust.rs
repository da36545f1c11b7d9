//! Whether to trust a file that was found rather than named.
//!
//! solobot runs the `command` of such a file and sends a token to its `api_url`, so a planted file would mean another user's
//! code or server. The rule: file and folder belong to the caller or to root, and nobody else can write to them. A group can
//! if it is the owner's private one, as with Debian's umask 0002. Root trusts root's files. It trusts the files of the user
//! who called `sudo` only for looking. Root without `sudo` can look with any user's file, but does not open what it names.
//!
//! solobot follows symbolic links itself: every link, its folder, the file at the end and its folder must pass. Folders
//! further up are not checked: their owner could only move the whole folder away.
//!
//! A file that is not trusted stops the call: otherwise another user could make root run without its settings. But one that
//! another user put into a folder above the current one is ignored: it would stop every call below that folder.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::context::{Caller, Context, Purpose};
use crate::base::error::quoted;
use crate::lock::file::what_is;
use crate::platform::filesystem::{FileStatus, open_regular};
use crate::platform::user;

/// How many links in a row are followed.
const MAX_LINKS: usize = 8;

/// What a file may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// For looking, by root and at some other user's: besides, its `logs` and `token` are not opened.
    Foreign,
    /// For looking: its `command`, `exe` and `api_url` are not used.
    Looking,
    /// For everything.
    Full,
}

/// Why a file is not opened.
#[derive(Debug)]
pub enum Refusal {
    /// Another user may have written it.
    Distrust {
        /// Who, as a clause that names the file or folder.
        reason: String,
        /// The command that fixes it, if there is one: `chmod`, on Windows `icacls`.
        chmod: Option<String>,
    },
    /// What it is instead of a regular file, with its article.
    NotAFile(&'static str),
    /// A system call failed.
    Io(io::Error),
}

/// Opens a file that was found, if it is there and may be believed. One that cannot even be looked at is not there.
///
/// # Errors
/// [`Refusal`], if the file is there.
pub fn open_found(path: &Path, caller: Caller) -> Result<Option<(File, Access)>, Refusal> {
    open_judged(path, &|path, meta| judge_owner(path, meta, caller))
}

/// Opens a file that a program of one of these users would read, if it is there, theirs or root's, and nobody else may
/// write it or its folder.
pub fn open_of(path: &Path, owners: &[u32]) -> Option<File> {
    let by_owner = |path: &Path, meta: &FileStatus| {
        let is_theirs = meta.owner() == 0 || owners.contains(&meta.owner());
        is_theirs.then_some(Access::Full).ok_or_else(|| of_another(path, meta))
    };
    open_judged(path, &by_owner).ok().flatten().map(|(file, _)| file)
}

/// Whether whoever put this file (or link, or folder) there may have done so to keep others from their work: its folder is
/// for every user, and it is neither the caller's nor root's nor that of the bot's user, who is the one that has the
/// current folder or called `sudo`.
pub fn is_strangers(path: &Path, context: &Context) -> bool {
    let Some(folder) = path.parent().and_then(|folder| FileStatus::of(folder).ok()) else { return false };
    let Ok(meta) = FileStatus::of_entry(path) else { return false };
    let here = FileStatus::of(&context.cwd).map(|meta| meta.owner()).ok();
    let known = [Some(context.caller.uid), Some(0), context.caller.sudo_uid, here];
    folder.is_writable_by_all() && !known.contains(&Some(meta.owner()))
}

/// Judges the owner of a file, a link or a folder.
type OwnerCheck<'a> = dyn Fn(&Path, &FileStatus) -> Result<Access, Refusal> + 'a;

fn open_judged(path: &Path, by_owner: &OwnerCheck<'_>) -> Result<Option<(File, Access)>, Refusal> {
    let mut path = path.to_owned();
    let mut access = Access::Full;
    for _ in 0..MAX_LINKS {
        let meta = match FileStatus::of_entry(&path) {
            Err(error) if is_absent(&error) => return Ok(None),
            meta => meta.map_err(Refusal::Io)?,
        };
        let folder = path.parent().unwrap_or(Path::new("/"));
        access = access.min(judge(folder, &FileStatus::of(folder).map_err(Refusal::Io)?, by_owner)?);
        if !meta.is_symlink() {
            if !meta.is_file() {
                return Err(Refusal::NotAFile(what_is(meta.kind())));
            }
            let file = open_regular(&path).map_err(Refusal::Io)?;
            let own = judge(&path, &FileStatus::of_open(&file).map_err(Refusal::Io)?, by_owner)?;
            return Ok(Some((file, access.min(own))));
        }
        access = access.min(by_owner(&path, &meta)?);
        path = folder.join(fs::read_link(&path).map_err(Refusal::Io)?);
    }
    Err(Refusal::Io(io::Error::other("too many symlinks")))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied)
}

/// Judges who owns a file or folder and who may write it.
fn judge(path: &Path, meta: &FileStatus, by_owner: &OwnerCheck<'_>) -> Result<Access, Refusal> {
    let access = by_owner(path, meta)?;
    let Some((who, chmod)) = meta.other_writers(path) else { return Ok(access) };
    // Nobody should be told to run chmod on /tmp.
    let chmod = (!meta.is_sticky()).then_some(chmod);
    Err(Refusal::Distrust { reason: format!("{} is writable by {who}", quoted(path)), chmod })
}

fn judge_owner(path: &Path, meta: &FileStatus, caller: Caller) -> Result<Access, Refusal> {
    let owner = meta.owner();
    if owner == caller.uid || owner == 0 {
        return Ok(Access::Full);
    }
    if caller.uid == 0 && caller.sudo_uid == Some(owner) {
        return Ok(Access::Looking);
    }
    if caller.uid == 0 && caller.sudo_uid.is_none() && caller.purpose == Purpose::Looking {
        return Ok(Access::Foreign);
    }
    Err(of_another(path, meta))
}

fn of_another(path: &Path, meta: &FileStatus) -> Refusal {
    let reason = format!("{} belongs to user {}", quoted(path), user::name(meta.owner()));
    Refusal::Distrust { reason, chmod: None }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;
    use crate::lock::file::A_FOLDER;
    use crate::settings::testing::{Place, chmod};

    fn reason(place: &Place, path: &Path) -> (String, Option<String>) {
        match open_found(path, place.context.caller) {
            Err(Refusal::Distrust { reason, chmod }) => (reason, chmod),
            other => panic!("{other:?}"),
        }
    }

    fn access(place: &Place, path: &Path) -> Option<Access> {
        open_found(path, place.context.caller).unwrap().map(|(_, access)| access)
    }

    #[test]
    fn ones_own_file_is_believed_and_one_that_is_not_there_is_no_error() {
        let place = Place::new();
        let file = place.write("app/f", "");
        assert_eq!(access(&place, &file), Some(Access::Full));
        assert_eq!(access(&place, &place.path("app/none")), None);
        assert_eq!(access(&place, &file.join("below")), None);
        symlink("nowhere", place.path("app/dangling")).unwrap();
        assert_eq!(access(&place, &place.path("app/dangling")), None);
    }

    #[test]
    fn what_every_user_may_write_is_not_believed() {
        let place = Place::new();
        let file = place.write("app/f", "");
        chmod(&file, 0o646);
        let (said, fix) = reason(&place, &file);
        assert!(said.ends_with("app/f` is writable by every user"), "{said}");
        assert_eq!(fix, Some(format!("chmod o-w {}", file.display())));
        chmod(&file, 0o644);
        chmod(&place.path("app"), 0o757);
        let (said, fix) = reason(&place, &file);
        assert!(said.ends_with("app` is writable by every user"), "{said}");
        assert_eq!(fix, Some(format!("chmod o-w {}", place.path("app").display())));
        chmod(&place.path("app"), 0o1777);
        assert_eq!(reason(&place, &file).1, None, "nobody shall chmod a folder such as /tmp");
    }

    #[test]
    fn a_group_may_write_where_it_is_private() {
        let place = Place::new();
        let file = place.write("app/f", "");
        for path in [&file, &place.path("app")] {
            chmod(path, fs::metadata(path).unwrap().mode() | 0o020);
            let private = !FileStatus::of(path).unwrap().is_writable_by_group(path);
            assert_eq!(open_found(&file, place.context.caller).is_ok(), private, "{}", path.display());
            chmod(path, fs::metadata(path).unwrap().mode() & !0o020);
        }
        if place.context.caller.uid == 0 {
            chmod(&file, 0o664);
            std::os::unix::fs::chown(&file, None, Some(4242)).unwrap();
            let (said, fix) = reason(&place, &file);
            assert!(said.ends_with("is writable by its group"), "{said}");
            assert_eq!(fix, Some(format!("chmod g-w {}", file.display())));
        }
    }

    #[test]
    fn somebody_elses_file_or_folder_is_not_believed() {
        for name in ["app/f", "app"] {
            let mut place = Place::new();
            let file = place.write("app/f", "");
            place.make_foreign(&place.path(name));
            let (said, _) = reason(&place, &file);
            assert!(said.contains("belongs to user"), "{said}");
        }
    }

    #[test]
    fn root_takes_the_file_of_the_user_who_called_sudo_for_looking() {
        for name in ["app/f", "app"] {
            let mut place = Place::new();
            let file = place.write("app/f", "");
            let owner = place.make_foreign(&place.path(name));
            let root = |sudo_uid, purpose| Caller { uid: 0, sudo_uid, purpose };
            for purpose in [Purpose::Looking, Purpose::Acting] {
                place.context.caller = root(Some(owner), purpose);
                assert_eq!(access(&place, &file), Some(Access::Looking), "{name}");
                place.context.caller = root(Some(owner + 1), purpose);
                assert!(reason(&place, &file).0.contains("belongs to user"));
            }
            // Without sudo nobody says whose file is meant.
            place.context.caller = root(None, Purpose::Looking);
            assert_eq!(access(&place, &file), Some(Access::Foreign), "{name}");
            place.context.caller = root(None, Purpose::Acting);
            assert!(reason(&place, &file).0.contains("belongs to user"));
        }
    }

    #[test]
    fn a_link_is_as_good_as_what_it_points_to() {
        let place = Place::new();
        let file = place.write("dotfiles/f", "");
        symlink("../dotfiles/f", place.path("app/link")).unwrap();
        assert_eq!(access(&place, &place.path("app/link")), Some(Access::Full));
        chmod(&place.path("dotfiles"), 0o757);
        assert!(reason(&place, &place.path("app/link")).0.contains("dotfiles` is writable by every user"));
        chmod(&place.path("dotfiles"), 0o755);
        chmod(&file, 0o666);
        assert!(open_found(&place.path("app/link"), place.context.caller).is_err());
        symlink("loop", place.path("app/loop")).unwrap();
        assert!(matches!(open_found(&place.path("app/loop"), place.context.caller), Err(Refusal::Io(_))));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let place = Place::new();
        fs::create_dir(place.path("app/d")).unwrap();
        let folder = open_found(&place.path("app/d"), place.context.caller);
        assert!(matches!(folder, Err(Refusal::NotAFile(A_FOLDER))));
    }
}
