//! The table of hosts: a row for each group that ended alike, with the reason and the hint below it.
//!
//! Pure. The column of hosts wraps; where the others leave it too little, the least important of them are dropped.

use std::iter;

use crate::message::ReportMessage;
use crate::report::columns::{Align, Column, GAP, join_cells, title_line};
use crate::report::group::Group;
use crate::report::style::{Style, TextFormat};
use crate::report::{layout, phrases, units};

/// The width that hosts get, if they need it, before any other column.
const MIN_HOSTS_WIDTH: usize = 20;

/// The most that is shown of a long table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableLimits {
    groups: usize,
    /// Lines of names of a group that succeeded.
    succeeded_lines: usize,
    /// Lines of names of a group that did not succeed.
    other_lines: usize,
}

impl TableLimits {
    /// For a terminal: the files have what is left out.
    pub(crate) const TERMINAL: Self = Self { groups: 50, succeeded_lines: 4, other_lines: 12 };
    /// For files.
    pub(crate) const NONE: Self =
        Self { groups: usize::MAX, succeeded_lines: usize::MAX, other_lines: usize::MAX };
}

/// Returns the lines of the table; none where there are no groups.
pub(crate) fn host_table(groups: &[Group], format: TextFormat, limits: TableLimits) -> Vec<String> {
    if groups.is_empty() {
        return Vec::new();
    }
    let (shown, hidden) = groups.split_at(limits.groups.min(groups.len()));
    let mut hosts = Column::new(ReportMessage::Host, Align::Left, shown.iter().map(Group::folded_names));
    let columns = drop_columns(columns(shown), format.width.saturating_sub(hosts.width.min(MIN_HOSTS_WIDTH)));
    hosts.width = hosts.width.min(format.width.saturating_sub(total_width(&columns)));

    let mut lines = vec![format.style.dim(&title_line(iter::once(&hosts).chain(&columns)))];
    for (row, (group, names)) in shown.iter().zip(&hosts.cells).enumerate() {
        let max = if group.succeeded() { limits.succeeded_lines } else { limits.other_lines };
        let mut names = layout::limit_lines(layout::wrap_hosts(names, hosts.width), max);
        if let Some(first) = names.first_mut() {
            *first = format!("{}{}", hosts.pad(first), row_cells(&columns, row, group, format.style));
        }
        lines.extend(names);
        lines.extend(reason_lines(group, format));
    }
    let hidden = hidden.iter().map(|group| group.hosts.len()).sum();
    if hidden > 0 {
        let hosts = ReportMessage::count_more_hosts(hidden);
        lines.push(ReportMessage::MoreHosts { hosts }.to_string());
    }
    lines
}

/// Returns the columns beside the hosts, without those that hold no text.
fn columns(groups: &[Group]) -> Vec<Column> {
    use ReportMessage::{Exit, Files, Outcome, Size, Step, Time};
    let column =
        |title, align, cell: fn(&Group) -> String| Column::new(title, align, groups.iter().map(cell));
    let columns = [
        column(Outcome, Align::Left, outcome_cell),
        column(Step, Align::Left, |group| phrases::optional(group.first.step)),
        column(Exit, Align::Right, |group| phrases::optional(group.first.exit_status)),
        column(Files, Align::Right, |group| phrases::count_files(&group.hosts).to_string()),
        column(Size, Align::Right, |group| units::format_size(phrases::sum_bytes(&group.hosts))),
        column(Time, Align::Right, duration_cell),
    ];
    columns.into_iter().filter(|column| column.cells.iter().any(|cell| !cell.is_empty())).collect()
}

/// Returns `succeeded` for one host, `3 unreachable` for several.
fn outcome_cell(group: &Group) -> String {
    match group.hosts.len() {
        1 => group.first.outcome.display_name(),
        count => format!("{count} {}", group.first.outcome.display_name()),
    }
}

/// Returns the duration of the visit; of several, the longest.
fn duration_cell(group: &Group) -> String {
    let at_most = if group.hosts.len() > 1 { "≤ " } else { "" };
    let longest =
        group.longest_visit().map(|longest| format!("{at_most}{}", units::format_duration(longest)));
    longest.unwrap_or_default()
}

/// Drops columns, the least important first, until the others fit into `width`.
fn drop_columns(mut columns: Vec<Column>, width: usize) -> Vec<Column> {
    use ReportMessage::{Exit, Files, Size, Time};
    for title in [Size, Time, Exit, Files].map(|title| title.to_string().to_uppercase()) {
        if total_width(&columns) > width {
            columns.retain(|column| column.title != title);
        }
    }
    columns
}

fn total_width(columns: &[Column]) -> usize {
    columns.iter().map(|column| column.width + GAP.len()).sum()
}

/// Returns a row's cells beside the hosts; the first of them, the outcome, in colour.
fn row_cells(columns: &[Column], row: usize, group: &Group, style: Style) -> String {
    let mut cells: Vec<String> = columns.iter().map(|column| column.cell(row)).collect();
    // The gap before the outcome is coloured with it.
    if let Some(outcome) = cells.first_mut() {
        *outcome = style.outcome(group.first.outcome, &format!("{GAP}{outcome}"));
    }
    join_cells(cells.into_iter())
}

/// Returns the reason and the hint that stand below a row.
fn reason_lines(group: &Group, format: TextFormat) -> Vec<String> {
    let reason = phrases::describe_reason(&group.first).unwrap_or_default();
    let hint = group.first.hint.as_deref().map(phrases::bounded_message).unwrap_or_default();
    // Both end at the same column, four before the last, whatever their indent.
    let reason = layout::wrap_indented("  ", &reason, format.width.saturating_sub(2));
    let hint = layout::wrap_indented("  → ", &hint, format.width);
    reason.into_iter().chain(hint.iter().map(|line| format.style.bold(line))).collect()
}
