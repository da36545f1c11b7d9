//! The lock: `flock(2)` on a path, and what is known about its holder.
//!
//! Only the kernel's lock decides. The PID in the file and the owner record beside it are hints for people, and for bots
//! that read them. Only the holder writes to the file, and nobody unlinks it on release. A lock counts once it is certain,
//! after the grant, that the path still names the locked inode:
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
//! Promised: two programs on one host that lock the same path with `flock(2)`, and then look at the path again, never hold
//! the lock at the same time. Not promised: anything about another host, another path, a program that takes no lock, or one
//! that does not check whether the path still names its inode.

#![warn(missing_docs)]

pub(crate) mod author;
pub(crate) mod carriers;
pub(crate) mod claim;
#[cfg(feature = "cli")]
pub(crate) mod coverage;
pub(crate) mod error;
pub(crate) mod file;
pub(crate) mod guard;
pub(crate) mod held;
pub(crate) mod holders;
pub(crate) mod keeper;
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
