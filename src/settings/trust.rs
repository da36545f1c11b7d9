//! Whether a file that was found, rather than named, may be believed.
//!
//! solobot runs the `command` of such a file and sends a token to its `api_url`, so a planted one would be somebody
//! else's code or somebody else's server. The rule: the file and its folder belong to the caller or to root, and nobody
//! else may write them. A group may where it is the owner's private one, as Debian's umask 0002 makes it. Root believes
//! root's files, and the files of the user who called `sudo` only for looking.
//!
//! A symbolic link is followed by hand: every link, its folder, the file at the end and that one's folder must pass.
//! Folders further up are not looked at: whoever owns them could only move the whole folder away.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{Gid, Group, Uid, User};

use super::context::Caller;
use crate::error::quoted;

/// How many links in a row are followed.
const MAX_LINKS: usize = 8;
const GROUP_WRITABLE: u32 = 0o020;
const OTHERS_WRITABLE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// What a file may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// For looking: its `command`, `exe` and `api_url` are not used.
    Looking,
    /// For everything.
    Full,
}

/// Why a file is not opened.
#[derive(Debug)]
pub enum Refusal {
    /// Somebody else may have written it.
    Distrust {
        /// Who, as a clause that names the file or folder.
        reason: String,
        /// The `chmod` that mends it, where one does.
        chmod: Option<String>,
    },
    /// A system call failed.
    Io(io::Error),
}

/// Opens a file that was found, if it is there and may be believed. One that cannot even be looked at is not there.
///
/// # Errors
/// [`Refusal`], if the file is there.
pub fn open_found(path: &Path, caller: Caller) -> Result<Option<(File, Access)>, Refusal> {
    let mut path = path.to_owned();
    let mut access = Access::Full;
    for _ in 0..MAX_LINKS {
        let meta = match fs::symlink_metadata(&path) {
            Err(error) if is_absent(&error) => return Ok(None),
            meta => meta.map_err(Refusal::Io)?,
        };
        let folder = path.parent().unwrap_or(Path::new("/"));
        access = access.min(judge(folder, &fs::metadata(folder).map_err(Refusal::Io)?, caller)?);
        if !meta.is_symlink() {
            let (file, own) = open_regular(&path, caller)?;
            return Ok(Some((file, access.min(own))));
        }
        access = access.min(judge_owner(&path, &meta, caller)?);
        path = folder.join(fs::read_link(&path).map_err(Refusal::Io)?);
    }
    Err(Refusal::Io(Errno::ELOOP.into()))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied)
}

/// Opens without following a link or waiting for a FIFO's writer, and judges what was opened.
fn open_regular(path: &PathBuf, caller: Caller) -> Result<(File, Access), Refusal> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(Refusal::Io)?;
    let meta = file.metadata().map_err(Refusal::Io)?;
    if !meta.is_file() {
        return Err(Refusal::Distrust { reason: format!("{} is no regular file", quoted(path)), chmod: None });
    }
    let access = judge(path, &meta, caller)?;
    Ok((file, access))
}

/// Judges who owns a file or folder and who may write it.
fn judge(path: &Path, meta: &Metadata, caller: Caller) -> Result<Access, Refusal> {
    let access = judge_owner(path, meta, caller)?;
    let by_others = meta.mode() & OTHERS_WRITABLE != 0;
    let by_group = meta.mode() & GROUP_WRITABLE != 0 && !is_private_group(path, meta);
    let (who, change) = match (by_group, by_others) {
        (false, false) => return Ok(access),
        (true, false) => ("its group", "g-w"),
        (false, true) => ("every user", "o-w"),
        (true, true) => ("its group and every user", "go-w"),
    };
    // Nobody should be told to take /tmp from the others.
    let mends = meta.mode() & STICKY == 0;
    let chmod = mends.then(|| format!("chmod {change} {}", shell_words::quote(&path.to_string_lossy())));
    Err(Refusal::Distrust { reason: format!("{} can be written by {who}", quoted(path)), chmod })
}

fn judge_owner(path: &Path, meta: &Metadata, caller: Caller) -> Result<Access, Refusal> {
    let owner = meta.uid();
    if owner == caller.uid || owner == 0 {
        return Ok(Access::Full);
    }
    if caller.uid == 0 && caller.sudo_uid == Some(owner) {
        return Ok(Access::Looking);
    }
    let name = user(owner).map_or_else(|| format!("user {owner}"), |user| user.name);
    Err(Refusal::Distrust { reason: format!("{} belongs to {name}", quoted(path)), chmod: None })
}

fn user(uid: u32) -> Option<User> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten()
}

/// Whether the group is the owner's own and has nobody else in it. An access list hides its entries in the group's
/// bits, so with one the group proves nothing.
fn is_private_group(path: &Path, meta: &Metadata) -> bool {
    let (Some(owner), Ok(Some(group))) = (user(meta.uid()), Group::from_gid(Gid::from_raw(meta.gid()))) else {
        return false;
    };
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    owner.gid == group.gid
        && owner.name == group.name
        && group.mem.iter().all(|member| *member == owner.name)
        && !others_with_primary_group(&passwd, &owner.name, group.gid.as_raw())
        && !has_access_list(path)
}

/// Whether a line of passwd(5) gives this group to another user.
fn others_with_primary_group(passwd: &str, owner: &str, gid: u32) -> bool {
    passwd.lines().any(|line| {
        let mut fields = line.split(':');
        fields.next().is_some_and(|name| name != owner) && fields.nth(2).is_some_and(|field| field.parse() == Ok(gid))
    })
}

fn has_access_list(path: &Path) -> bool {
    rustix::fs::getxattr(path, "system.posix_acl_access", &mut [0_u8; 0]).is_ok()
}
