//! What a set compares, written down as a version.

use crate::lease::engine::register::Version;
use crate::lease::record::LARGEST;

/// The longest record: what is read in one call has room for it, for a handshake with TLS, and for the rest of the answer.
pub const LONGEST: usize = LARGEST - 16 * 1024;

/// What a version says was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenRow<'a> {
    pub server: &'a str,
    /// The table's OID; `None`: there was none.
    pub table: Option<u32>,
    /// The row's version and record.
    pub row: Option<(i64, &'a [u8])>,
}

impl<'a> SeenRow<'a> {
    /// A line each for the server, the table and the row's version, and the record.
    pub fn version(&self) -> Version {
        let mut text = self.server.as_bytes().to_vec();
        if let Some(table) = self.table {
            text.extend(format!("\n{table}").into_bytes());
        }
        if let Some((version, record)) = self.row {
            text.extend(format!("\n{version}\n").into_bytes());
            text.extend(record);
        }
        Version(text)
    }

    /// `None`: it was made by another engine.
    pub fn of(version: &'a Version) -> Option<Self> {
        let mut lines = version.0.splitn(4, |&byte| byte == b'\n');
        let mut line = || lines.next();
        let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).ok();
        let server = text(line()?)?;
        let table = line().map(|table| text(table)?.parse().ok());
        let row = line().map(|version| text(version)?.parse().ok());
        let row = match (row, line()) {
            (None, _) => None,
            (Some(Some(version)), Some(record)) => Some((version, record)),
            _ => return None,
        };
        let table = match table {
            None => None,
            Some(table) => Some(table?),
        };
        Some(Self { server, table, row })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_as_it_was_made() {
        let rows = [
            SeenRow { server: "1:2:3", table: None, row: None },
            SeenRow { server: "1:2:3", table: Some(u32::MAX), row: None },
            SeenRow { server: "", table: Some(1), row: Some((i64::MIN, b"")) },
            SeenRow { server: "1:2:3", table: Some(1), row: Some((7, b"a\nb\n\nc")) },
        ];
        for row in rows {
            assert_eq!(SeenRow::of(&row.version()), Some(row));
        }
        for other in ["a\nb", "a\n1\nb\n", "a\n1\n2", "a\n\n1\n", "\u{e9}\n-"] {
            assert_eq!(SeenRow::of(&Version(other.as_bytes().to_vec())), None, "{other:?}");
        }
        assert_eq!(SeenRow::of(&Version(vec![0xff])), None);
    }
}
