//! Being woken when something comes to a folder, goes, or is renamed: `FindFirstChangeNotificationW`, whose handle is set then.
//!
//! Not promised: which entry it was, so that any counts; what happens inside a file, or to a folder itself. A holder, which
//! wants to know of its lock file alone, would be woken by each line that a bot writes to a log beside it: so it looks by time.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE, WAIT_OBJECT_0};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_NOTIFY_CHANGE_DIR_NAME, FILE_NOTIFY_CHANGE_FILE_NAME, FindCloseChangeNotification,
    FindFirstChangeNotificationW, FindNextChangeNotification,
};
use windows_sys::Win32::System::Threading::{INFINITE, WaitForMultipleObjects};

use super::descriptor::Descriptor;
use super::native::{KernelEvent, is_signalled, unsupported, wide};

/// Watches folders; its descriptor is readable when something happened in one of them.
#[derive(Debug)]
pub struct Watch {
    happened: Arc<KernelEvent>,
    folders: RefCell<Vec<FolderWatch>>,
}

/// One watched folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WatchId(usize);

/// What happened since the last look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WatchEvents {
    /// Somebody who had opened the file for writing closed it: never known here.
    pub opened: bool,
    /// Somebody who had opened it for reading closed it: never known here.
    pub read: bool,
    /// Names changed.
    pub changed: bool,
}

impl Watch {
    /// A watch on nothing yet.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn new() -> io::Result<Self> {
        Ok(Self { happened: Arc::new(KernelEvent::new()?), folders: RefCell::default() })
    }

    /// # Errors
    /// Always [`io::ErrorKind::Unsupported`]: watch its folder.
    pub fn add(&self, _path: &Path, _opens: bool) -> io::Result<WatchId> {
        Err(unsupported("watching a file"))
    }

    /// # Errors
    /// Always [`io::ErrorKind::Unsupported`]: watch its folder.
    pub fn add_open(&self, _file: &File, _opens: bool) -> io::Result<WatchId> {
        Err(unsupported("watching a file"))
    }

    /// # Errors
    /// Always [`io::ErrorKind::Unsupported`].
    pub fn add_moves(&self, _path: &Path) -> io::Result<WatchId> {
        Err(unsupported("watching where a folder is moved"))
    }

    /// Watches a folder for entries that come, go or are renamed.
    ///
    /// # Errors
    /// Those of `FindFirstChangeNotificationW`; there is no memory for a thread.
    pub fn add_folder(&self, path: &Path) -> io::Result<WatchId> {
        let mut folders = self.folders.borrow_mut();
        if let Some(at) = folders.iter().position(|watched| watched.path == path) {
            return Ok(WatchId(at));
        }
        folders.push(FolderWatch::start(path, &self.happened)?);
        Ok(WatchId(folders.len() - 1))
    }

    /// Takes what has happened since the last call; an empty answer is not an error.
    pub fn take(&self) -> WatchEvents {
        self.take_of(&|_| true)
    }

    /// The same. Only what has happened to entries of these names would count, if the system said which: here anything does.
    pub fn take_of(&self, _is_meant: &dyn Fn(&OsStr) -> bool) -> WatchEvents {
        let changed = is_signalled(self.happened.handle(), std::time::Duration::ZERO);
        self.happened.reset();
        WatchEvents { changed, ..WatchEvents::default() }
    }

    /// Readable when something has happened since the last [`Watch::take`].
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::of_object(self.happened.handle())
    }
}

/// A folder, and the thread that waits for it: one call cannot wait for any number of them, and nobody else is told.
#[derive(Debug)]
struct FolderWatch {
    path: PathBuf,
    ends: Arc<KernelEvent>,
    thread: Option<JoinHandle<()>>,
}

impl FolderWatch {
    fn start(path: &Path, happened: &Arc<KernelEvent>) -> io::Result<Self> {
        let changes = ChangeHandle::of(path)?;
        let ends = Arc::new(KernelEvent::new()?);
        let (until, happened) = (Arc::clone(&ends), Arc::clone(happened));
        let thread = thread::Builder::new().spawn(move || while changes.next(&until, &happened) {})?;
        Ok(Self { path: path.to_owned(), ends, thread: Some(thread) })
    }
}

impl Drop for FolderWatch {
    fn drop(&mut self) {
        self.ends.set();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct ChangeHandle(HANDLE);

// SAFETY: every thread of a process may use its handles.
unsafe impl Send for ChangeHandle {}

impl ChangeHandle {
    fn of(path: &Path) -> io::Result<Self> {
        let path = wide(path.as_os_str())?;
        let names = FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME;
        // SAFETY: the path ends with NUL; the result is checked.
        let handle = unsafe { FindFirstChangeNotificationW(path.as_ptr(), 0, names) };
        if handle == INVALID_HANDLE_VALUE { Err(io::Error::last_os_error()) } else { Ok(Self(handle)) }
    }

    /// Waits for the next change and says that it has happened; whether there may be another one.
    fn next(&self, until: &KernelEvent, happened: &KernelEvent) -> bool {
        let both = [until.handle().as_raw_handle(), self.0];
        // SAFETY: both are open as long as their owners are there.
        if unsafe { WaitForMultipleObjects(2, both.as_ptr(), 0, INFINITE) } != WAIT_OBJECT_0 + 1 {
            return false;
        }
        happened.set();
        // SAFETY: the handle is open. What has happened since sets it again.
        unsafe { FindNextChangeNotification(self.0) != 0 }
    }
}

impl Drop for ChangeHandle {
    fn drop(&mut self) {
        // SAFETY: it is open, and ours.
        unsafe { FindCloseChangeNotification(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_comes_and_goes_wakes() {
        let folder = tempfile::tempdir().unwrap();
        let watch = Watch::new().unwrap();
        let one = watch.add_folder(folder.path()).unwrap();
        assert_eq!(watch.add_folder(folder.path()).unwrap(), one);
        let is_woken = |patience| is_signalled(watch.happened.handle(), patience);
        assert!(!is_woken(Duration::from_millis(100)) && !watch.take().changed);
        let file = folder.path().join("lock");
        std::fs::write(&file, "").unwrap();
        assert!(is_woken(Duration::from_secs(10)) && watch.take().changed);
        std::fs::rename(&file, folder.path().join("other")).unwrap();
        assert!(is_woken(Duration::from_secs(10)));
    }
}
