//! Windows 10 and newer, 64 bits.
//!
//! Owner of `windows-sys`.

pub mod advice;
#[cfg(feature = "cli")]
pub mod alarm;
pub mod boot;
#[cfg(feature = "cli")]
pub mod children;
mod command_line;
#[cfg(feature = "cli")]
mod console;
pub mod daemon;
pub mod descriptor;
pub mod file;
pub mod filesystem;
pub mod folder;
#[cfg(feature = "cli")]
pub mod gate;
pub mod handle;
pub mod identity;
#[cfg(feature = "cli")]
mod job;
#[cfg(feature = "cli")]
pub mod limits;
pub mod lock_handle;
pub mod locks;
mod native;
pub mod nss;
pub mod open_files;
pub mod openers;
pub mod ownership;
#[cfg(feature = "cli")]
pub mod packets;
mod peb;
pub mod pidfd;
#[cfg(feature = "cli")]
pub mod piped;
pub mod poll;
pub mod proc;
mod processes;
pub mod removed;
#[cfg(feature = "cli")]
pub mod services;
pub mod signals;
pub mod sock_diag;
#[cfg(feature = "cli")]
pub mod sockets;
#[cfg(feature = "cli")]
pub mod spawn;
#[cfg(feature = "cli")]
pub mod stack;
#[cfg(feature = "cli")]
pub mod startup;
pub mod stat;
#[cfg(feature = "cli")]
mod stop_event;
#[cfg(feature = "cli")]
pub mod table;
#[cfg(feature = "cli")]
pub mod terminal;
pub mod user;
pub mod watch;
pub mod words;

pub(super) use super::no_memory as memory;
#[cfg(feature = "cli")]
pub(super) use super::no_notify as notify;
