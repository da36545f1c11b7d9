//! Why a server may lose a record, as far as it says.

use redis::Value;

use crate::lease::engine::register::EngineWeakness;
use crate::lease::engine::url::RedisAddress;

/// The value in an answer to `CONFIG GET`; `None` if the server does not say.
pub fn setting(answer: Option<Value>) -> Option<String> {
    let Some(Value::Array(pair)) = answer else { return None };
    match <[Value; 2]>::try_from(pair).ok()? {
        [_, Value::BulkString(value)] => String::from_utf8(value).ok(),
        _ => None,
    }
}

/// `info` is its INFO of memory and persistence, `save` when it writes its data to disk.
pub fn of(info: &str, save: Option<&str>, address: &RedisAddress) -> Vec<EngineWeakness> {
    let field = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim).unwrap_or_default()
    };
    let typed = |setting: &str| format!("redis-cli -h {} -p {} config set {setting}", address.host, address.port);
    let mut found = Vec::new();
    let policy = field("maxmemory_policy");
    // The others remove only keys that have an expiry; a lease's has none.
    if policy.starts_with("allkeys-") && field("maxmemory") != "0" {
        found.push(EngineWeakness {
            what: format!(
                "{address} may remove the lease's record when its memory is full (maxmemory-policy {policy})"
            ),
            remedy: typed("maxmemory-policy noeviction"),
        });
    }
    if field("aof_enabled") == "0" && save == Some("") {
        found.push(EngineWeakness {
            what: format!("{address} keeps nothing on disk, so a restart forgets the lease"),
            remedy: typed("appendonly yes"),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::engine::url::{EngineAddress, EngineUrl};

    fn found(info: &str, save: Option<&str>) -> Vec<String> {
        let url = EngineUrl::parse("redis://h").unwrap();
        let EngineAddress::Redis(address) = url.address() else { panic!("{url:?}") };
        of(info, save, address).into_iter().map(|weakness| format!("{}: {}", weakness.what, weakness.remedy)).collect()
    }

    #[test]
    fn only_what_the_server_says_is_a_weakness() {
        let info = |policy: &str, memory: u32, log: u32| {
            format!(
                "# Memory\r\nmaxmemory:{memory}\r\nmaxmemory_policy:{policy}\r\n# Persistence\r\naof_enabled:{log}\r\n"
            )
        };
        let evicts = found(&info("allkeys-lru", 1, 1), Some(""));
        assert!(evicts.len() == 1 && evicts[0].contains("maxmemory-policy noeviction"), "{evicts:?}");
        let forgets = found(&info("noeviction", 1, 0), Some(""));
        assert!(forgets.len() == 1 && forgets[0].contains("appendonly yes"), "{forgets:?}");
        for (info, save) in [
            (info("allkeys-lru", 0, 1), Some("")),
            (info("volatile-lru", 1, 1), Some("")),
            (info("noeviction", 1, 0), Some("3600 1")),
            (info("noeviction", 1, 0), None),
            (String::new(), None),
        ] {
            assert_eq!(found(&info, save), [""; 0]);
        }
    }

    #[test]
    fn a_setting_is_read_only_from_a_pair() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        assert_eq!(setting(Some(Value::Array(vec![text("save"), text("")]))).as_deref(), Some(""));
        assert_eq!(setting(Some(Value::Array(vec![]))), None);
        assert_eq!(setting(Some(Value::Nil)), None);
        assert_eq!(setting(None), None);
    }
}
