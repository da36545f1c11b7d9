//! Words to the manager that started a service, where none listens: launchd asks for none, Windows' services by other means.

use std::io;
use std::time::Duration;

use crate::platform::service_word::ServiceWord;

/// Whether a service manager listens to this process: none does.
pub fn is_ours() -> bool {
    false
}

/// How long may pass between two words that all is well: nothing is asked.
pub fn watchdog() -> Option<Duration> {
    None
}

/// Tells it.
///
/// # Errors
/// Always `Unsupported`.
pub fn tell(_words: &[ServiceWord<'_>]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
