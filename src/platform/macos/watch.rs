//! Being woken when a file changes: `EVFILT_VNODE` of `kqueue(2)`, for which each file is kept open (`O_EVTONLY`).
//!
//! Not promised: that somebody opened or read a file, of which there is no event (the end of a flock is one); and which entry
//! of a folder changed, so that any counts.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag};

use super::descriptor::Descriptor;
use super::events::EventQueue;

/// `NOTE_FUNLOCK` in `<sys/event.h>`: a flock on the file was given back.
const UNLOCKED: FilterFlag = FilterFlag::from_bits_retain(libc::NOTE_FUNLOCK);

/// Watches files; its descriptor is readable when something happened to one of them.
#[derive(Debug)]
pub struct Watch {
    queue: EventQueue,
    open: RefCell<Vec<OwnedFd>>,
}

/// One watched file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WatchId(usize);

/// What happened since the last look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WatchEvents {
    /// Somebody tried to take the file: here, a flock on it was given back.
    pub opened: bool,
    /// Somebody who had opened it for reading closed it: never known here.
    pub read: bool,
    /// Content, links or name changed.
    pub changed: bool,
}

impl Watch {
    /// A watch on nothing yet.
    ///
    /// # Errors
    /// EMFILE.
    pub fn new() -> io::Result<Self> {
        Ok(Self { queue: EventQueue::new()?, open: RefCell::default() })
    }

    /// Watches the file that `path` names for writes, truncation, unlinking and renaming; also for the end of a flock if
    /// `opens`.
    ///
    /// # Errors
    /// Those of `open(2)` and `kevent(2)`.
    pub fn add(&self, path: &Path, opens: bool) -> io::Result<WatchId> {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_EVTONLY | libc::O_CLOEXEC).open(path)?;
        self.add_owned(file.into(), of_file(opens))
    }

    /// The same for an open file, even if its path names another one by now.
    ///
    /// # Errors
    /// As [`Watch::add`].
    pub fn add_open(&self, file: &File, opens: bool) -> io::Result<WatchId> {
        self.add_owned(file.try_clone()?.into(), of_file(opens))
    }

    /// Watches a folder for its own renaming and removal.
    ///
    /// # Errors
    /// As [`Watch::add`].
    pub fn add_moves(&self, path: &Path) -> io::Result<WatchId> {
        self.add_owned(folder(path)?, FilterFlag::NOTE_DELETE | FilterFlag::NOTE_RENAME)
    }

    /// Watches a folder for entries that come, go or are renamed.
    ///
    /// # Errors
    /// As [`Watch::add`].
    pub fn add_folder(&self, path: &Path) -> io::Result<WatchId> {
        self.add_owned(folder(path)?, FilterFlag::NOTE_WRITE | FilterFlag::NOTE_LINK)
    }

    fn add_owned(&self, file: OwnedFd, what: FilterFlag) -> io::Result<WatchId> {
        let who = usize::try_from(file.as_raw_fd()).map_err(io::Error::other)?;
        self.queue.change(who, EventFilter::EVFILT_VNODE, EvFlags::EV_ADD | EvFlags::EV_CLEAR, what, 0)?;
        // A duplicate of a file keeps its flock: it goes with this watch, which its owner drops before it.
        self.open.borrow_mut().push(file);
        Ok(WatchId(who))
    }

    /// Takes what has happened since the last call; an empty answer is not an error.
    pub fn take(&self) -> WatchEvents {
        self.take_of(&|_| true)
    }

    /// The same. In a watched folder only what has happened to entries of these names would count, if the kernel said which:
    /// here anything does.
    pub fn take_of(&self, _is_meant: &dyn Fn(&OsStr) -> bool) -> WatchEvents {
        let mut happened = WatchEvents::default();
        for (_, what) in self.queue.take() {
            happened.opened |= what.contains(UNLOCKED);
            happened.changed |= !(what - UNLOCKED).is_empty();
        }
        happened
    }

    /// Readable when something has happened since the last [`Watch::take`].
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::borrow(&self.queue)
    }
}

fn of_file(opens: bool) -> FilterFlag {
    let changes = FilterFlag::NOTE_WRITE
        | FilterFlag::NOTE_EXTEND
        | FilterFlag::NOTE_ATTRIB
        | FilterFlag::NOTE_LINK
        | FilterFlag::NOTE_DELETE
        | FilterFlag::NOTE_RENAME;
    if opens { changes | UNLOCKED } else { changes }
}

fn folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = libc::O_EVTONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    Ok(OpenOptions::new().read(true).custom_flags(flags).open(path)?.into())
}
