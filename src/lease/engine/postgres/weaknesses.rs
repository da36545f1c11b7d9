//! Why a server may lose a record, as far as it says.

use crate::lease::engine::register::EngineWeakness;
use crate::lease::engine::url::PostgresAddress;

/// What a server says of itself; `None` or 0 where it does not.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServerSettings<'a> {
    pub fsync: Option<&'a str>,
    pub data_directory: Option<&'a str>,
    pub synchronous_standby_names: Option<&'a str>,
    /// Those that are being fed, for as long as they are.
    pub standbys: u64,
    /// Of the table, as in `pg_class`.
    pub persistence: Option<&'a str>,
}

pub fn of(settings: ServerSettings<'_>, address: &PostgresAddress) -> Vec<EngineWeakness> {
    let mut found = Vec::new();
    let mut add = |what: String, remedy: &str| found.push(EngineWeakness { what, remedy: remedy.into() });
    if settings.fsync == Some("off") {
        add(
            format!("{address} may lose the lease's record, and more, when its host fails (fsync = off)"),
            "ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();",
        );
    }
    if settings.data_directory.is_some_and(|folder| folder.starts_with("/dev/shm/")) {
        add(
            format!("{address} keeps its data in memory, so a restart of its host forgets the lease"),
            "move its data_directory to a disk",
        );
    }
    if settings.standbys > 0 && settings.synchronous_standby_names == Some("") {
        add(
            format!("{address} waits for none of its standbys, so one that is promoted may lack the last renewal"),
            // One alone would stop every program that writes there.
            "with two standbys or more: ALTER SYSTEM SET synchronous_standby_names = '*'; SELECT pg_reload_conf(); with one \
             alone every write to the database would wait for as long as that one is away",
        );
    }
    if settings.persistence == Some("u") {
        add(
            format!("{address} empties the lease's table when it crashes (UNLOGGED)"),
            "ALTER TABLE solobot_lease SET LOGGED;",
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::engine::url::{EngineAddress, EngineUrl};

    #[test]
    fn only_what_the_server_says_is_a_weakness() {
        let url = EngineUrl::parse("postgres://u@h").unwrap();
        let EngineAddress::Postgres(address) = url.address() else { panic!("{url:?}") };
        let remedies = |settings| of(settings, address).into_iter().map(|one| one.remedy).collect::<Vec<_>>();
        let none = ServerSettings::default();
        for settings in [
            none,
            ServerSettings { fsync: Some("on"), synchronous_standby_names: Some(""), persistence: Some("p"), ..none },
            ServerSettings { synchronous_standby_names: Some("*"), standbys: 1, ..none },
            ServerSettings { standbys: 1, data_directory: Some("/var/lib/postgresql"), ..none },
        ] {
            assert_eq!(remedies(settings), [""; 0], "{settings:?}");
        }
        let all = ServerSettings {
            fsync: Some("off"),
            data_directory: Some("/dev/shm/data"),
            synchronous_standby_names: Some(""),
            standbys: 2,
            persistence: Some("u"),
        };
        assert_eq!(remedies(all).len(), 4);
    }
}
