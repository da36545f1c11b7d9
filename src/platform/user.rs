//! Users and names.

use nix::unistd::{Uid, User};

use super::nss;

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

/// This host's name, as the kernel has it.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
