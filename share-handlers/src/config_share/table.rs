//! A table of facts, shown to people as text and to programs as JSON.

use std::fmt::Write;

use bytes::Bytes;
use serde_json::{Map, Value};

/// Rows of facts under their headings.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    columns: &'static [&'static str],
    rows: Vec<Vec<Value>>,
}

/// How a table is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Format {
    /// In columns as wide as they need.
    Text,
    /// A list with an object for each row.
    Json,
}

impl Table {
    /// A table without rows.
    pub(super) fn new(columns: &'static [&'static str]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// The table with these rows, each of as many cells as there are columns.
    pub(super) fn with<const N: usize>(mut self, rows: impl Iterator<Item = [Value; N]>) -> Self {
        self.rows.extend(rows.map(Vec::from));
        self
    }

    /// The table written down.
    pub(super) fn render(&self, format: Format) -> Bytes {
        match format {
            Format::Text => self.text().into(),
            Format::Json => self.json().into(),
        }
    }

    fn text(&self) -> String {
        let heads = self.columns.iter().map(|head| head.to_uppercase());
        let rows = self.rows.iter().map(|row| row.iter().map(cell).collect());
        let lines: Vec<Vec<String>> = std::iter::once(heads.collect()).chain(rows).collect();
        let mut widths = vec![0; self.columns.len()];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
        }
        let mut text = String::new();
        for line in lines {
            let cells = line.iter().zip(&widths);
            let cells: Vec<_> = cells
                .map(|(cell, width)| format!("{cell:<width$}", width = *width))
                .collect();
            // A text takes whatever is written to it.
            let _ = writeln!(text, "{}", cells.join("  ").trim_end());
        }
        text
    }

    fn json(&self) -> String {
        let object = |row: &Vec<Value>| {
            let columns = self.columns.iter().map(|head| head.replace(' ', "_"));
            Value::Object(columns.zip(row.iter().cloned()).collect::<Map<_, _>>())
        };
        let list = Value::Array(self.rows.iter().map(object).collect());
        format!("{list:#}\n")
    }
}

/// A cell as text.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        // One row stays on one line, whatever a file is called.
        Value::String(text) => text.replace(char::is_control, "?"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table::new(&["id", "user name"]).with(
            [
                [Value::from(7), Value::from("alice\n")],
                [Value::from(1_000), Value::Null],
            ]
            .into_iter(),
        )
    }

    #[test]
    fn text_is_in_columns_with_a_line_for_each_row() {
        let expected = "ID    USER NAME\n7     alice?\n1000  -\n";
        assert_eq!(table().render(Format::Text), expected);
    }

    #[test]
    fn json_is_a_list_of_objects() {
        let json: Value = serde_json::from_slice(&table().render(Format::Json)).unwrap();
        assert_eq!(json[0]["user_name"], "alice\n");
        assert_eq!(json[1]["id"], 1_000);
        assert_eq!(json[1]["user_name"], Value::Null);
        let none = Table::new(&["id"]).render(Format::Json);
        assert_eq!(none, "[]\n");
    }
}
