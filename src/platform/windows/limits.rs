//! Limits of this process: Windows lets a process open 16 million handles, so there is none to raise.

/// How many handles there may be.
#[derive(Debug)]
pub struct DescriptorLimit;

impl DescriptorLimit {
    /// There is nothing to raise.
    pub fn raise() -> Self {
        Self
    }

    /// `None`: any number.
    pub fn current(&self) -> Option<u64> {
        None
    }
}
