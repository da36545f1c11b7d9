//! What Linux and macOS do alike: POSIX, and what both have beyond it. Where they differ, each has a file of its own, which is
//! named here through `host`.

pub mod advice;
#[cfg(feature = "cli")]
pub mod children;
pub mod daemon;
pub mod descriptor;
pub mod file;
pub mod files;
pub mod folder;
#[cfg(feature = "cli")]
pub mod gate;
pub mod identity;
#[cfg(feature = "cli")]
pub mod limits;
pub mod lock_handle;
pub mod nss;
pub mod openers;
#[cfg(feature = "cli")]
pub mod piped;
pub mod poll;
#[cfg(feature = "cli")]
pub mod services;
pub mod signals;
#[cfg(feature = "cli")]
pub mod spawn;
#[cfg(feature = "cli")]
pub mod stack;
#[cfg(feature = "cli")]
pub mod startup;
#[cfg(feature = "cli")]
pub mod terminal;
pub mod user;
pub mod words;
