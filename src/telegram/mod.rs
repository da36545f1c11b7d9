//! Telegram: where a bot's token is found, and the Bot API's harmless methods.

pub mod api;
pub mod base_url;
pub mod dotenv;
pub mod errors;
pub mod networks;
pub mod sources;
