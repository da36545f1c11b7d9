//! Opening a lock file, locking it, and making sure that the path still means what was locked.
//!
//! Invariant: no function here creates, truncates or changes anything but an absent lock file, which it creates empty.

use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::location::Location;
use super::text::{self, LockText};
use super::{Error, owner};
use crate::platform::descriptor;
use crate::platform::filesystem::{self, FileId, FileKind, FileStatus, Flock, LockHandle};
use crate::platform::{proc, user};

/// Other programs (and shells' `exec 9<`) use low numbers: the lock's descriptor is never one of them.
const LOWEST_FD: i32 = 64;
/// How long a lease on the file is waited out: `clean-stale --remove` and a glance at a lock take one for an instant. Anybody
/// else's may stay for as long as the kernel lets it, 45 s.
pub const PATIENCE: Duration = Duration::from_millis(200);
/// How often a file with a lease is tried again.
pub const TRY_AGAIN: Duration = Duration::from_millis(1);

/// An open lock file; locked or not is for the holder of the value to know.
#[derive(Debug)]
pub struct LockFile {
    handle: LockHandle,
    /// For the text, where `handle` is a shell's: opened for writing alone, for appending, for reading alone.
    text: Option<File>,
    location: Location,
    inode: FileId,
    writable: bool,
    created: bool,
}

/// How an attempt to lock ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockReply {
    Granted,
    /// Another holds it.
    Refused,
    /// A signal came in between.
    Interrupted,
}

impl LockFile {
    /// Opens the lock file, creating it if it is absent, and refuses whatever must not be a lock.
    ///
    /// The file is opened as it is first and created with `O_EXCL` only if it is absent: that is `O_CREAT` without the
    /// EACCES that `fs.protected_regular` gives to `O_CREAT` on a file of another user, and it tells whether the file is
    /// new. A file that may only be read is opened for reading: it can be locked anyway.
    ///
    /// # Errors
    /// Every variant of [`Error`] but `Descriptor`; `Leased` only after [`PATIENCE`].
    pub fn open(path: &Path, allow_network_fs: bool) -> Result<Self, Error> {
        patiently(|| Self::try_open(path, allow_network_fs))
    }

