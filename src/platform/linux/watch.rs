//! Being woken when a file changes (`inotify(7)`).

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use super::descriptor::Descriptor;

/// Watches files; its descriptor is readable when something happened to one of them.
#[derive(Debug)]
pub struct Watch(Inotify);

/// One watched file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WatchId(WatchDescriptor);

/// What happened since the last look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WatchEvents {
    /// Somebody who had opened the file for writing closed it.
    pub opened: bool,
    /// Somebody who had opened it for reading closed it.
    pub read: bool,
    /// Content, links or name changed (or events were lost, so anything may have).
    pub changed: bool,
}

impl Watch {
    /// A watch on nothing yet.
    ///
    /// # Errors
    /// EMFILE: the user's limit of inotify instances is reached.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?))
    }

    /// Watches the inode that `path` names for writes, truncation, unlinking and renaming; also for the end of
    /// an attempt to take it if `opens`: a locker opens the file for writing; a bot that knows PID files alone, for reading,
    /// and so does a look at it (`solobot status`).
    ///
    /// # Errors
    /// ENOSPC: the user's limit of watches is reached; those of a path look-up.
    pub fn add(&self, path: &Path, opens: bool) -> io::Result<WatchId> {
        let mut flags = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF;
        if opens {
            flags |= AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_CLOSE_NOWRITE;
        }
        Ok(WatchId(self.0.add_watch(path, flags)?))
    }

    /// The same for an open file, even if its path names another one by now.
    ///
    /// # Errors
    /// As [`Watch::add`].
    pub fn add_open(&self, file: &File, opens: bool) -> io::Result<WatchId> {
        self.add(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())), opens)
    }

    /// Watches a folder for its own renaming and removal.
    ///
    /// # Errors
    /// As [`Watch::add`].
    pub fn add_moves(&self, path: &Path) -> io::Result<WatchId> {
        let flags = AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_ONLYDIR;
        Ok(WatchId(self.0.add_watch(path, flags)?))
    }

    /// Watches a folder for entries that come, go or are renamed.
    ///
    /// # Errors
    /// As [`Watch::add`].
    pub fn add_folder(&self, path: &Path) -> io::Result<WatchId> {
        let flags = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_ONLYDIR;
        Ok(WatchId(self.0.add_watch(path, flags)?))
    }

    /// Takes what has happened since the last call; an empty answer is not an error.
    pub fn take(&self) -> WatchEvents {
        self.take_of(&|_| true)
    }

    /// The same; in a watched folder only what has happened to entries of these names counts.
    pub fn take_of(&self, is_meant: &dyn Fn(&OsStr) -> bool) -> WatchEvents {
        let mut happened = WatchEvents::default();
        // One read takes at most 4 KiB of events: read until it is dry.
        while let Ok(events) = self.0.read_events() {
            if events.is_empty() {
                break;
            }
            for event in events {
                if event.name.as_deref().is_some_and(|name| !is_meant(name)) {
                    continue;
                }
                if event.mask.contains(AddWatchFlags::IN_CLOSE_WRITE) {
                    happened.opened = true;
                } else if event.mask.contains(AddWatchFlags::IN_CLOSE_NOWRITE) {
                    happened.read = true;
                } else {
                    happened.changed = true;
                }
            }
        }
        happened
    }

    /// Readable when something has happened since the last [`Watch::take`].
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor::borrow(&self.0)
    }
}
