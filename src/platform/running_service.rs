//! What a list of the host's services consists of, where the system itself has one: on Windows.

/// A service with a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningService {
    pub pid: i32,
    /// As commands take it: `tgbot`.
    pub name: String,
    /// As the list of services shows it: `Telegram bot`.
    pub display: String,
    /// Its process is for it alone: not one of the hosts that several of Windows' own services may share.
    pub is_alone: bool,
}

/// How a service is started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServiceSettings {
    /// The system starts it again when its process ends without being told to; `None` where it may not be asked.
    pub restarts: Option<bool>,
    /// The system starts it at boot.
    pub starts_at_boot: Option<bool>,
}
