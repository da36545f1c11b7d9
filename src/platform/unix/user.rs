//! Users and names.

use std::path::PathBuf;

use nix::unistd::{Uid, User};

use super::nss;

/// Who a process is to the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Its real user.
    pub uid: u32,
    /// Its groups, real, effective and supplementary ones.
    pub groups: Vec<u32>,
}

/// Our effective user id.
pub fn effective_uid() -> u32 {
    Uid::effective().as_raw()
}

/// Our real user id.
pub fn real_uid() -> u32 {
    Uid::current().as_raw()
}

/// The name of a user, or its number where there is no name.
pub fn name(uid: u32) -> String {
    nss::use_what_is_linked_in();
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

/// The home folder of a user.
pub fn home(uid: u32) -> Option<PathBuf> {
    nss::use_what_is_linked_in();
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.dir)
}

/// The number of a user.
pub fn by_name(name: &str) -> Option<u32> {
    nss::use_what_is_linked_in();
    User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
}

/// This host's name, as the kernel has it.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
