//! Tables: columns of plain text without borders. The only file that uses comfy-table.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::sanitize;

/// Lays out rows under a header and returns the lines, the header's first. The last column, which has the command line where
/// there is one, is cut so that no line is longer than `width`; colour comes after layout, by whoever prints the lines.
pub fn lines(header: &[&str], rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    let last = header.len().saturating_sub(1);
    let left = width.map(|width| width.saturating_sub(last_column(header, rows)).max(SHORTEST));
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header.to_vec());
    for row in rows {
        let cells = row.iter().enumerate().map(|(column, cell)| match left {
            Some(left) if column == last => sanitize::cut_command(cell, left),
            _ => cell.clone(),
        });
        table.add_row(cells.collect::<Vec<_>>());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, u16::try_from(GAP).unwrap_or(2)));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Where the last column begins.
pub fn last_column(header: &[&str], rows: &[Vec<String>]) -> usize {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width());
        cells.chain([header[column].width()]).max().unwrap_or(0) + GAP
    };
    (0..header.len().saturating_sub(1)).map(width).sum()
}

/// How many columns of a terminal a character takes.
pub fn width_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Narrower terminals get a block a row instead of a table.
pub const NARROW: usize = 72;
/// Columns between two columns.
pub const GAP: usize = 2;
/// The last column is never cut to less than this.
const SHORTEST: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_the_last_one_is_cut() {
        let rows = vec![vec!["1".into(), "python main.py --long".into()], vec!["4242".into(), "x".into()]];
        assert_eq!(lines(&["PID", "COMMAND"], &rows, Some(20)), ["PID   COMMAND", "1     python main.p…", "4242  x"]);
        assert_eq!(lines(&["PID", "COMMAND"], &rows, None)[1], "1     python main.py --long");
    }
}
