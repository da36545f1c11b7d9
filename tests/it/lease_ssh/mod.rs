//! A lease on a home host, through a real sshd: the engine, `solobot hold`, and `acquire` on the home host itself.

mod home_host;
mod refusals;
pub mod scene;
