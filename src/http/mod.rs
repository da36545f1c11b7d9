//! HTTP: one request, by the proxy and certificates that variables and options name, and the step at which it failed.
//!
//! Owns the HTTP library; knows nothing about Telegram.

pub mod addresses;
pub mod client;
pub mod proxy;
