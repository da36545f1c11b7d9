//! Telegram: where a bot's token is found, and the Bot API's harmless methods.

pub mod addresses;
pub mod api;
pub mod base_url;
pub mod dotenv;
pub mod errors;
mod http;
pub mod networks;
pub mod proxy;
pub mod source;
