//! What everything else stands on: exit codes, expected errors, durations, environment variables, secrets, text. Uses nothing
//! else of solobot.

pub mod duration;
pub mod env;
pub mod error;
pub mod exit;
pub mod folders;
pub mod nearest;
pub mod secret;
pub mod text;
pub mod time;
