//! A lease in a file of a home host: what `ssh://USER@HOST/PATH` leads to.
//!
//! The record is in `PATH.lease`, and who writes it holds the flock of `PATH.lease.flock`. Other hosts reach it through
//! `solobot hold --stdio PATH`, which their ssh starts here, and which speaks the [`protocol`].
//!
//! While the record says *held*, and is fresh, a `hold` has the flock of PATH itself, whoever is at its stdin: so PATH is a
//! lock like any other for everybody on this host, `flock(1)` and Python included. A `hold` can be killed, though. So
//! solobot here does not start a bot by the flock alone: it looks at the record too ([`LeaseWatch`]).
//!
//! A bot on the home host itself needs no lease: `solobot acquire --lock PATH` excludes every other host, as this host's
//! processes can only get the flock of PATH while no other host's grant stands, and no claim is carried out while they have it.
//! With `--lease ssh://USER@localhost/PATH` it is one of several candidates, and its lock may be PATH too: a claim that comes
//! from the holder of PATH's flock passes.
//!
//! Promised: two processes that hold PATH's flock and look at the record, or hold the lease, never do so at the same time.
//! Not promised: anything about programs that know the flock alone once every `hold` was killed, or after a reboot; a file
//! that was put back by hand; a folder on tmpfs, on a network, or in a container that others do not see.

mod files;
mod keep;
mod local;
pub mod protocol;
pub(in crate::lease) mod stored;
mod watch;

pub use self::keep::HomeRegister;
pub use self::stored::HomeLease;
pub use self::watch::LeaseWatch;
