//! Flags, environment and solobot.toml become settings.
