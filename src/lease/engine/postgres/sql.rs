//! What is sent to a server: one simple query a call, so that a pooler in between may give each to another connection.
//!
//! Invariants: no state of the session is changed, and nothing is prepared. What is not ours stands in a query as hex digits.

use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::BuildHasher;
use std::time::Duration;

use super::seen::{LONGEST, SeenRow};

/// What makes the table, as an administrator types it.
pub const TABLE: &str =
    "CREATE TABLE solobot_lease (name text PRIMARY KEY, version bigint NOT NULL, record text NOT NULL)";

/// Who the server is. The timeline is that of the next write: a promotion moves it at once, and not only with the next checkpoint.
const SERVER: &str = "(SELECT c.system_identifier FROM pg_catalog.pg_control_system() AS c) \
     || ':' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) \
     || ':' || pg_catalog.to_char(pg_catalog.pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS')";

/// The table of this name that the connection's `search_path` leads to.
const TABLE_OID: &str = "pg_catalog.to_regclass('solobot_lease')::pg_catalog.oid";

/// The tables of this name in the whole database that no session keeps for itself, but one.
const OTHERS: &str = "FROM pg_catalog.pg_class AS o JOIN pg_catalog.pg_namespace AS n ON n.oid = o.relnamespace \
     WHERE o.relname = 'solobot_lease' AND o.relkind IN ('r', 'p') AND o.relpersistence <> 't' AND o.oid";

/// What kind of server it is, and what its table looks like: one row.
pub fn inspect(left: Duration) -> String {
    format!(
        "{}; SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only'), \
         CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN {SERVER} END, t.oid, \
         CASE WHEN t.relpersistence <> 't' THEN t.relkind END, \
         (SELECT pg_catalog.string_agg(a.attname || ' ' || pg_catalog.format_type(a.atttypid, NULL), ', ' ORDER BY a.attname) \
         FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped \
         AND a.attname IN ('name', 'version', 'record')), \
         EXISTS (SELECT FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_attribute AS a \
         ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE i.indrelid = t.oid AND i.indisunique AND i.indisvalid \
         AND i.indimmediate AND i.indpred IS NULL AND i.indnkeyatts = 1 AND a.attname = 'name'), \
         pg_catalog.row_security_active(t.oid), \
         (SELECT pg_catalog.left(pg_catalog.string_agg(n.nspname, ', ' ORDER BY n.nspname), 1000) {OTHERS} IS DISTINCT FROM t.oid), \
         (SELECT n.nspname FROM pg_catalog.pg_namespace AS n WHERE n.oid = t.relnamespace), \
         pg_catalog.current_setting('search_path') \
         FROM (SELECT {TABLE_OID} AS oid) AS r LEFT JOIN pg_catalog.pg_class AS t ON t.oid = r.oid",
        patience(left),
    )
}

/// What stands in the table: one row. It says who the server is even without a record.
pub fn look(name: &str, left: Duration) -> String {
    format!("{}; {}", patience(left), what_stands(name))
}

