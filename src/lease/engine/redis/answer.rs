//! What the script answers.

use redis::Value;

use crate::lease::engine::register::{EngineError, RegisterLook, Version};
use crate::lease::engine::url::RedisAddress;
use crate::lease::record::LARGEST;

/// The longest record: what is read in one call has room for it, for a handshake with TLS, and for the rest of the answer.
pub const LONGEST: usize = LARGEST - 16 * 1024;

/// The script was carried out, on a server that can keep a lease.
pub struct ScriptAnswer {
    pub look: RegisterLook,
    pub is_written: bool,
    /// The server's process.
    pub run_id: String,
    /// Those that have confirmed something since they connected; one that is being filled has not.
    pub replicas: i64,
}

impl ScriptAnswer {
    /// # Errors
    /// It is no such server, or the record no lease's.
    pub fn of(value: Value, address: &RedisAddress) -> Result<Self, EngineError> {
        let nonsense = || EngineError::unreachable(format!("{address} does not answer as Redis does"));
        let Value::Array(parts) = value else { return Err(nonsense()) };
        let [run, set, mode, role, primary, replicas, written, length, record] =
            <[Value; 9]>::try_from(parts).map_err(|_| nonsense())?;
        let text = |value| match value {
            Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|_| nonsense()),
            _ => Err(nonsense()),
        };
        let number = |value| if let Value::Int(number) = value { Ok(number) } else { Err(nonsense()) };
        let (run_id, set, mode, role, primary) = (text(run)?, text(set)?, text(mode)?, text(role)?, text(primary)?);
        if run_id.is_empty() || set.is_empty() {
            return Err(EngineError::configuration(format!(
                "{address} does not say which server it is (run_id, master_replid)"
            ))
            .hint("name the server itself, without a proxy in between"));
        }
        if mode == "cluster" {
            return Err(in_cluster_mode(address));
        }
        if role != "master" {
            let error = EngineError::configuration(format!("{address} is a replica, which takes no writes"));
            let primary = primary.split_once(' ').and_then(|(host, port)| Some((host, port.parse().ok()?)));
            return Err(match primary {
                Some((host, port)) => {
                    error.hint(format!("point the lease at its primary: {}", address.elsewhere(host, port)))
                }
                None => error.hint("point the lease at its primary"),
            });
        }
        let length = number(length)?;
        let content = match record {
            Value::Nil => None,
            Value::BulkString(bytes) => Some(bytes),
            _ => return Err(nonsense()),
        };
        if content.is_none() && usize::try_from(length).is_ok_and(|length| length > LONGEST) {
            return Err(EngineError::configuration(format!(
                "the key of the lease on {address} has {length} bytes: it is no record"
            ))
            .hint("give the lease another name: --lease-name NAME"));
        }
        let server = format!("{run_id}:{set}");
        let version = version(&server, content.as_deref());
        Ok(Self {
            look: RegisterLook { content, version, server },
            is_written: number(written)? == 1,
            run_id,
            replicas: number(replicas)?,
        })
    }
}

/// Why a server of a cluster is none for a lease.
pub fn in_cluster_mode(address: &RedisAddress) -> EngineError {
    EngineError::configuration(format!(
        "{address} is part of a cluster, which may hold a key on another server at any time"
    ))
    .hint("name a server that stands alone, or with replicas: redis://HOST/0")
}

/// The server, a line break, and what stood there as the script's second `ARGV`.
fn version(server: &str, content: Option<&[u8]>) -> Version {
    let seen = content.map_or_else(|| b"-".to_vec(), |content| [b"+", content].concat());
    Version([server.as_bytes(), b"\n", &seen].concat())
}

/// The server and what stood there.
pub fn parts(version: &Version) -> Option<(&[u8], &[u8])> {
    let end = version.0.iter().position(|&byte| byte == b'\n')?;
    Some((&version.0[..end], &version.0[end + 1..]))
}
