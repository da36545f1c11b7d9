//! Limits of this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many descriptors as macOS always allows (`<sys/syslimits.h>`).
const OPEN_MAX: u64 = 10_240;

/// The soft limit of descriptors, raised for as long as this exists.
#[derive(Debug)]
pub struct DescriptorLimit(Rlimit);

impl DescriptorLimit {
    /// Raises it as far as it goes; where it does not, nothing is lost but room.
    pub fn raise() -> Self {
        let before = getrlimit(Resource::Nofile);
        // macOS refuses to raise it to "any number", which is its usual hard limit.
        let most = if cfg!(target_os = "macos") { before.maximum.or(Some(OPEN_MAX)) } else { before.maximum };
        let _ = setrlimit(Resource::Nofile, Rlimit { current: most, ..before });
        Self(before)
    }

    /// How many descriptors there may be now; `None` for any number.
    pub fn current(&self) -> Option<u64> {
        getrlimit(Resource::Nofile).current.or(self.0.current)
    }
}

impl Drop for DescriptorLimit {
    fn drop(&mut self) {
        let _ = setrlimit(Resource::Nofile, self.0);
    }
}
