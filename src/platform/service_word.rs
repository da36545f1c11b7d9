//! What a service tells the manager that started it.

use std::time::Duration;

/// One word of `sd_notify(3)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceWord<'a> {
    /// The service has started.
    Ready,
    /// It is about to end.
    Stopping,
    /// What it is doing, for people.
    Status(&'a str),
    /// The start may take so long from now on, if it would be over sooner.
    Patience(Duration),
    /// It is alive, and well.
    Well,
    /// How long may pass between two [`ServiceWord::Well`] from now on; zero: any time.
    Watched(Duration),
}
