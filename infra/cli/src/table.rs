//! Tables for people; pure.

/// A cell's colour, if colours are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Dim,
    Green,
    Red,
    Yellow,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    colour: Option<Colour>,
}

/// A table with a head.
#[derive(Clone, Debug)]
pub struct Table<const COLUMNS: usize> {
    head: [&'static str; COLUMNS],
    rows: Vec<[Cell; COLUMNS]>,
}

impl Cell {
    /// A cell with a colour.
    pub fn coloured(text: impl Into<String>, colour: Option<Colour>) -> Self {
        Self {
            text: text.into(),
            colour,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::coloured(text, None)
    }
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// A table without rows.
    pub fn new(head: [&'static str; COLUMNS]) -> Self {
        Self {
            head,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, row: [Cell; COLUMNS]) {
        self.rows.push(row);
    }

    /// The table as text. Each column is as wide as its widest cell; the last has no padding.
    pub fn render(&self, colours: bool) -> String {
        let head = self.head.map(Cell::from);
        let all = || std::iter::once(&head).chain(&self.rows);
        let mut widths = [0; COLUMNS];
        for row in all() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.text.chars().count().max(*width);
            }
        }
        let mut text = String::new();
        for row in all() {
            let mut line = String::new();
            for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
                let colour = cell.colour.filter(|_| colours).map(code);
                line.extend(colour);
                line.push_str(&cell.text);
                line.extend(colour.map(|_| "\x1b[0m"));
                if index + 1 < COLUMNS {
                    let gap = width + 3 - cell.text.chars().count();
                    line.extend(std::iter::repeat_n(' ', gap));
                }
            }
            text.push_str(line.trim_end_matches(' '));
            text.push('\n');
        }
        text
    }
}

fn code(colour: Colour) -> &'static str {
    match colour {
        Colour::Dim => "\x1b[2m",
        Colour::Green => "\x1b[32m",
        Colour::Red => "\x1b[31m",
        Colour::Yellow => "\x1b[33m",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<3> {
        let mut table = Table::new(["NAME", "STATE", "PORTS"]);
        let green = Some(Colour::Green);
        table.row(["café".into(), Cell::coloured("running", green), "80".into()]);
        table.row(["a-longer-name".into(), "ended".into(), "".into()]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        assert_eq!(
            table().render(false),
            "NAME            STATE     PORTS\n\
             café            running   80\n\
             a-longer-name   ended\n"
        );
    }

    #[test]
    fn colours_take_no_room() {
        let plain = table().render(false);
        let coloured = table().render(true);
        assert!(coloured.contains("\x1b[32mrunning\x1b[0m   80"));
        let stripped = coloured.replace("\x1b[32m", "").replace("\x1b[0m", "");
        assert_eq!(stripped, plain);
    }

    #[test]
    fn without_rows_there_is_the_head() {
        assert_eq!(Table::new(["ID", "NAME"]).render(true), "ID   NAME\n");
    }
}
