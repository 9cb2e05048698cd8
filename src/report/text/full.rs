//! `report.txt`: the whole account for people, first gathered, then host by host.
//!
//! Pure. It is also put into the archive, before the mail is over: then it says nothing of the mail.

use jiff::tz::TimeZone;

use super::summary::{line_of, mail, totals};
use super::table::{Bounds, table};
use crate::outcome::{CollectedFile, HostReport};
use crate::report::group::{groups, ordered};
use crate::report::json::RunReport;
use crate::report::style::{DEFAULT_WIDTH, Style, View};
use crate::report::{units, words};

/// How many digits of a digest tell files apart for an eye.
const DIGEST: usize = 12;

/// The text of `report.txt`, its moments in this time zone.
pub fn full(run: &RunReport, zone: &TimeZone) -> String {
    let mut text = String::new();
    for (name, what) in head(run, zone) {
        line_of(&mut text, &format!("{name:<8} {what}"));
    }
    let view = View { width: DEFAULT_WIDTH, style: Style::PLAIN };
    text.push('\n');
    for line in table(&groups(&run.hosts, 0), view, Bounds::NONE) {
        line_of(&mut text, &line);
    }
    for host in ordered(&run.hosts) {
        text.push('\n');
        account_of(&mut text, host);
    }
    text
}

fn head(run: &RunReport, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("job", words::path(&run.job)),
        ("run", words::path(&run.run)),
        ("script", words::path(&run.script.file)),
        ("sha256", words::path(&run.script.sha256)),
        ("started", units::moment(run.started, zone)),
    ];
    lines.extend(run.resumed.iter().map(|time| ("resumed", units::moment(*time, zone))));
    lines.push(("ended", units::moment(run.ended, zone)));
    lines.push(("totals", totals(run)));
    lines.extend(run.mail.as_ref().map(|report| ("mail", mail(report))));
    lines
}

/// One host: how it ended, its steps, its files.
fn account_of(text: &mut String, host: &HostReport) {
    line_of(text, &format!("{}: {}", words::path(&host.host), words::sentence(host)));
    let exit = host.exit_status.map(|status| status.to_string());
    let cause = host.cause.map(|cause| cause.to_string());
    let steps = Some(words::steps(host)).filter(|steps| !steps.is_empty());
    for (name, what) in [("cause", cause), ("exit", exit), ("steps", steps)] {
        if let Some(what) = what {
            line_of(text, &format!("  {name:<7} {what}"));
        }
    }
    for file in &host.files {
        line_of(text, &format!("  file    {}", file_of(file)));
    }
    for skipped in &host.skipped {
        line_of(
            text,
            &format!("  skipped {}: {}", words::path(&skipped.remote), words::message(&skipped.why)),
        );
    }
}

fn file_of(file: &CollectedFile) -> String {
    let digest: String = words::path(&file.sha256).chars().take(DIGEST).collect();
    format!(
        "{}  {}  sha256 {digest}…  from {}",
        words::path(&file.path),
        units::bytes(file.bytes),
        words::path(&file.remote)
    )
}
