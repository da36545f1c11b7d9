//! solobot makes sure that exactly one instance of a Telegram bot polls.

pub mod cli;
pub mod conflicts;
pub mod duration;
pub mod env;
pub mod error;
pub mod exit;
pub mod lock;
pub mod platform;
pub mod process;
pub mod settings;
pub mod telegram;
