//! What an instance sees at a lock's path: the same folder as solobot, or another one that is mounted there
//! (`PrivateTmp=`).

use std::path::Path;

use super::facts::OtherView;
use crate::platform::filesystem::FileId;
use crate::platform::proc::Handle;

/// Whether the process sees another folder at the lock's path, in the same root: in a container everything is another.
/// `None` also where it cannot be told.
pub fn elsewhere(pid: i32, lock: &Path) -> Option<OtherView> {
    let handle = Handle::open(pid)?;
    if handle.root_id()? != FileId::of(Path::new("/"))? {
        return None;
    }
    let folder = lock.ancestors().skip(1).find(|folder| folder.is_dir())?;
    if handle.id_inside(folder)? == FileId::of(folder)? {
        return None;
    }
    Some(OtherView { pid, folder: folder.to_owned(), mount: handle.mount_at(folder) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_see_what_we_see() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(elsewhere(own, Path::new("/tmp/x.lock")), None);
        assert_eq!(elsewhere(i32::MAX, Path::new("/tmp/x.lock")), None);
    }
}
