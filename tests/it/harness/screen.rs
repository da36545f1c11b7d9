//! What a terminal shows after a stream of bytes: as much of an xterm as solobot may use. On anything else it panics.

/// The picture that a person sees. Every character is taken to be one column wide.
#[derive(Debug)]
pub struct Screen {
    size: [usize; 2],
    usual: Grid,
    alternate: Grid,
    /// The alternate screen is shown.
    pub is_alternate: bool,
    /// The cursor cannot be seen.
    pub is_cursor_hidden: bool,
    /// So often the alternate screen has scrolled.
    pub scrolled: usize,
}

#[derive(Debug, Clone)]
struct Grid {
    cells: Vec<Vec<char>>,
    row: usize,
    /// As many as there are: the last column is written, and the next character will wrap.
    column: usize,
}

impl Screen {
    /// After these bytes, on a terminal of so many columns and rows.
    pub fn after(bytes: &str, [columns, rows]: [u16; 2]) -> Self {
        let size = [columns.into(), rows.into()];
        let grid = Grid { cells: vec![vec![' '; size[0]]; size[1]], row: 0, column: 0 };
        let mut screen = Self {
            size,
            usual: grid.clone(),
            alternate: grid,
            is_alternate: false,
            is_cursor_hidden: false,
            scrolled: 0,
        };
        let mut chars = bytes.chars();
        while let Some(c) = chars.next() {
            if c == '\x1b' {
                assert_eq!(chars.next(), Some('['), "no CSI: {bytes:?}");
                let mut sequence = String::new();
                while !sequence.ends_with(|c: char| c.is_ascii_alphabetic()) {
                    sequence.push(chars.next().expect("a whole sequence"));
                }
                screen.control(&sequence);
            } else {
                screen.put(c);
            }
        }
        screen
    }

    /// The lines without what is blank at their ends.
    pub fn text(&self) -> String {
        let grid = if self.is_alternate { &self.alternate } else { &self.usual };
        let lines: Vec<String> =
            grid.cells.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect();
        lines.join("\n").trim_end().to_owned()
    }

    fn grid(&mut self) -> &mut Grid {
        if self.is_alternate { &mut self.alternate } else { &mut self.usual }
    }

    fn control(&mut self, sequence: &str) {
        let [columns, rows] = self.size;
        let grid = self.grid();
        match sequence {
            "K" => {
                let from = grid.column.min(columns - 1);
                grid.cells[grid.row][from..].fill(' ');
            }
            "J" => {
                let from = grid.column.min(columns - 1);
                grid.cells[grid.row][from..].fill(' ');
                grid.cells[grid.row + 1..].iter_mut().for_each(|row| row.fill(' '));
            }
            "?1049h" => {
                self.alternate.cells.iter_mut().for_each(|row| row.fill(' '));
                self.is_alternate = true;
            }
            "?1049l" => self.is_alternate = false,
            "?25l" => self.is_cursor_hidden = true,
            "?25h" => self.is_cursor_hidden = false,
            place if place.ends_with('H') => {
                let row: usize = place.trim_end_matches('H').parse().expect("a row");
                assert!(row <= rows, "row {row} of {rows}");
                (grid.row, grid.column) = (row - 1, 0);
            }
            colour => assert!(colour.ends_with('m'), "an unknown sequence: {colour:?}"),
        }
    }

    fn put(&mut self, c: char) {
        let columns = self.size[0];
        match c {
            '\r' => self.grid().column = 0,
            '\n' => self.line_feed(),
            c => {
                if self.grid().column == columns {
                    self.grid().column = 0;
                    self.line_feed();
                }
                let grid = self.grid();
                grid.cells[grid.row][grid.column] = c;
                grid.column += 1;
            }
        }
    }

    fn line_feed(&mut self) {
        let [columns, rows] = self.size;
        let is_alternate = self.is_alternate;
        let grid = self.grid();
        if grid.row + 1 < rows {
            grid.row += 1;
            return;
        }
        grid.cells.remove(0);
        grid.cells.push(vec![' '; columns]);
        self.scrolled += usize::from(is_alternate);
    }
}
