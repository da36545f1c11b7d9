//! What a server answers.

use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use super::seen::{LONGEST, SeenRow};
use super::shown::words;
use super::sql;
use crate::lease::engine::register::{EngineError, RegisterLook};
use crate::lease::engine::url::PostgresAddress;

/// What stands in the table.
pub struct StandingRow {
    pub look: RegisterLook,
    pub table: u32,
}

/// What the server and its table are.
pub struct Inspection {
    pub server: String,
    /// The table, if there is one.
    pub table: Option<u32>,
    /// There is one, but not where this connection is led to. It may have been made this very moment: where a name leads to is
    /// looked up in what the server knew before.
    pub elsewhere: Option<EngineError>,
}

impl Inspection {
    /// What there is to see without a table.
    pub fn absent(self) -> RegisterLook {
        let version = SeenRow { server: &self.server, table: None, row: None }.version();
        RegisterLook { content: None, version, server: self.server }
    }

    /// # Errors
    /// It is no server, or no table, that can keep a lease.
    pub fn of(messages: &[SimpleQueryMessage], address: &PostgresAddress) -> Result<Self, EngineError> {
        let row = Cells::last(messages, 11, address)?;
        if row.is_true(0)? || row.text(1)? != Some("off") {
            return Err(read_only(address));
        }
        let Some(server) = row.text(2)? else { return Err(nonsense(address)) };
        let table = row.number(3)?;
        if table.is_some() {
            let columns = row.text(5)?.unwrap_or_default();
            if row.text(4)? != Some("r") || columns != "name text, record text, version bigint" || !row.is_true(6)? {
                return Err(of_another_shape(address));
            }
            if row.is_true(7)? {
                return Err(EngineError::configuration(format!(
                    "{address} hides rows of the table solobot_lease from the lease's user (row level security)"
                ))
                .hint("on the server: ALTER TABLE solobot_lease DISABLE ROW LEVEL SECURITY"));
            }
        }
        let Some(path) = row.text(10)? else { return Err(nonsense(address)) };
        let is_chosen = match address.search_path() {
            Some(wanted) if wanted != path => return Err(without_options(address, path)),
            // With `$user` it is another one for each user.
            Some(wanted) => !wanted.contains("$user"),
            None => false,
        };
        let elsewhere = match (row.text(8)?.filter(|_| !is_chosen), row.text(9)?) {
            (None, _) => None,
            (Some(others), None) => Some(of_a_table_elsewhere(address, others)),
            (Some(others), Some(own)) => return Err(of_several_tables(address, own, others)),
        };
        Ok(Self { server: server.to_owned(), table, elsewhere })
    }
}

impl StandingRow {
    /// # Errors
    /// It is no server that can keep a lease, or the record no lease's.
    pub fn of(messages: &[SimpleQueryMessage], address: &PostgresAddress) -> Result<Self, EngineError> {
        let row = Cells::last(messages, 6, address)?;
        let Some(server) = row.text(0)? else { return Err(read_only(address)) };
        let (Some(table), Some(database)) = (row.number(1)?, row.number::<u32>(5)?) else {
            return Err(nonsense(address));
        };
        let (version, length) = (row.number::<i64>(2)?, row.number::<usize>(3)?);
        let seen = match (version, length) {
            (None, None) => None,
            (Some(version), Some(length)) => {
                if length > LONGEST {
                    return Err(no_record(address, &format!("has {length} bytes")));
                }
                let record = row.row.try_get(4).map_err(|_| no_record(address, "is not UTF-8"))?;
                Some((version, record.ok_or_else(|| nonsense(address))?.as_bytes()))
            }
            _ => return Err(of_another_shape(address)),
        };
        Ok(Self {
            look: RegisterLook {
                content: seen.map(|(_, record)| record.to_vec()),
                version: SeenRow { server, table: Some(table), row: seen }.version(),
                // A database or a table that came out of a copy has what was true once.
                server: format!("{server}:{database}:{table}"),
            },
            table,
        })
    }
}

/// Whether the statement before the last one changed a row.
pub fn has_changed(messages: &[SimpleQueryMessage]) -> bool {
    let mut counts = messages.iter().rev().filter_map(|message| match message {
        SimpleQueryMessage::CommandComplete(count) => Some(*count),
        _ => None,
    });
    counts.nth(1) == Some(1)
}