    /// The same without patience, for whoever has signals to look at meanwhile.
    ///
    /// # Errors
    /// Every variant of [`Error`] but `Descriptor`.
    pub fn try_open(path: &Path, allow_network_fs: bool) -> Result<Self, Error> {
        let location = Location::open(path).map_err(|error| match error {
            error if error.is_absence() => Error::NoFolder { path: path.to_owned() },
            error => error,
        })?;
        loop {
            // Opening a device or a FIFO can have effects, so look first; what is opened is looked at again.
            match location.folder().look(location.name()) {
                Ok(meta) => require_plain(path, &meta)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("look at lock", path, error)),
            }
            let (handle, writable, created) = match LockHandle::open(location.folder(), location.name()) {
                Ok((handle, writable)) => (handle, writable, false),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    match LockHandle::create(location.folder(), location.name()) {
                        Ok(handle) => (handle, true, true),
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                        Err(error) => return Err(creation_error(path, error)),
                    }
                }
                Err(error) => return Err(Error::opening(path, error)),
            };
            let meta = handle.status().map_err(|error| Error::io("look at lock", path, error))?;
            if meta.links() == 0 {
                // Unlinked between two calls: the path means another file now.
                continue;
            }
            require_plain(path, &meta)?;
            let (inode, handle) = (meta.id(), high(handle, path)?);
            let lock = Self { inode, handle, text: None, location, writable, created };
            lock.require_usable(&meta, allow_network_fs)?;
            return Ok(lock);
        }
    }

    /// Takes a descriptor that the calling shell opened: a duplicate, which shares the open file description, so that a
    /// lock taken on it is the shell's. However the shell opened it (`9>`, `9>>`, `9<`, `9<>`), the text is read and
    /// written through a description of our own.
    ///
    /// # Errors
    /// `Descriptor` if there is no such descriptor or its file no longer has a name; else as [`LockFile::open`].
    pub fn from_fd(fd: i32, allow_network_fs: bool) -> Result<Self, Error> {
        let not_open = |_| Error::Descriptor { fd, why: "is not open", lock: None, is_open: false };
        let moved = |why, path: &Path| Error::Descriptor { fd, why, lock: Some(path.to_owned()), is_open: true };
        let link = filesystem::path_of_descriptor(fd).map_err(not_open)?;
        // SAFETY: no Rust value owns it: solobot opened nothing under a number the user can name.
        let file = unsafe { descriptor::duplicate(fd) }.map_err(not_open)?;
        let handle = high(LockHandle::inherited(file), &link)?;
        let meta = handle.status().map_err(|error| Error::io("look at descriptor of", &link, error))?;
        if !meta.is_file() {
            return Err(Error::NotAFile { path: link, what: what_is(meta.kind()) });
        }
        if meta.links() == 0 {
            return Err(moved("is open on a file that has been removed", &proc::undeleted(&link)));
        }
        require_plain(&link, &meta)?;
        let (text, writable) =
            filesystem::reopen(handle.file()).map_err(|error| Error::io("open lock", &link, error))?;
        let location = Location::open(&link)?;
        let lock = Self { inode: meta.id(), handle, text: Some(text), location, writable, created: false };
        if !(lock.is_current() && lock.is_in_its_folder()) {
            return Err(moved("is open on a file that is no longer at its path", lock.path()));
        }
        lock.require_usable(&meta, allow_network_fs)?;
        Ok(lock)
    }

    /// Takes over a descriptor that was inherited for this purpose (a keeper's).
    ///
    /// # Errors
    /// `Descriptor` if it is not open; those of [`Location::open`].
    ///
    /// # Safety
    /// Nothing else in this process may own `fd`.
    pub unsafe fn inherited(fd: i32, path: &Path) -> Result<Self, Error> {
        let not_open = |_| Error::Descriptor { fd, why: "is not open", lock: None, is_open: false };
        // SAFETY: the caller's promise is the one that is asked for.
        let file = unsafe { descriptor::inherited(fd) }.map_err(not_open)?;
        let meta = FileStatus::of_open(&file).map_err(|error| Error::io("look at lock", path, error))?;
        let writable = filesystem::is_writable(&file);
        let (location, handle) = (Location::open(path)?, LockHandle::inherited(file));
        Ok(Self { inode: meta.id(), handle, text: None, location, writable, created: false })
    }

    fn require_usable(&self, meta: &FileStatus, allow_network_fs: bool) -> Result<(), Error> {
        self.location.require_fs_for_files(self.handle.descriptor())?;
        require_owner(&self.location, meta)?;
        if !allow_network_fs && let Ok(Some(kind)) = filesystem::network_fs(self.handle.file()) {
            return Err(Error::NetworkFs { path: self.path().to_owned(), kind });
        }
        match self.read_text() {
            Ok(LockText::Foreign) => Err(Error::ForeignContent { path: self.path().to_owned() }),
            Ok(LockText::Empty | LockText::Pid(_)) => Ok(()),
            Err(error) => Err(Error::io("read lock", self.path(), error)),
        }
    }

    pub fn path(&self) -> &Path {
        self.location.path()
    }

    pub fn location(&self) -> &Location {
        &self.location
    }

    pub fn record(&self) -> owner::FoundRecord {
        owner::read_beside(&self.location, self.owner())
    }

    /// Unlinks it.
    ///
    /// # Errors
    /// Those of `unlink(2)`.
    pub fn remove(&self) -> Result<(), Error> {
        self.location.folder().remove(self.location.name()).map_err(|error| Error::io("remove", self.path(), error))
    }

    /// What its text says; where its lock keeps everybody from reading it, only whether it can be a lock's.
    ///
    /// # Errors
    /// Those of `pread(2)`.
    pub fn read_text(&self) -> io::Result<LockText> {
        match self.text_file() {
            Some(file) => LockText::read(file),
            None => Ok(LockText::unread(self.handle.status()?.len())),
        }
    }

    /// Writes a PID into it, where it can have a text.
    ///
    /// # Errors
    /// As [`text::write`].
    pub fn write_text(&self, pid: i32) -> io::Result<()> {
        self.text_file().map_or(Ok(()), |file| text::write(file, pid))
    }

    /// Empties it.
    ///
    /// # Errors
    /// As [`text::clear`].
    pub fn clear_text(&self) -> io::Result<()> {
        self.text_file().map_or(Ok(()), text::clear)
    }

    /// The file in which its text stands; `None` where its lock keeps everybody from reading it.
    pub fn text_file(&self) -> Option<&File> {
        self.text.as_ref().or_else(|| self.handle.text())
    }

    /// The open file, for its text and metadata. The lock may be on another description of it: that is for
    /// [`LockFile::locked`].
    pub fn file(&self) -> &File {
        self.text.as_ref().unwrap_or(self.handle.file())
    }

    /// The open file description that the lock is, or will be, on.
    pub fn locked(&self) -> &LockHandle {
        &self.handle
    }

    pub fn inode(&self) -> FileId {
        self.inode
    }

    pub fn is_new(&self) -> bool {
        self.created
    }

    pub fn owner(&self) -> Option<u32> {
        self.handle.status().ok().map(|meta| meta.owner())
    }

    /// Whether the PID can be written into it.
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Tries to lock without waiting.
    ///
    /// # Errors
    /// Those of `flock(2)`: ENOLCK, or EOPNOTSUPP on odd file systems.
    pub fn try_lock(&self) -> Result<LockReply, Error> {
        loop {
            match self.handle.lock(Flock::TryExclusive) {
                Ok(true) => return Ok(LockReply::Granted),
                Ok(false) => return Ok(LockReply::Refused),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("lock", self.path(), error)),
            }
        }
    }

    /// Whether somebody holds the lock: tries a shared one for an instant, which two curious programs can both have.
    ///
    /// # Errors
    /// As [`LockFile::try_lock`].
    pub fn is_held_by_another(&self) -> Result<bool, Error> {
        let is_free = self.handle.lock(Flock::TryShared);
        if is_free.map_err(|error| Error::io("lock", self.path(), error))? {
            self.unlock();
            return Ok(false);
        }
        Ok(true)
    }

    /// Blocks in the kernel until the lock is granted or a signal comes.
    ///
    /// # Errors
    /// As [`LockFile::try_lock`].
    pub fn lock(&self) -> Result<LockReply, Error> {
        match self.handle.lock(Flock::Exclusive) {
            Ok(_) => Ok(LockReply::Granted),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(LockReply::Interrupted),
            Err(error) => Err(Error::io("lock", self.path(), error)),
        }
    }

    /// Gives the lock back explicitly: closing alone would leave it with every process that inherited the descriptor.
    pub fn unlock(&self) {
        if let Err(error) = self.handle.lock(Flock::Unlock) {
            tracing::warn!(path = %self.path().display(), %error, "cannot unlock");
        }
    }

    /// Whether the path still names the inode that is open here.
    pub fn is_current(&self) -> bool {
        FileStatus::of_entry(self.path()).is_ok_and(|meta| meta.id() == self.inode)
    }

    /// Whether it lies in the folder that was opened with it or, for a file that was open before, after it.
    pub fn is_in_its_folder(&self) -> bool {
        let named = self.location.folder().look(self.location.name());
        named.is_ok_and(|meta| meta.id() == self.inode)
    }
}

