//! The table of `recolte check`: a row for each host, a column for each check; hosts with equal rows share one.
//!
//! Pure. Hosts that are not ready come first, with the reason and the hint below their row.

use std::iter;

use super::columns::{Align, Column, join_cells, title_line};
use super::group::group_by_key;
use super::layout;
use super::style::TextFormat;
use crate::escape::escape;
use crate::hostset::fold_names;
use crate::message::ReportMessage;
use crate::outcome::Outcome;

/// The result of all checks on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRow {
    /// The host.
    pub host: String,
    /// A word for each check.
    pub cells: Vec<String>,
    /// Messages and hints, shown below the row.
    pub details: Vec<String>,
    /// Succeeded for a host that is ready.
    pub outcome: Outcome,
}

/// Returns the table, and below it the number of hosts that are ready.
pub fn check_table(checks: &[&str], rows: &[CheckRow], format: TextFormat) -> String {
    let all: Vec<&CheckRow> = rows.iter().collect();
    let mut groups = group_by_key(&all, |row| &row.host, |row| row.details.clone(), |row| &row.cells);
    groups.sort_by_key(|(row, ..)| row.outcome == Outcome::Succeeded);
    let names = groups
        .iter()
        .map(|(.., rows)| fold_names(&rows.iter().map(|row| row.host.as_str()).collect::<Vec<_>>()));
    let names = names.map(|names| escape(names.as_bytes()));
    let mut hosts = Column::new(ReportMessage::Host, Align::Left, names);
    // A long list of hosts passes the column on its own row; it does not push the cells of all others aside.
    hosts.width = hosts.width.min(format.width / 2);
    let cells = |check| groups.iter().filter_map(move |(row, ..)| row.cells.get(check).cloned());
    let columns: Vec<Column> =
        checks.iter().enumerate().map(|(nth, check)| Column::new(check, Align::Left, cells(nth))).collect();

    let mut lines = vec![title_line(iter::once(&hosts).chain(&columns))];
    for (nth, (row, details, _)) in groups.iter().enumerate() {
        let cells = columns.iter().map(|column| format.style.outcome(row.outcome, &column.cell(nth)));
        lines.push(join_cells(iter::once(hosts.cell(nth)).chain(cells)));
        let details = details.iter().map(|detail| escape(detail.as_bytes()));
        lines.extend(details.flat_map(|detail| layout::wrap_indented("    ", &detail, format.width)));
    }
    let ready = rows.iter().filter(|row| row.outcome == Outcome::Succeeded).count();
    lines.push(String::new());
    lines.push(ReportMessage::HostsReady { ready, total: rows.len() }.to_string());
    layout::join_lines(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Style;

    fn row(host: &str, outcome: Outcome, cell: &str, line: &str) -> CheckRow {
        let details = if line.is_empty() { Vec::new() } else { vec![line.to_owned()] };
        CheckRow { host: host.to_owned(), cells: vec!["ok".to_owned(), cell.to_owned()], details, outcome }
    }

    #[test]
    fn hosts_not_ready_come_first_and_equal_rows_are_one() {
        let rows = [
            row("h1", Outcome::Succeeded, "ok", ""),
            row("db", Outcome::Failed, "NO", "sudo: refused"),
            row("h2", Outcome::Succeeded, "ok", ""),
            row("m1", Outcome::Failed, "NO", "ssh m1 true"),
            row("m2", Outcome::Failed, "NO", "ssh m2 true"),
        ];
        let text = check_table(&["connect", "sudo"], &rows, TextFormat { width: 80, style: Style::Plain });
        let expected = "HOST    CONNECT  SUDO\ndb      ok       NO\n    sudo: refused\nm[1-2]  ok       NO\n    ssh HOST true\nh[1-2]  ok       ok\n\n2 of 5 hosts are ready\n";
        assert_eq!(text, expected);
    }
}
