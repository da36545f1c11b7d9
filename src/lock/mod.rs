//! The lock: `flock(2)` on a path, and what is known about its holder.
//!
//! The kernel's lock is the truth; the PID in the file and the owner record beside it are hints for people and for bots
//! that look at them. Only who holds the lock writes to the file, and nobody unlinks it on release; a lock counts once the
//! path has been seen, after the grant, to name the inode that is locked:
//!
//! ```text
//!  open ──► try flock ──► does the path still name this inode? ──► write PID and owner record ──► look again ──► held
//!    ▲          │ refused              │ no                                                         │ no
//!    │          ▼                      │                                                            │
//!    │    wait in flock, looking       │                                                            │
//!    │    at the path once a second    │                                                            │
//!    └──────────┴──────────────────────┴────────────────────────────────────────────────────────────┘
//! ```
//!
//! What is promised: two programs that take the lock on one path of one host, through `flock(2)` and with that second
//! look at the path, never hold it at once. What is not: anything about another host, another path, a program that takes
//! no lock, or one that never looks whether its inode is still the one the path names.

#![warn(missing_docs)]

pub(crate) mod author;
pub(crate) mod carriers;
#[cfg(feature = "cli")]
pub(crate) mod covered;
pub(crate) mod error;
pub(crate) mod file;
pub(crate) mod guard;
pub(crate) mod held;
pub(crate) mod holders;
pub(crate) mod keeper;
#[cfg(feature = "cli")]
pub(crate) mod layouts;
pub(crate) mod location;
pub(crate) mod orphan;
pub(crate) mod owner;
pub(crate) mod replaced;
pub(crate) mod state;
pub(crate) mod text;
pub(crate) mod wait;

pub use error::Error;
pub use guard::{Guard, Refused, acquire};