/// Opens an existing lock for looking only: nothing is created, and what is not a plain file is refused.
///
/// # Errors
/// As [`LockFile::open`]; `Io` with `NotFound` if the file is absent.
pub fn open_to_look(path: &Path) -> Result<LockFile, Error> {
    let location = Location::open(path)?;
    let look = location.folder().look(location.name());
    require_plain(path, &look.map_err(|error| Error::io("look at lock", path, error))?)?;
    let open =
        || LockHandle::open_to_look(location.folder(), location.name()).map_err(|error| Error::opening(path, error));
    let handle = patiently(open)?;
    location.require_fs_for_files(handle.descriptor())?;
    let meta = handle.status().map_err(|error| Error::io("look at lock", path, error))?;
    Ok(LockFile { inode: meta.id(), handle, text: None, location, writable: false, created: false })
}

/// Whether a lease keeps a locker from opening the file.
pub fn is_leased(path: &Path) -> bool {
    let open = |at: &Location| LockHandle::open(at.folder(), at.name()).err();
    let refused = Location::open(path).ok().as_ref().and_then(open);
    refused.is_some_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

fn patiently<T>(open: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    let end = Instant::now() + PATIENCE;
    loop {
        match open() {
            Err(Error::Leased { .. }) if Instant::now() < end => thread::sleep(TRY_AGAIN),
            opened => return opened,
        }
    }
}

fn creation_error(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::NoFolder { path: path.to_owned() },
        _ => Error::io("create lock", path, error),
    }
}

fn require_plain(path: &Path, meta: &FileStatus) -> Result<(), Error> {
    if !meta.is_file() {
        return Err(Error::NotAFile { path: path.to_owned(), what: what_is(meta.kind()) });
    }
    if meta.links() > 1 {
        return Err(Error::HardLink { path: path.to_owned(), links: meta.links() });
    }
    Ok(())
}

pub const A_FOLDER: &str = "a folder";

/// What a file is, with its article.
pub fn what_is(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Plain => "a regular file",
        FileKind::Folder => A_FOLDER,
        FileKind::Link => "a symlink",
        FileKind::Fifo => "a FIFO",
        FileKind::Socket => "a socket",
        FileKind::CharDevice | FileKind::BlockDevice => "a device",
    }
}

/// In a folder where anybody may create files, a lock must belong to the caller or to root; root accepts any owner.
fn require_owner(at: &Location, meta: &FileStatus) -> Result<(), Error> {
    let own = user::effective_uid();
    if own == 0 || meta.owner() == own || meta.owner() == 0 {
        return Ok(());
    }
    match at.folder().status() {
        Ok(folder) if !folder.is_writable_by_all() => Ok(()),
        _ => Err(Error::ForeignOwner { path: at.path().to_owned(), owner: meta.owner() }),
    }
}

/// Moves the descriptor to a number that no shell or program uses by itself.
fn high(handle: LockHandle, path: &Path) -> Result<LockHandle, Error> {
    handle.renumbered(LOWEST_FD).map_err(|error| Error::io("duplicate the descriptor of", path, error))
}
