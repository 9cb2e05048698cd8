//! The grid of `recolte check`: a row a host, a column an item; hosts that are alike share a row.
//!
//! Pure. What is wanting comes first, with the cause and the way out below it.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::layout;
use super::style::View;
use crate::escape::escape;
use crate::hostset::fold_names;
use crate::outcome::Outcome;

/// What is shown of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The host.
    pub host: String,
    /// A word for each item.
    pub cells: Vec<String>,
    /// What is worth a line.
    pub lines: Vec<String>,
    /// Succeeded for a host that is ready.
    pub outcome: Outcome,
}

/// The grid, with its last line: how many are ready.
pub fn grid(items: &[&str], rows: &[Row], view: View) -> String {
    let groups = alike(rows);
    let width =
        groups.iter().map(|(hosts, _)| hosts.width()).chain([4]).max().unwrap_or(4).min(view.width / 2);
    let mut text = String::new();
    let mut line = |first: &str, cells: &mut dyn Iterator<Item = String>| {
        let pad = " ".repeat(width.saturating_sub(first.width()));
        let cells: String = cells.map(|cell| format!("  {cell}")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", format!("{first}{pad}{cells}").trim_end());
    };
    line("HOST", &mut items.iter().map(|item| item.to_uppercase()));
    for (hosts, row) in &groups {
        let padded = row.cells.iter().zip(items).map(|(cell, item)| format!("{cell:<0$}", item.len()));
        line(hosts, &mut padded.map(|cell| view.style.outcome(row.outcome, &cell)));
        for told in row.lines.iter().flat_map(|told| layout::wrap(&escape(told.as_bytes()), view.width - 4)) {
            line(&format!("    {told}"), &mut std::iter::empty());
        }
    }
    let ready = rows.iter().filter(|row| row.outcome == Outcome::Succeeded).count();
    let _ = writeln!(text, "\n{ready} of {} hosts are ready", rows.len());
    text
}

/// Hosts whose rows say the same, folded; what is wanting first.
fn alike(rows: &[Row]) -> Vec<(String, &Row)> {
    let mut groups: Vec<(Vec<&str>, &Row)> = Vec::new();
    for row in rows {
        let same =
            |(_, other): &&mut (Vec<&str>, &Row)| (&other.cells, &other.lines) == (&row.cells, &row.lines);
        match groups.iter_mut().find(same) {
            Some((hosts, _)) => hosts.push(&row.host),
            None => groups.push((vec![&row.host], row)),
        }
    }
    groups.sort_by_key(|(_, row)| row.outcome == Outcome::Succeeded);
    groups.into_iter().map(|(hosts, row)| (escape(fold_names(&hosts).as_bytes()), row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Style;

    fn row(host: &str, outcome: Outcome, cell: &str, line: &str) -> Row {
        let lines = if line.is_empty() { Vec::new() } else { vec![line.to_owned()] };
        Row { host: host.to_owned(), cells: vec!["ok".to_owned(), cell.to_owned()], lines, outcome }
    }

    #[test]
    fn what_is_wanting_comes_first_and_hosts_alike_share_a_row() {
        let rows = [
            row("h1", Outcome::Succeeded, "ok", ""),
            row("db", Outcome::Failed, "NO", "sudo: refused"),
            row("h2", Outcome::Succeeded, "ok", ""),
        ];
        let text = grid(&["connect", "sudo"], &rows, View { width: 80, style: Style::PLAIN });
        let wanted = "HOST    CONNECT  SUDO\ndb      ok       NO\n    sudo: refused\nh[1-2]  ok       ok\n\n2 of 3 hosts are ready\n";
        assert_eq!(text, wanted);
    }
}
