//! What an error means, of a cluster, of the way to it, or of something that is no etcd.
//!
//! Invariant: what a server says is shown without login and token.

use std::io;
use std::time::Duration;

use rustls::AlertDescription::{AccessDenied, BadCertificate, CertificateRequired, CertificateUnknown, UnknownCA};
use serde::Deserialize;

use super::answer::{EtcdFault, LONGEST};
use crate::base::error::plain;
use crate::lease::engine::exchange::PostAnswer;
use crate::lease::engine::register::{EngineError, EngineErrorKind};
use crate::lease::engine::trouble::{OWN_AUTHORITY, Trouble};
use crate::lease::engine::url::EtcdAddress;
use crate::lease::engine::words::scrubbed;

/// What to do about a proxy.
pub const NO_PROXY: &str = "name the members themselves, without a proxy in between";

/// Where there is no gateway.
fn gateway(address: &EtcdAddress) -> String {
    let scheme = address.scheme();
    format!(
        "name the port for clients of an etcd 3.4 or newer that was started without --enable-grpc-gateway=false: \
         {scheme}://HOST:2379"
    )
}

/// An answer other than 200.
pub struct EtcdRefusal {
    status: u16,
    /// In etcd's words; `None` if it is not etcd's.
    words: Option<String>,
    body: String,
}

#[derive(Deserialize)]
struct GatewayError {
    /// Since 3.6 this alone.
    message: Option<String>,
    error: Option<String>,
    code: u64,
}

impl EtcdRefusal {
    pub fn of(answer: &PostAnswer) -> Self {
        let error = serde_json::from_slice::<GatewayError>(&answer.body).ok();
        // gRPC's codes. Others answer with words too, and with no code or that of HTTP. And where there is no gateway, that is all
        // that 404 says, in whatever words.
        let error = error.filter(|error| (1..=16).contains(&error.code) && answer.status != 404);
        let words = error.and_then(|error| error.message.or(error.error)).filter(|words| !words.is_empty());
        Self { status: answer.status, words, body: String::from_utf8_lossy(&answer.body).into_owned() }
    }

    /// A token is no longer good: it has expired, its member was restarted, or the rights were changed.
    pub fn wants_another_token(&self) -> bool {
        let has = |part| self.words.as_deref().is_some_and(|words| words.contains(part));
        has("invalid auth token") || has("auth store is old")
    }

    /// `key`: the lease's, as text.
    pub fn meaning(&self, address: &EtcdAddress, key: &str, token: Option<&str>) -> EngineError {
        match &self.words {
            Some(words) => meaning(words, address, key, token),
            None => self.of_no_etcd(address),
        }
    }

    fn of_no_etcd(&self, address: &EtcdAddress) -> EngineError {
        let status = self.status;
        let said = format!("{address} answers with HTTP status {status}");
        match status {
            404 => EngineError::configuration(format!("{said}: there is no gateway of etcd's")).hint(gateway(address)),
            400 if self.body.contains("HTTP request to an HTTPS server") => {
                EngineError::configuration(format!("{address} speaks TLS")).hint("with TLS: etcds://HOST:2379")
            }
            408 | 425 | 429 | 500.. => EngineError::unreachable(said),
            _ => EngineError::configuration(format!("{said}, as no etcd does")).hint(gateway(address)),
        }
    }
}

fn meaning(words: &str, address: &EtcdAddress, key: &str, token: Option<&str>) -> EngineError {
    let shown = scrubbed(words, address.login.as_ref(), token.as_slice());
    let said = format!("{address} says: {shown}");
    let has = |part: &str| words.contains(part);
    if has("permission denied") || has("permission is not granted") {
        let rights =
            format!("allow the lease's user to write its key: etcdctl role grant-permission ROLE readwrite {key}");
        EngineError::not_permitted(said).hint(rights)
    } else if has("user name is empty") {
        EngineError::not_permitted(said).hint(address.by_variable())
    } else if has("invalid user ID or password") || has("user name not found") {
        let scheme = address.scheme();
        EngineError::not_permitted(said)
            .hint(format!("correct the user and the password in the lease's URL: {scheme}://USER:PASSWORD@HOST:2379"))
    } else if has("authentication is not enabled") {
        EngineError::configuration(said).hint("the cluster has no users: write the lease's URL without a login")
    } else if has("database space exceeded") {
        EngineError::unreachable(said).hint(SPACE)
    } else if has("corrupt") {
        EngineError::configuration(said).hint(CORRUPT)
    } else if has("not supported for learner") {
        EngineError::unreachable(said).hint(format!("let it vote: {PROMOTE}; or name another member"))
    } else {
        // No leader, a leader that changed, a request that timed out, a server that stops, too many requests: they pass.
        EngineError::unreachable(said)
    }
}