/// The only row of the last answer.
pub struct Cells<'a> {
    row: &'a SimpleQueryRow,
    address: &'a PostgresAddress,
}

impl<'a> Cells<'a> {
    /// # Errors
    /// There is none of so many cells.
    pub fn last(
        messages: &'a [SimpleQueryMessage],
        cells: usize,
        address: &'a PostgresAddress,
    ) -> Result<Self, EngineError> {
        match messages {
            [
                ..,
                SimpleQueryMessage::RowDescription(_),
                SimpleQueryMessage::Row(row),
                SimpleQueryMessage::CommandComplete(_),
            ] if row.len() == cells => Ok(Self { row, address }),
            _ => Err(nonsense(address)),
        }
    }

    /// # Errors
    /// It is no text.
    pub fn text(&self, at: usize) -> Result<Option<&'a str>, EngineError> {
        self.row.try_get(at).map_err(|_| nonsense(self.address))
    }

    /// # Errors
    /// It is no such number.
    pub fn number<T: std::str::FromStr>(&self, at: usize) -> Result<Option<T>, EngineError> {
        self.text(at)?.map(|text| text.parse().map_err(|_| nonsense(self.address))).transpose()
    }

    fn is_true(&self, at: usize) -> Result<bool, EngineError> {
        Ok(self.text(at)? == Some("t"))
    }
}

/// Something else listens there, or it speaks another language.
pub fn nonsense(address: &PostgresAddress) -> EngineError {
    EngineError::unreachable(format!("{address} does not answer as PostgreSQL does"))
}

/// It takes no writes.
pub fn read_only(address: &PostgresAddress) -> EngineError {
    EngineError::configuration(format!("{address} takes no writes: it is a standby, or read-only"))
        .hint("name the primary, which takes writes: postgres://USER@HOST/DATABASE")
}

/// There is a table of that name that is not ours.
pub fn of_another_shape(address: &PostgresAddress) -> EngineError {
    EngineError::configuration(format!("{address} has a solobot_lease that is not a lease's table"))
        .hint("on the server, rename it: ALTER TABLE solobot_lease RENAME TO NAME")
        .hint(format!("a lease's table is made by: {}", sql::TABLE))
}

const BY_SCHEMA: &str = "or name the schema on every host, which no pooler may leave out: \
                         postgres://USER@HOST/DATABASE?options=-csearch_path%3DSCHEMA";

/// Two hosts with this URL may be led to two tables. `own`: the schema of the one that this connection is led to.
fn of_several_tables(address: &PostgresAddress, own: &str, others: &str) -> EngineError {
    let (own, others) = (words(own, address), words(others, address));
    EngineError::configuration(format!(
        "{address} has more than one table solobot_lease, in the schemas {own} and {others}: a lease needs one"
    ))
    .hint("stop the bots, and drop all but one on the server: DROP TABLE SCHEMA.solobot_lease")
    .hint(BY_SCHEMA)
}

/// Another host with this URL was led there.
fn of_a_table_elsewhere(address: &PostgresAddress, others: &str) -> EngineError {
    let others = words(others, address);
    EngineError::configuration(format!(
        "{address} has its table solobot_lease in the schema {others}, where the lease's user does not look"
    ))
    .hint("on the server: GRANT USAGE ON SCHEMA NAME TO USER; ALTER ROLE USER SET search_path = NAME")
    .hint(BY_SCHEMA)
}

/// A pooler between has left them out.
fn without_options(address: &PostgresAddress, path: &str) -> EngineError {
    EngineError::configuration(format!(
        "{address} did not get the search_path that the `options` of the lease's URL ask for: it has {}",
        words(path, address)
    ))
    .hint("name the server itself, without a pooler")
    .hint("or leave `options` out, and type on the server: ALTER ROLE USER SET search_path = NAME")
}

/// What stands in the place of the record, and why it is none.
pub fn no_record(address: &PostgresAddress, why: &str) -> EngineError {
    EngineError::configuration(format!("the row of the lease on {address} {why}, so it is not a lease's record"))
        .hint("give the lease another name: --lease-name NAME")
}
