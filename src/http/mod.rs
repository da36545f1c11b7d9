//! HTTP: one request over the way that the usual variables and options say, with the step at which it broke.
//!
//! Owner of the HTTP library; knows nothing of Telegram.

pub mod addresses;
pub mod client;
pub mod proxy;
