//! Services: their managers are programs of their own, which are asked by their commands.

use std::io;

use crate::platform::running_service::{RunningService, ServiceSettings};

/// # Errors
/// Always [`io::ErrorKind::Unsupported`].
pub fn running() -> io::Result<Vec<RunningService>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Never known.
pub fn settings(_name: &str) -> ServiceSettings {
    ServiceSettings::default()
}
