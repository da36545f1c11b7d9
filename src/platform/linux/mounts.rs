//! What is mounted where: `proc_pid_mountinfo(5)`.

use std::fs;
use std::path::{Path, PathBuf};

/// What is mounted at, or nearest above, that folder: the root of the mount within its file system, which names
/// systemd's private folder, otherwise the kind of file system (`proc_pid_mountinfo(5)`).
pub(super) fn at(mountinfo: &str, folder: &Path) -> Option<String> {
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

/// The device of the file system that is mounted under this number, for us.
pub(super) fn device(mount: u64) -> Option<(u32, u32)> {
    device_in(&fs::read_to_string("/proc/self/mountinfo").ok()?, mount)
}

pub(super) fn device_in(mountinfo: &str, mount: u64) -> Option<(u32, u32)> {
    mountinfo.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let is_meant = fields.next()?.parse() == Ok(mount);
        let (major, minor) = fields.nth(1)?.split_once(':')?;
        is_meant.then_some((major.parse().ok()?, minor.parse().ok()?))
    })
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
        let of = |folder: &str| at(PRIVATE, Path::new(folder));
        assert_eq!(of("/tmp").as_deref(), Some("/tmp/systemd-private-0a-bot.service-x/tmp"));
        assert_eq!(of("/tmp/locks").as_deref(), Some("/tmp/systemd-private-0a-bot.service-x/tmp"));
        assert_eq!(of("/srv/my bots").as_deref(), Some("tmpfs"));
        assert_eq!(of("/home").as_deref(), Some("ext4"));
        assert_eq!(device_in(PRIVATE, 30), Some((0, 25)));
        assert_eq!(device_in(PRIVATE, 31), None);
        assert_eq!(at("rubbish\n", Path::new("/tmp")), None);
    }
}
