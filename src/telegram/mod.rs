//! Telegram: tokens and the Bot API's harmless methods.
