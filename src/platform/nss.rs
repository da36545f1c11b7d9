//! How names of hosts and users are looked up where glibc is linked statically.
//!
//! glibc loads what `/etc/nsswitch.conf` names (mDNS, LDAP, systemd's users) from the host's own libraries at run time. A
//! static binary that loads them may die of SIGSEGV, as it did for a user whom only `libnss_systemd` could have known, on
//! the very machine on which it was linked. The sources that are linked in, files and DNS, need nothing of the host but
//! `/etc/hosts`, `/etc/resolv.conf` and `/etc/passwd`. Not promised: users and hosts that only such libraries know.

/// Restricts look-ups to what is linked in; to be called before the first one. Does nothing in a dynamic binary.
#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
pub fn use_what_is_linked_in() {
    use std::ffi::{c_char, c_int};

    unsafe extern "C" {
        /// Declared in glibc's `<nss.h>`.
        fn __nss_configure_lookup(database: *const c_char, sources: *const c_char) -> c_int;
    }
    for (database, sources) in [(c"hosts", c"files dns"), (c"passwd", c"files")] {
        // SAFETY: both are strings that end with NUL and live for ever; no other thread runs yet.
        unsafe { __nss_configure_lookup(database.as_ptr(), sources.as_ptr()) };
    }
}

/// Restricts look-ups to what is linked in; to be called before the first one. Does nothing in a dynamic binary.
#[cfg(not(all(target_env = "gnu", target_feature = "crt-static")))]
pub fn use_what_is_linked_in() {}
