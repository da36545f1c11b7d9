//! What an error means, of a server, of a pooler before it, or of the way to it.
//!
//! Invariant: what a server says is shown without the login.

use std::io;
use std::time::Duration;

use tokio_postgres::error::DbError;

use super::answer::{no_record, nonsense, of_another_shape, read_only};
use super::shown::words;
use super::sql;
use crate::base::error::plain;
use crate::lease::engine::register::EngineError;
use crate::lease::engine::trouble::Trouble;
use crate::lease::engine::url::{PostgresAddress, PostgresTls};

const LOGIN: &str = "correct the user and the password in the lease's URL: postgres://USER:PASSWORD@HOST/DATABASE";
const RIGHTS: &str = "on the server, as the owner of the table: GRANT SELECT, INSERT, UPDATE ON solobot_lease TO USER";

const OWN_AUTHORITY: &str = "postgres://USER@HOST/DATABASE?sslmode=verify-full&sslrootcert=CA.pem";

/// What was asked of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostgresRequest {
    Connection,
    Look,
    Set { makes_table: bool },
}

/// What a server's error means.
pub fn meaning(error: &DbError, request: PostgresRequest, address: &PostgresAddress) -> EngineError {
    let code = error.code().code();
    let words = words(error.message(), address);
    let said = format!("{address} says: {words}");
    let has = |part: &str| error.message().contains(part);
    let configuration = |hint: &str| EngineError::configuration(said.clone()).hint(hint);
    let not_permitted = |hint: &str| EngineError::not_permitted(said.clone()).hint(hint);
    match code {
        "28000" | "28P01" if has("pg_hba.conf") => {
            let refused = not_permitted("allow the lease's user in the server's pg_hba.conf");
            if address.tls == PostgresTls::Disable {
                refused.hint("or use TLS: postgres://USER@HOST/DATABASE?sslmode=require")
            } else {
                refused
            }
        }
        "28000" | "28P01" => not_permitted(LOGIN),
        "3D000" => configuration("name a database that the server has, or make one: CREATE DATABASE NAME"),
        "25006" => {
            let mut refused = read_only(address);
            refused.message = said;
            refused
        }
        "42501" if request == PostgresRequest::Connection => {
            not_permitted("on the server, as the owner of the database: GRANT CONNECT ON DATABASE NAME TO USER")
        }
        "42501" | "3F000" if request == (PostgresRequest::Set { makes_table: true }) => {
            configuration(&format!("on the server, make the lease's table: {}", sql::TABLE)).hint(RIGHTS)
        }
        "42501" => not_permitted(RIGHTS),
        "42883" | "0A000" if request != PostgresRequest::Connection => {
            configuration("a lease needs PostgreSQL 12 or newer, which says which server it is: name a database there")
        }
        // Our own texts are UTF-8: the server reads what stands there as such.
        "22021" => no_record(address, "is not UTF-8"),
        "22P05" => configuration(
            "use a database that can hold any text: CREATE DATABASE NAME ENCODING 'UTF8' TEMPLATE template0",
        ),
        // A pooler has one code for nearly everything it says itself.
        "08P01" => of_pooler(&words, said),
        _ if matches!(code.get(..2), Some("22" | "23" | "42" | "44" | "0A")) => {
            if request == PostgresRequest::Connection {
                configuration("correct what stands behind the `?` of the lease's URL")
            } else {
                let mut refused = of_another_shape(address);
                refused.message = said;
                refused
            }
        }
        // Too many connections, starting, stopping, a lock's time-out, no space, a crash: they pass.
        _ => EngineError::unreachable(said),
    }
}

/// What a pooler says, or a server of it.
fn of_pooler(words: &str, said: String) -> EngineError {
    let has = |part: &str| words.contains(part);
    if has("unsupported startup parameter") {
        EngineError::configuration(said).hint("leave `options` out of the lease's URL")
    } else if ["authentication failed", "no such user", "no authentication method"].into_iter().any(has)
        || has("role \"") && has("does not exist")
    {
        EngineError::not_permitted(said).hint(LOGIN).hint("or correct what the pooler knows of users: auth_file")
    } else if has("no such database") || has("does not exist") {
        EngineError::configuration(said).hint("name a database that the pooler has: postgres://USER@HOST/DATABASE")
    } else if has("SSL required") || has("TLS required") {
        EngineError::configuration(said).hint("use TLS: postgres://USER@HOST/DATABASE?sslmode=require")
    } else if has("statement pooling mode") || has("not allowed") {
        EngineError::configuration(said)
            .hint("name the server itself, or a pool of transactions: pool_mode = transaction")
    } else {
        EngineError::unreachable(said)
    }
}

