//! The figures as a table that is a Markdown table too: a column for each transport.

/// The figures of one transport, each behind its name.
pub(crate) struct Column {
    head: String,
    rows: Vec<(String, String)>,
}

impl Column {
    pub(crate) fn new(head: &str) -> Self {
        Self { head: head.into(), rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, name: &str, value: String) {
        self.rows.push((name.into(), value));
    }
}

/// Prints columns that have the same rows.
pub(crate) fn print(columns: &[Column]) {
    let Some(first) = columns.first() else { return };
    let names = first.rows.iter().map(|(name, _)| name.as_str());
    let name_width = names.clone().map(str::len).max().unwrap_or(0);
    let widths: Vec<_> = columns.iter().map(width).collect();
    let print = |name: &str, cells: &[&str]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!(" {cell:>width$} |"));
        println!("| {name:name_width$} |{}", cells.collect::<String>());
    };
    print("figure", &columns.iter().map(|column| column.head.as_str()).collect::<Vec<_>>());
    let rules: Vec<_> = widths.iter().map(|width| "-".repeat(*width - 1) + ":").collect();
    print(&"-".repeat(name_width), &rules.iter().map(String::as_str).collect::<Vec<_>>());
    for (row, name) in names.enumerate() {
        print(name, &columns.iter().map(|column| column.rows[row].1.as_str()).collect::<Vec<_>>());
    }
}

fn width(column: &Column) -> usize {
    column.rows.iter().map(|(_, value)| value.len()).chain([column.head.len()]).max().unwrap_or(0)
}

/// A number as the figures have it.
pub(crate) fn number(value: u64) -> String {
    value.to_string()
}
