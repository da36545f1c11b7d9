//! Users and names. (Not there yet.)

use std::os::windows::io::OwnedHandle;
use std::path::PathBuf;

/// Who a process is to the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Its user.
    pub uid: u32,
    /// Its groups.
    pub groups: Vec<u32>,
}

/// The user and groups of a process's access token.
pub(super) fn of_token(_token: &OwnedHandle) -> Option<Credentials> {
    None
}

/// Our user.
pub fn effective_uid() -> u32 {
    1000
}

/// Our user.
pub fn real_uid() -> u32 {
    1000
}

/// The name of a user, or its number where there is no name.
pub fn name(uid: u32) -> String {
    uid.to_string()
}

/// The home folder of a user.
pub fn home(_uid: u32) -> Option<PathBuf> {
    None
}

/// The number of a user.
pub fn by_name(_name: &str) -> Option<u32> {
    None
}

/// This host's name.
pub fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}
