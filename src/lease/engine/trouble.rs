//! What a failure of a connection means, the same for every engine that is reached by TCP. What to do about it is the engine's.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use super::register::EngineError;
use crate::base::duration;

/// What to do where a certificate is of an authority that the whole world does not trust.
pub const OWN_AUTHORITY: &str =
    "if it has its own certificate authority, trust that: solobot acquire --ca-file CA.pem …";

/// Why no whole answer came.
#[derive(Debug, Clone, Copy)]
pub enum Trouble<'a> {
    Late,
    /// The server's certificate is not one to trust.
    Unproved,
    /// Another failure of TLS.
    Tls(&'a rustls::Error),
    /// It answered, with more than is read.
    TooLong,
    Other(io::ErrorKind),
}

impl<'a> Trouble<'a> {
    pub fn of(error: &'a io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(_)) => Self::Unproved,
            Some(error) => Self::Tls(error),
            None => match error.kind() {
                io::ErrorKind::TimedOut => Self::Late,
                io::ErrorKind::FileTooLarge => Self::TooLong,
                kind => Self::Other(kind),
            },
        }
    }

    /// As a person is told; `why`: the failure in words, without a secret.
    pub fn told(self, address: &impl Display, within: Duration, why: &str) -> EngineError {
        match self {
            Self::Late => {
                EngineError::unreachable(format!("{address} did not answer within {}", duration::show(within)))
            }
            Self::Unproved => EngineError::not_permitted(format!("{address} did not prove who it is: {why}")),
            Self::Tls(_) => EngineError::unreachable(format!("TLS with {address} failed: {why}")),
            Self::TooLong => EngineError::unreachable(format!("{address}: {why}")),
            Self::Other(_) => EngineError::unreachable(format!("{address} cannot be reached: {why}")),
        }
    }
}
