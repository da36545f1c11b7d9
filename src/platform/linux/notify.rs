//! What systemd is told by a service of `Type=notify` (`sd_notify(3)`): a datagram to the socket that `NOTIFY_SOCKET` names.
//!
//! systemd hears the process that it started, and its children only if `NotifyAccess=` says so. A shell, a terminal or a
//! supervisor may pass the variable on to programs that are not its service. systemd 248 and newer also say in
//! `SYSTEMD_EXEC_PID` which process it started; where that is another one, nothing is said here.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;

use super::identity::own_pid;
use crate::base::env;
use crate::base::text::is_hidden;
use crate::platform::service_word::ServiceWord;

/// systemd reads at once. Whatever else is at the socket must not keep a supervisor from its bot.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whether a service manager listens to this process.
pub fn is_ours() -> bool {
    let is_started = |pid: std::ffi::OsString| pid.to_str().and_then(|pid| pid.parse().ok()) == Some(own_pid());
    std::env::var_os(env::NOTIFY_SOCKET).is_some_and(|socket| !socket.is_empty())
        && std::env::var_os(env::SYSTEMD_EXEC_PID).is_none_or(is_started)
}

/// How long may pass between two words that all is well, as the manager asks for it; `None`: nothing is asked.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|within| !within.is_zero())
}

/// Tells it, in one message.
///
/// # Errors
/// Nobody listens; `WouldBlock`: nobody has read for half a second.
pub fn tell(words: &[ServiceWord<'_>]) -> io::Result<()> {
    let name = std::env::var_os(env::NOTIFY_SOCKET).unwrap_or_default();
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(&name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.connect_addr(&address)?;
    socket.send(message(words).as_bytes()).map(drop)
}

fn message(words: &[ServiceWord<'_>]) -> String {
    let line = |word: &ServiceWord<'_>| match *word {
        ServiceWord::Ready => NotifyState::Ready.to_string(),
        ServiceWord::Stopping => NotifyState::Stopping.to_string(),
        // A line break would begin another word.
        ServiceWord::Status(text) => NotifyState::Status(&text.replace(is_hidden, " ")).to_string(),
        ServiceWord::Patience(time) => NotifyState::ExtendTimeoutUsec(microseconds(time)).to_string(),
        ServiceWord::Well => NotifyState::Watchdog.to_string(),
        ServiceWord::Watched(within) => NotifyState::WatchdogUsec(microseconds(within)).to_string(),
    };
    words.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// At most an hour and eleven minutes.
fn microseconds(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_line() {
        let words = [ServiceWord::Status("a\nREADY=1\r\u{1b}[2Jb"), ServiceWord::Patience(Duration::from_secs(60))];
        assert_eq!(message(&words), "STATUS=a READY=1  [2Jb\nEXTEND_TIMEOUT_USEC=60000000");
        let words =
            [ServiceWord::Ready, ServiceWord::Watched(Duration::ZERO), ServiceWord::Well, ServiceWord::Stopping];
        assert_eq!(message(&words), "READY=1\nWATCHDOG_USEC=0\nWATCHDOG=1\nSTOPPING=1");
        assert_eq!(microseconds(Duration::from_hours(2)), u32::MAX);
    }
}
