//! What is no URL of an engine.

/// How a URL of an engine looks, for hints.
pub const FORMS: &str = "write it like one of these: postgres://USER@HOST/DATABASE, redis://HOST/0, rediss://HOST/0 (with TLS), \
                         etcd://HOST:2379, ssh://USER@HOST/FOLDER/NAME.lock";

/// The text names no engine, or no lease.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MalformedEngine {
    /// What is wrong and why; lower case, no full stop, no secret.
    pub message: String,
    /// What to type.
    pub hints: Vec<String>,
}

pub fn wrong(message: impl Into<String>, hint: impl Into<String>) -> MalformedEngine {
    MalformedEngine { message: message.into(), hints: vec![hint.into()] }
}
