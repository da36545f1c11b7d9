//! How names of hosts and users are looked up where glibc is linked statically.
//!
//! glibc loads what `/etc/nsswitch.conf` names (mDNS, LDAP, systemd's users) from the host's own libraries at run time. A
//! static binary that loads them may die of SIGSEGV, as it did for a user whom only `libnss_systemd` could have known, on
//! the very machine on which it was linked. The sources that are linked in, files and DNS, need nothing of the host but
//! `/etc/hosts`, `/etc/resolv.conf` and `/etc/passwd`. Not promised: users and hosts that only such libraries know.

/// Restricts look-ups to what is linked in; to be called before each. Does nothing in a dynamic binary.
///
/// Not at the start: glibc reads `/etc/nsswitch.conf` first, and to take a lock no name is needed.
#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
pub fn use_what_is_linked_in() {
    use std::ffi::{c_char, c_int};
    use std::sync::Once;

    unsafe extern "C" {
        /// Declared in glibc's `<nss.h>`.
        fn __nss_configure_lookup(database: *const c_char, sources: *const c_char) -> c_int;
    }
    static CONFIGURED: Once = Once::new();
    CONFIGURED.call_once(|| {
        for (database, sources) in [(c"hosts", c"files dns"), (c"passwd", c"files"), (c"group", c"files")] {
            // SAFETY: both are strings that end with NUL and live forever; no look-up runs yet: each waits for this.
            unsafe { __nss_configure_lookup(database.as_ptr(), sources.as_ptr()) };
        }
    });
}

/// Restricts look-ups to what is linked in; to be called before each. Does nothing in a dynamic binary.
#[cfg(not(all(target_env = "gnu", target_feature = "crt-static")))]
pub fn use_what_is_linked_in() {}