/// What tells two clusters apart.
const ONE_CLUSTER: &str = "name only members of one cluster; give each cluster its own --initial-cluster-token";
/// What frees space.
pub const SPACE: &str = "free its space: etcdctl compact REVISION, then etcdctl defrag, then etcdctl alarm disarm";
/// What keeps space free.
pub const COMPACT: &str = "start each member with --auto-compaction-retention=1h; free its space: etcdctl compact REVISION, \
                           then etcdctl defrag";
/// What to do about members that differ.
pub const CORRUPT: &str = "see which member is corrupt, and replace it: etcdctl endpoint hashkv --cluster";
/// What makes a learner count.
pub const PROMOTE: &str = "etcdctl member promote ID";

/// What a failure of a connection means; `was_heard`: the member has answered before, so what it speaks is right.
pub fn unreached(error: &io::Error, address: &EtcdAddress, within: Duration, was_heard: bool) -> EngineError {
    use io::ErrorKind::{ConnectionReset, InvalidData, NotConnected, Unsupported};
    const NO_TLS: &str = "if it speaks no TLS: etcd://HOST:2379";
    let trouble = Trouble::of(error);
    let told = trouble.told(address, within, &plain(error));
    match trouble {
        Trouble::Unproved => told.hint(OWN_AUTHORITY),
        Trouble::Tls(rustls::Error::AlertReceived(
            AccessDenied | BadCertificate | CertificateRequired | CertificateUnknown | UnknownCA,
        )) => EngineError::not_permitted(format!("{address} wants a certificate of the client: {}", plain(error)))
            .hint("solobot has none: name a port that takes a password instead, without --client-cert-auth"),
        Trouble::Tls(_) => told.hint(NO_TLS),
        Trouble::Other(InvalidData) => nonsense(address),
        Trouble::Other(Unsupported) => {
            EngineError::configuration(format!("{address}: {}", plain(error))).hint(gateway(address))
        }
        Trouble::Other(NotConnected) => told.hint(NO_PROXY),
        Trouble::Other(ConnectionReset) if !was_heard => {
            told.hint(if address.is_tls() { NO_TLS } else { "if it speaks TLS: etcds://HOST:2379" })
        }
        Trouble::Late | Trouble::TooLong | Trouble::Other(_) => told,
    }
}

/// What an answer means that shows no record.
pub fn fault(fault: &EtcdFault, address: &EtcdAddress, key: &str) -> EngineError {
    match fault {
        EtcdFault::Nonsense => nonsense(address),
        EtcdFault::TooLong => EngineError::configuration(format!(
            "the key {key} on {address} has more than {} KiB: it is no record",
            LONGEST / 1024
        ))
        .hint("give the lease another name: --lease-name NAME"),
    }
}

fn nonsense(address: &EtcdAddress) -> EngineError {
    EngineError::unreachable(format!("{address} does not answer as etcd does"))
}

/// Members that are not of one cluster.
pub fn other_clusters(one: &EtcdAddress, other: &EtcdAddress) -> EngineError {
    EngineError::configuration(format!("{one} and {other} are of different clusters"))
        .hint("name only members of one cluster: etcdctl member list")
}

/// Two places that answer as one member.
pub fn same_member(one: &EtcdAddress, other: &EtcdAddress) -> EngineError {
    EngineError::configuration(format!("{one} and {other} say that they are the same member of the same cluster"))
        .hint("name each member once")
        .hint(ONE_CLUSTER)
}

/// More places than members, while not all of them have said who they are.
pub fn too_many_places(address: &EtcdAddress, voters: usize) -> EngineError {
    let places = address.members.len();
    EngineError::configuration(format!("{address} names {places} places, but the members that vote are {voters}"))
        .hint(ONE_CLUSTER)
}

/// What the errors of all members that were tried mean together: the first that says what to change, or all.
pub fn of_all(mut errors: Vec<EngineError>, address: &EtcdAddress, within: Duration) -> EngineError {
    if errors.is_empty() {
        return unreached(&io::ErrorKind::TimedOut.into(), address, within, true);
    }
    let first = errors.iter().position(|error| error.kind != EngineErrorKind::Unreachable);
    if let Some(first) = first {
        return errors.swap_remove(first);
    }
    let messages: Vec<_> = errors.iter().map(|error| error.message.as_str()).collect();
    let mut all = EngineError::unreachable(messages.join("; "));
    for hint in errors.into_iter().flat_map(|error| error.hints) {
        if !all.hints.contains(&hint) {
            all.hints.push(hint);
        }
    }
    all
}
