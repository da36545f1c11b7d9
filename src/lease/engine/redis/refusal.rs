//! What an error means, of a server or of the way to it.
//!
//! Invariant: what a server says is shown without the login, however much of a command it repeats.

use std::io;
use std::time::Duration;

use redis::ServerError;

use super::answer::in_cluster_mode;
use crate::base::error::plain;
use crate::lease::engine::register::EngineError;
use crate::lease::engine::trouble::{OWN_AUTHORITY, Trouble};
use crate::lease::engine::url::RedisAddress;
use crate::lease::engine::words::scrubbed;

/// What a user of the server needs, as an administrator types it.
const RIGHTS: &str = "allow the lease's user what it needs: ACL SETUSER USER on '>PASSWORD' '~solobot:lease:*' +eval +info +get +set \
                      +strlen +del +wait +select";

/// What a server's error means.
pub fn meaning(error: &ServerError, address: &RedisAddress) -> EngineError {
    let words = words(error, address);
    let said = format!("{address} says: {words}");
    let has = |part: &str| words.contains(part);
    match error.code() {
        "READONLY" => EngineError::configuration(said).hint("name the primary, which takes writes: redis://HOST/0"),
        "MOVED" | "ASK" | "CROSSSLOT" | "CLUSTERDOWN" => in_cluster_mode(address),
        "WRONGTYPE" => EngineError::configuration(said).hint("give the lease another name: --lease-name NAME"),
        "NOAUTH" => EngineError::not_permitted(said)
            .hint("with a password: put redis://:PASSWORD@HOST/0 into a variable, and name it with --lease-env NAME"),
        "WRONGPASS" => EngineError::not_permitted(said)
            .hint("correct the user and the password in the lease's URL: redis://USER:PASSWORD@HOST/0"),
        "DENIED" => {
            EngineError::not_permitted(said).hint("set a password on the server, and `bind` to the address to be used")
        }
        "NOPERM" => EngineError::not_permitted(said).hint(RIGHTS),
        // Until version 7, and in a script.
        _ if has("invalid password") => {
            EngineError::not_permitted(said).hint("correct the password in the lease's URL: redis://:PASSWORD@HOST/0")
        }
        _ if has("ACL failure") || has("user executing the script") => EngineError::not_permitted(said).hint(RIGHTS),
        "ERR" if has("AUTH") && has("password") => {
            EngineError::configuration(said).hint("the server has no password: write the lease's URL without one")
        }
        "ERR" if has("DB index") => {
            EngineError::configuration(said).hint("name a database that the server has: redis://HOST/0")
        }
        "ERR" if has("unknown command") => EngineError::configuration(said).hint(
            "name a server of Redis 6 or Valkey, or a newer one, that has EVAL, and neither a sentinel nor a proxy",
        ),
        // LOADING, BUSY, MASTERDOWN, OOM, MISCONF, NOREPLICAS, TRYAGAIN, too many clients: they pass.
        _ => EngineError::unreachable(said),
    }
}

/// What a failure of a connection means.
pub fn unreached(error: &io::Error, address: &RedisAddress, within: Duration) -> EngineError {
    let trouble = Trouble::of(error);
    let told = trouble.told(address, within, &plain(error));
    match trouble {
        Trouble::Unproved => told.hint(OWN_AUTHORITY),
        Trouble::Tls(_) => told.hint("if it speaks no TLS: redis://HOST:PORT/0"),
        Trouble::Other(io::ErrorKind::ConnectionReset) if !address.is_tls() => {
            told.hint("if it speaks TLS: rediss://HOST:PORT/0")
        }
        Trouble::Late | Trouble::TooLong | Trouble::Other(_) => told,
    }
}

fn words(error: &ServerError, address: &RedisAddress) -> String {
    let text = format!("{} {}", error.code(), error.details().unwrap_or_default());
    // What follows is the command, whose arguments may be a password.
    let text = text.split(", with args beginning with").next().unwrap_or_default();
    scrubbed(text, address.login.as_ref(), &[])
}

#[cfg(test)]
mod tests {
    use redis::{Value, parse_redis_value};

    use super::*;
    use crate::lease::engine::register::EngineErrorKind;
    use crate::lease::engine::url::{EngineAddress, EngineUrl};
    use crate::lease::engine::words::MOST_WORDS;

    fn address() -> RedisAddress {
        let url = EngineUrl::parse("redis://hunter1:hunter2@h/0").unwrap();
        let EngineAddress::Redis(address) = url.address() else { panic!("{url:?}") };
        address.clone()
    }

    #[track_caller]
    fn of(line: &str) -> EngineError {
        let Ok(Value::ServerError(error)) = parse_redis_value(format!("-{line}\r\n").as_bytes()) else {
            panic!("{line}")
        };
        meaning(&error, &address())
    }

    #[test]
    fn each_refusal_has_its_kind() {
        use EngineErrorKind::{Configuration, NotPermitted, Unreachable};
        let cases = [
            ("READONLY You can't write against a read only replica.", Configuration),
            ("MOVED 3999 127.0.0.1:6381", Configuration),
            ("CLUSTERDOWN Hash slot not served", Configuration),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", Configuration),
            ("ERR DB index is out of range", Configuration),
            ("ERR unknown command 'EVAL', with args beginning with: 'local'", Configuration),
            ("ERR AUTH <password> called without any password configured for the default user.", Configuration),
            ("ERR Client sent AUTH, but no password is set", Configuration),
            ("ERR invalid password", NotPermitted),
            ("NOAUTH Authentication required.", NotPermitted),
            ("WRONGPASS invalid username-password pair or user is disabled.", NotPermitted),
            ("NOPERM this user has no permissions to run the 'eval' command", NotPermitted),
            ("ERR ACL failure in script: User x has no permissions to run the 'get' command", NotPermitted),
            ("ERR The user executing the script can't run this command or subcommand", NotPermitted),
            ("DENIED Redis is running in protected mode because protected mode is enabled", NotPermitted),
            ("LOADING Redis is loading the dataset in memory", Unreachable),
            ("BUSY Redis is busy running a script.", Unreachable),
            ("MASTERDOWN Link with MASTER is down", Unreachable),
            ("NOREPLICAS Not enough good replicas to write.", Unreachable),
            ("OOM command not allowed when used memory > 'maxmemory'.", Unreachable),
            ("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to", Unreachable),
            ("ERR max number of clients reached", Unreachable),
            ("", Unreachable),
        ];
        for (line, kind) in cases {
            let error = of(line);
            assert_eq!(error.kind, kind, "{line}: {error}");
            assert!(kind == Unreachable || !error.hints.is_empty(), "{line}");
        }
    }

    #[test]
    fn what_a_server_repeats_is_shown_without_the_login() {
        let said = [
            "ERR unknown command `AUTH`, with args beginning with: `hunter1`, `hunter2`,".to_owned(),
            "FOO hunter1 may not use hunter2".to_owned(),
            format!("{}hunter2", "x".repeat(MOST_WORDS - 3)),
        ];
        for line in said {
            let error = of(&line);
            assert!(!error.message.contains("hun"), "{error}");
            assert!(error.message.starts_with("redis://…@h:6379/0 says: "), "{error}");
        }
        assert_eq!(of("FOO a\u{1b}[2J").message, "redis://…@h:6379/0 says: FOO a [2J");
    }
}
