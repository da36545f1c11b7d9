//! Which way of looking is used, where there are two.

#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(debug_assertions)]
static IS_PORTABLE: AtomicBool = AtomicBool::new(false);

/// From now on processes and locks are looked at only as every platform can: by the portable list, and by who has a lock file
/// open. For tests, on a platform that can do more; so only a debug build can be told.
#[cfg(debug_assertions)]
pub fn be_portable() {
    IS_PORTABLE.store(true, Ordering::Relaxed);
}

/// Whether that was asked for.
pub(super) fn is_portable() -> bool {
    #[cfg(debug_assertions)]
    return IS_PORTABLE.load(Ordering::Relaxed);
    #[cfg(not(debug_assertions))]
    false
}
