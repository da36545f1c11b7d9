//! What everything else is built on: exit codes, expected errors, durations, environment variables, secrets, text. Uses
//! nothing else of solobot.

pub mod duration;
pub mod env;
pub mod error;
pub mod exit;
#[cfg(feature = "cli")]
pub mod finding_code;
#[cfg(feature = "cli")]
pub mod folders;
#[cfg(feature = "cli")]
pub mod glob;
#[cfg(feature = "cli")]
pub mod nearest;
pub mod secret;
pub mod shell;
pub mod text;
#[cfg(feature = "cli")]
pub mod time;