/// Writes the record if what was seen still stands there, on that server; then what stands now.
pub fn set(name: &str, seen: &SeenRow<'_>, record: &[u8], left: Duration) -> String {
    let SeenRow { server, table, row } = seen;
    let (name_text, record, server) = (text(name.as_bytes()), text(record), text(server.as_bytes()));
    let same_server = format!("{SERVER} = {server}");
    let change = match (table, row) {
        (Some(table), Some((version, seen))) => format!(
            "UPDATE solobot_lease SET version = version + 1, record = {record} WHERE name = {name_text} \
             AND version = {version} AND pg_catalog.convert_to(record, 'UTF8') = {} AND {same_server} AND {TABLE_OID} = {table}",
            bytes(seen),
        ),
        // A number that never stood there, in case a row of that name did.
        (table, _) => {
            let first = RandomState::new().hash_one(0) >> 2;
            let same_table = table.map_or_else(String::new, |table| format!(" AND {TABLE_OID} = {table}"));
            let create = if table.is_none() {
                TABLE.replacen("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1) + "; "
            } else {
                String::new()
            };
            format!(
                "{create}INSERT INTO solobot_lease (name, version, record) SELECT {name_text}, {first}, {record} \
                 WHERE {same_server}{same_table} ON CONFLICT DO NOTHING",
            )
        }
    };
    // That no standby was waited for is a warning, which a setting may keep back.
    format!(
        "{}, pg_catalog.set_config('client_min_messages', 'warning', true); SET LOCAL synchronous_commit = on; {change}; {}",
        patience(left),
        what_stands(name),
    )
}

/// Why the server may lose what stands in the table: one row.
pub fn weaknesses(left: Duration) -> String {
    let setting = |name| format!("(SELECT s.setting FROM pg_catalog.pg_settings AS s WHERE s.name = '{name}')");
    format!(
        "{}; SELECT {}, {}, {}, \
         (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication AS r WHERE r.state = 'streaming' AND NOT EXISTS \
         (SELECT FROM pg_catalog.pg_replication_slots AS l WHERE l.active_pid = r.pid AND l.slot_type = 'logical')), \
         (SELECT t.relpersistence FROM pg_catalog.pg_class AS t WHERE t.oid = {TABLE_OID})",
        patience(left),
        setting("fsync"),
        setting("data_directory"),
        setting("synchronous_standby_names"),
    )
}

/// The table must exist.
fn what_stands(name: &str) -> String {
    format!(
        "SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN {SERVER} END, t.oid, l.version, \
         pg_catalog.octet_length(l.record), \
         CASE WHEN pg_catalog.octet_length(l.record) <= {LONGEST} THEN l.record END, \
         (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()) \
         FROM (SELECT {TABLE_OID} AS oid) AS t LEFT JOIN solobot_lease AS l ON l.name = {}",
        text(name.as_bytes()),
    )
}

/// The server gives up before the caller does, so that nothing waits for a lock that nobody needs.
fn patience(left: Duration) -> String {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).clamp(1, 3_600_000);
    format!(
        "SELECT pg_catalog.set_config('lock_timeout', '{}', true), pg_catalog.set_config('statement_timeout', '{}', true)",
        millis(left * 3 / 4),
        millis(left),
    )
}

fn text(text: &[u8]) -> String {
    format!("pg_catalog.convert_from({}, 'UTF8')", bytes(text))
}

fn bytes(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(digits, "{byte:02x}");
    }
    format!("pg_catalog.decode('{digits}', 'hex')")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_hex() {
        let seen = SeenRow { server: "'; --", table: Some(7), row: Some((3, b"'\\\n")) };
        let query = set("a'b", &seen, b"\xc3\xa9'", Duration::from_secs(1));
        assert!(!query.contains("a'b") && !query.contains("--") && !query.contains('\\'), "{query}");
        assert!(query.contains("decode('612762', 'hex')") && query.contains("decode('c3a927', 'hex')"), "{query}");
        assert!(query.contains("decode('275c0a', 'hex')"), "{query}");
    }

    #[test]
    fn only_a_set_that_saw_no_table_makes_one() {
        let query = |table, row| set("bot", &SeenRow { server: "s", table, row }, b"r", Duration::from_secs(1));
        assert!(query(None, None).contains("CREATE TABLE IF NOT EXISTS solobot_lease (name"));
        for query in [query(Some(7), None), query(Some(7), Some((1, &b"r"[..])))] {
            assert!(!query.contains("CREATE") && query.contains("::pg_catalog.oid = 7"), "{query}");
        }
    }

    #[test]
    fn a_server_waits_for_a_lock_no_longer_than_the_caller() {
        let query = look("bot", Duration::from_secs(4));
        assert!(
            query.contains("'lock_timeout', '3000', true") && query.contains("'statement_timeout', '4000'"),
            "{query}"
        );
        assert!(look("bot", Duration::ZERO).contains("'statement_timeout', '1'"));
    }
}
