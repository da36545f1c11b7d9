//! Engines: each keeps one record of a lease, and compares before it sets.
//!
//! An engine is one register: read it, set it if its version is still the one that was read. Nothing else is asked of it, and
//! none of its clocks is read. A call ends within the time it is given and reads at most
//! [`LARGEST`](super::record::LARGEST) bytes.

mod etcd;
mod exchange;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod home;
mod postgres;
mod redis;
mod register;
pub mod ssh;
mod stream;
mod trouble;
mod url;
mod words;

pub use self::register::{EngineError, EngineErrorKind, EngineWeakness, Register, RegisterLook, SetResult, Version};
pub use self::url::{EngineAddress, EngineUrl, FORMS, MalformedEngine, RedisAddress, SshAddress};

use crate::base::error::Error;
use crate::lease::bounds;

/// Opens the register of that name; connects with the first call.
///
/// # Errors
/// The name cannot be one; a file that the URL's engine needs cannot be read.
pub fn open(url: &EngineUrl, name: &str) -> Result<Box<dyn Register>, Error> {
    bounds::parse_name(name).map_err(|why| Error::usage(why, "give it another one: --lease-name my-bot"))?;
    match url.address() {
        EngineAddress::Postgres(address) => Ok(Box::new(postgres::PostgresRegister::open(address, url, name)?)),
        EngineAddress::Etcd(address) => Ok(Box::new(etcd::EtcdRegister::open(address, url, name)?)),
        EngineAddress::Redis(address) => Ok(Box::new(redis::RedisRegister::open(address, url, name)?)),
        EngineAddress::Ssh(SshAddress { user, host, port, path }) => {
            Ok(Box::new(ssh::SshRegister::new(user.clone(), host.clone(), *port, path.clone())))
        }
    }
}
