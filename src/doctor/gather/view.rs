//! What an instance sees at a lock's path: the same folder as solobot, or another one mounted there (`PrivateTmp=`).

use std::path::{Path, PathBuf};

use super::super::facts::Elsewhere;
use crate::platform::filesystem::FileId;
use crate::platform::proc::Handle;

/// Whether the process sees another folder at the lock's path, in the same root: in a container everything is another.
/// `None` also where it cannot be told.
pub fn elsewhere(pid: i32, lock: &Path) -> Option<Elsewhere> {
    let handle = Handle::open(pid)?;
    if handle.id_of("root")? != FileId::of(Path::new("/"))? {
        return None;
    }
    let folder = lock.ancestors().skip(1).find(|folder| folder.is_dir())?;
    if handle.id_inside(folder)? == FileId::of(folder)? {
        return None;
    }
    let mounts = handle.read("mountinfo").map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    Some(Elsewhere { pid, folder: folder.to_owned(), mount: mount_at(&mounts, folder) })
}

/// What is mounted at, or nearest above, that folder: the root of the mount within its file system, which names
/// systemd's private folder, or else the kind of file system (`proc_pid_mountinfo(5)`).
fn mount_at(mountinfo: &str, folder: &Path) -> Option<String> {
    let mount = |line: &str| -> Option<(PathBuf, String)> {
        let (before, behind) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        let (root, point) = (unescape(fields.next()?), PathBuf::from(unescape(fields.next()?)));
        let kind = behind.split(' ').next()?.to_owned();
        Some((point, if root == "/" { kind } else { root }))
    };
    let mounts = mountinfo.lines().filter_map(mount).filter(|(point, _)| folder.starts_with(point));
    // Of several on one point the last one counts.
    mounts.max_by_key(|(point, _)| point.components().count()).map(|(_, what)| what)
}

/// Space, tab, newline and backslash are octal there.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIVATE: &str = "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n\
        30 22 0:25 / /run rw - tmpfs tmpfs rw\n\
        40 22 8:1 /tmp/systemd-private-0a-bot.service-x/tmp /tmp rw shared:2 - ext4 /dev/sda1 rw\n\
        41 22 0:40 / /srv/my\\040bots rw - tmpfs tmpfs rw\n";

    #[test]
    fn the_mount_of_a_folder() {
        let at = |folder: &str| mount_at(PRIVATE, Path::new(folder));
        assert_eq!(at("/tmp").as_deref(), Some("/tmp/systemd-private-0a-bot.service-x/tmp"));
        assert_eq!(at("/tmp/locks").as_deref(), Some("/tmp/systemd-private-0a-bot.service-x/tmp"));
        assert_eq!(at("/srv/my bots").as_deref(), Some("tmpfs"));
        assert_eq!(at("/home").as_deref(), Some("ext4"));
        assert_eq!(mount_at("rubbish\n", Path::new("/tmp")), None);
    }

    #[test]
    fn we_see_what_we_see() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(elsewhere(own, Path::new("/tmp/x.lock")), None);
        assert_eq!(elsewhere(i32::MAX, Path::new("/tmp/x.lock")), None);
    }
}