/// What a failure of a connection means.
pub fn unreached(error: &io::Error, address: &PostgresAddress, within: Duration) -> EngineError {
    let trouble = Trouble::of(error);
    // It may repeat what the server says.
    let told = trouble.told(address, within, &words(&plain(error), address));
    match trouble {
        Trouble::Unproved => told
            .hint(format!("if it has its own certificate authority, trust that: {OWN_AUTHORITY}"))
            .hint("if its certificate has another name, check only its own authority: sslmode=verify-ca&sslrootcert=CA.pem"),
        // Of the parser.
        Trouble::Other(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
            nonsense(address)
        }
        Trouble::Late | Trouble::Tls(_) | Trouble::TooLong | Trouble::Other(_) => told,
    }
}

/// What went wrong while a password was proved, in the words of the library; `None`: nothing that it has words for.
pub fn of_login(why: &str, address: &PostgresAddress) -> Option<EngineError> {
    if why == "password missing" {
        return Some(without_password(address));
    }
    if why.starts_with("unsupported") {
        return Some(unknown_login(address));
    }
    if why.contains("iteration count exceeds") {
        return Some(
            EngineError::configuration(format!(
                "{address} wants more rounds of hashing for a password than solobot does (scram_iterations)"
            ))
            .hint("on the server: SET scram_iterations = 4096; ALTER ROLE USER PASSWORD 'PASSWORD'"),
        );
    }
    if why == "SCRAM verification error" {
        return Some(
            EngineError::not_permitted(format!("{address} did not prove that it knows the user's password"))
                .hint("see that it is the right server: another one may answer in its place"),
        );
    }
    let said = why.strip_prefix("SCRAM error: ")?;
    Some(EngineError::not_permitted(format!("{address} refuses the login: {}", words(said, address))).hint(LOGIN))
}

/// A warning has no code of its own: it may say that the server waited for no standby.
pub fn unconfirmed(warning: &str, address: &PostgresAddress) -> EngineError {
    let warning = words(warning, address);
    EngineError::unreachable(format!("{address} warns of the write, so it does not count: {warning}"))
        .hint("if it is about a standby, see what the server says of its own: SELECT * FROM pg_stat_replication")
        .hint("if a trigger of the table solobot_lease warns, drop it: DROP TRIGGER NAME ON solobot_lease")
}

/// It would be proved by any certificate of any authority.
pub fn without_authority(address: &PostgresAddress) -> EngineError {
    EngineError::configuration(format!(
        "{address} would prove nothing: sslmode=verify-ca checks no name, and the lease's URL names no authority"
    ))
    .hint("write sslmode=verify-full")
    .hint("or name the server's own authority: sslmode=verify-ca&sslrootcert=CA.pem")
}

/// TLS is asked for, and the server has none.
pub fn without_tls(address: &PostgresAddress) -> EngineError {
    EngineError::configuration(format!("{address} has no TLS, which the lease's URL asks for"))
        .hint("on the server: ssl = on in postgresql.conf")
        .hint("or, on a network you trust: postgres://USER@HOST/DATABASE?sslmode=disable")
}

/// As it says itself; a pooler's own console has a version too.
pub fn too_old(version: &str, address: &PostgresAddress) -> EngineError {
    let version = words(version, address);
    EngineError::configuration(format!("{address} is of version {version}: a lease needs PostgreSQL 12 or newer"))
        .hint("name a database on a newer server: postgres://USER@HOST/DATABASE")
}

/// What the server wants to know is not in the URL.
fn without_password(address: &PostgresAddress) -> EngineError {
    EngineError::not_permitted(format!("{address} wants a password"))
        .hint("put postgres://USER:PASSWORD@HOST/DATABASE into a variable, and name it with --lease-env NAME")
}

/// It wants a login of a kind that is not known here.
fn unknown_login(address: &PostgresAddress) -> EngineError {
    EngineError::configuration(format!(
        "{address} asks for a kind of login that solobot does not support, such as Kerberos"
    ))
    .hint("let the lease's user have a password: scram-sha-256 in the server's pg_hba.conf")
}
