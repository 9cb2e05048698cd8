//! The table of hosts: a row for each group that ended alike, its cause and the way out below it.
//!
//! Pure. The host column takes what the others leave; where that is too little, the least needed of the others go.

use crate::report::group::Group;
use crate::report::style::View;
use crate::report::{layout, units, words};

/// The columns the hosts have before all others, if they need them.
const LEAST_HOSTS: usize = 20;
/// Blanks between two columns.
const GAP: usize = 2;

/// How much of a long table is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Groups.
    pub(crate) groups: usize,
    /// Lines of one group's hosts, where they succeeded and where they did not.
    pub(crate) hosts: (usize, usize),
}

impl Bounds {
    /// For a terminal: what is left out is in the files.
    pub(crate) const TERMINAL: Self = Self { groups: 50, hosts: (4, 12) };
    /// Everything.
    pub(crate) const NONE: Self = Self { groups: usize::MAX, hosts: (usize::MAX, usize::MAX) };
}

/// One column beside the hosts.
struct Column {
    title: &'static str,
    to_the_right: bool,
    width: usize,
    cells: Vec<String>,
}

impl Column {
    fn new(title: &'static str, to_the_right: bool, cells: impl Iterator<Item = String>) -> Self {
        let cells: Vec<String> = cells.collect();
        let width = cells.iter().map(|cell| layout::width(cell)).max().unwrap_or(0);
        Self { title, to_the_right, width: if width == 0 { 0 } else { width.max(title.len()) }, cells }
    }

    fn fill(&self, text: &str) -> String {
        let filled = if self.to_the_right { layout::right } else { layout::left };
        format!("{}{}", " ".repeat(GAP), filled(text, self.width))
    }
}

/// The lines of the table; none where there are no groups.
pub(crate) fn table(groups: &[Group], view: View, bounds: Bounds) -> Vec<String> {
    if groups.is_empty() {
        return Vec::new();
    }
    let (shown, hidden) = groups.split_at(bounds.groups.min(groups.len()));
    let names: Vec<String> = shown.iter().map(Group::names).collect();
    let widest = names.iter().map(|name| layout::width(name)).max().unwrap_or(0).max("HOST".len());
    let columns = fit(columns(shown), view.width.saturating_sub(widest.min(LEAST_HOSTS)));
    let remaining = widest.min(view.width.saturating_sub(reserved_names(&columns)));

    let mut lines = vec![view.style.dim(head(&columns, remaining).trim_end())];
    for (nth, (group, names)) in shown.iter().zip(&names).enumerate() {
        let max = if group.succeeded() { bounds.hosts.0 } else { bounds.hosts.1 };
        lines.extend(row(
            bounded(layout::wrap_hosts(names, remaining), max),
            remaining,
            &cells(group, &columns, nth, view),
        ));
        lines.extend(reason(group, view));
    }
    lines.extend(rest(hidden));
    lines
}

/// All columns that hold anything.
fn columns(groups: &[Group]) -> Vec<Column> {
    let text = |cell: Option<String>| cell.unwrap_or_default();
    let columns = [
        Column::new("OUTCOME", false, groups.iter().map(outcome)),
        Column::new("STEP", false, groups.iter().map(|g| text(g.head.step.map(|step| step.to_string())))),
        Column::new(
            "EXIT",
            true,
            groups.iter().map(|g| text(g.head.exit_status.map(|status| status.to_string()))),
        ),
        Column::new("FILES", true, groups.iter().map(|g| g.files().to_string())),
        Column::new("SIZE", true, groups.iter().map(|g| units::bytes(g.bytes()))),
        Column::new("TIME", true, groups.iter().map(time)),
    ];
    columns.into_iter().filter(|column| column.width > 0).collect()
}

/// `succeeded`; `3 unreachable`.
fn outcome(group: &Group) -> String {
    match group.hosts.len() {
        1 => group.head.outcome.words().to_owned(),
        many => format!("{many} {}", group.head.outcome.words()),
    }
}

/// The visit's length; of several, the longest.
fn time(group: &Group) -> String {
    let max = if group.hosts.len() > 1 { "≤ " } else { "" };
    group.longest().map(|longest| format!("{max}{}", units::duration(longest))).unwrap_or_default()
}

/// Lets go of columns, the least needed first, until they fit.
fn fit(mut columns: Vec<Column>, width: usize) -> Vec<Column> {
    for least in ["SIZE", "TIME", "EXIT", "FILES"] {
        if reserved_names(&columns) > width {
            columns.retain(|column| column.title != least);
        }
    }
    columns
}

fn reserved_names(columns: &[Column]) -> usize {
    columns.iter().map(|column| column.width + GAP).sum()
}

fn head(columns: &[Column], remaining: usize) -> String {
    let titles: String = columns.iter().map(|column| column.fill(column.title)).collect();
    format!("{}{titles}", layout::left("HOST", remaining))
}

/// The first `max` lines; an ellipsis stands for the others.
pub(super) fn bounded(mut lines: Vec<String>, max: usize) -> Vec<String> {
    if lines.len() > max {
        lines.truncate(max.saturating_sub(1));
        lines.push("…".to_owned());
    }
    lines
}

/// The hosts of a group beside its cells; more lines where the hosts need them.
fn row(mut hosts: Vec<String>, remaining: usize, cells: &str) -> Vec<String> {
    if let Some(first) = hosts.first_mut() {
        *first = format!("{}{cells}", layout::left(first, remaining)).trim_end().to_owned();
    }
    hosts
}

/// The other cells of the group's row.
fn cells(group: &Group, columns: &[Column], nth: usize, view: View) -> String {
    let cell = |column: &Column| {
        let text = column.fill(column.cells.get(nth).map_or("", String::as_str));
        match column.title {
            "OUTCOME" => view.style.outcome(group.head.outcome, &text),
            _ => text,
        }
    };
    columns.iter().map(cell).collect()
}

/// Why, and the way out, below a row.
fn reason(group: &Group, view: View) -> Vec<String> {
    let remaining = view.width.saturating_sub(4);
    let lines =
        |lead: &str, text: String| layout::hang(lead, layout::wrap(&text, remaining)).collect::<Vec<_>>();
    let why = words::why(group.head).map(|why| lines("  ", why));
    let hint = group.head.hint.as_deref().map(|hint| lines("  → ", words::message(hint)));
    let hint = hint.map(|lines| lines.iter().map(|line| view.style.bold(line)).collect::<Vec<_>>());
    why.into_iter().chain(hint).flatten().collect()
}

/// What was not shown, counted.
fn rest(hidden: &[Group]) -> Option<String> {
    let hosts = hidden.iter().map(|group| group.hosts.len()).sum();
    (hosts > 0).then(|| format!("… and {}", words::count(hosts, "more host")))
}
