//! Telegram: tokens and the Bot API's harmless methods.

pub mod dotenv;
pub mod source;
pub mod token;
