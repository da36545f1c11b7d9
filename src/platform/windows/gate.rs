//! A program that waits at a gate: there is no such thing here yet, and with it no lease. So none of these exist.

use std::convert::Infallible;
use std::io;

use super::descriptor::Descriptor;

/// Whether a program can wait at a gate, without which there is no lease: not yet.
pub const HAS_GATES: bool = false;

/// The end of a gate that opens it.
#[derive(Debug)]
pub struct Gate(Infallible);

impl Gate {
    /// Lets the program start.
    ///
    /// # Errors
    /// There is no gate.
    pub fn open(self) -> io::Result<()> {
        match self.0 {}
    }
}

/// Whether the program has started, once the gate is open.
#[derive(Debug)]
pub struct ExecutionReport(Infallible);

impl ExecutionReport {
    /// Waits until the program has started, or the child has ended without.
    ///
    /// # Errors
    /// There is no gate.
    pub fn wait(self) -> io::Result<()> {
        match self.0 {}
    }

    /// Readable once [`ExecutionReport::wait`] does not wait.
    pub fn descriptor(&self) -> Descriptor<'_> {
        match self.0 {}
    }
}

/// Whether the program did not start because its gate was shut for ever.
pub fn is_gate_shut(_error: &io::Error) -> bool {
    false
}

/// A child that waits at its gate.
#[derive(Debug)]
pub struct GatedChild {
    pub pid: i32,
    pub gate: Gate,
    pub execution: ExecutionReport,
}
