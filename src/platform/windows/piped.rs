//! A program of ours that we talk to through pipes: it serves leases, which do not exist here yet.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::time::Duration;

use super::children::Ended;
use super::descriptor::Descriptor;
use super::native::unsupported;

/// The running program and our ends of its standard streams.
#[derive(Debug)]
pub struct PipedChild(Infallible);

impl PipedChild {
    /// Starts it.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn start(_argv: &[OsString]) -> io::Result<Self> {
        Err(unsupported("a program that is talked to through pipes"))
    }

    /// What it prints, and what it prints on stderr.
    pub fn output(&self) -> [Descriptor<'_>; 2] {
        match self.0 {}
    }

    pub fn input(&self) -> Descriptor<'_> {
        match self.0 {}
    }

    /// Some of what it has printed.
    ///
    /// # Errors
    /// There is none.
    pub fn read(&mut self, _into: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    /// The same of stderr.
    ///
    /// # Errors
    /// There is none.
    pub fn read_errors(&mut self, _into: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// There is none.
    pub fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    /// How it ended.
    pub fn ending(&self, _patience: Duration) -> Option<Option<Ended>> {
        match self.0 {}
    }
}
