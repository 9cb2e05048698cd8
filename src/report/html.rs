//! `report.html`: one page that needs no other file, for screens, light or dark, and for paper.
//!
//! Pure. Every text from outside is escaped by `escape_text`; a policy in the page forbids scripts and anything from
//! elsewhere. Collected files are not linked: a page from a host would run in the reader's browser.

mod host;

use std::fmt::Display;

use jiff::tz::TimeZone;

use super::group::{Group, group_hosts, sort_hosts};
use super::json::RunReport;
use super::text::describe_mail;
use super::{phrases, units};
use crate::message::ReportMessage;
use crate::outcome::Outcome;

/// The style sheet.
const CSS: &str = include_str!("html/page.css");
/// The content security policy: the style sheet of the page itself, nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Returns the page, its times in this time zone.
pub fn render_page(run: &RunReport, zone: &TimeZone) -> String {
    let title = ReportMessage::PageTitle { job: escape_text(&run.job), totals: run.totals.describe() };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n\
         {}{}{}</body>\n</html>\n",
        header(run, zone),
        reasons_section(run),
        hosts_section(run, zone),
    )
}

/// Cuts foreign text to a length, makes it printable and escapes it for HTML.
fn escape_text(foreign: &str) -> String {
    // The ampersand comes first: it is part of what the others become.
    let escapes = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#39;")];
    escapes.into_iter().fold(phrases::bounded_path(foreign), |text, (c, escaped)| text.replace(c, escaped))
}

/// Returns an outcome in words, on a background of its colour.
fn outcome_badge(outcome: Outcome) -> String {
    format!("<span class=\"badge {outcome}\">{}</span>", outcome.display_name())
}

/// Returns a text of less weight.
fn quiet(text: impl Display) -> String {
    format!("<span class=\"quiet\">{text}</span>")
}

fn paragraph(class: &str, html: impl Display) -> String {
    format!("<p class=\"{class}\">{html}</p>\n")
}

fn code(foreign: &str) -> String {
    format!("<code>{}</code>", escape_text(foreign))
}

fn section(heading: &ReportMessage, body: &str) -> String {
    format!("<section>\n<h2>{heading}</h2>\n{body}</section>\n")
}

/// Returns a table of rows that are HTML already.
fn table(class: &str, headings: &[ReportMessage], rows: &str) -> String {
    let headings: String =
        headings.iter().map(|heading| format!("<th scope=\"col\">{heading}</th>")).collect();
    format!(
        "<table class=\"{class}\">\n<thead><tr>{headings}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
    )
}

fn spans<T: Display>(texts: &[T]) -> String {
    texts.iter().map(|text| format!("<span>{text}</span>")).collect()
}

/// Returns the job's name, the totals and the facts of the run.
fn header(run: &RunReport, zone: &TimeZone) -> String {
    let facts = run_facts(run, zone);
    let facts: String =
        facts.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>\n")).collect();
    format!(
        "<header>\n{}<h1>{}</h1>\n{}<dl class=\"facts\">\n{facts}</dl>\n</header>\n",
        paragraph("quiet", ReportMessage::PageSubtitle),
        escape_text(&run.job),
        totals(run),
    )
}

fn run_facts(run: &RunReport, zone: &TimeZone) -> Vec<(ReportMessage, String)> {
    let duration = units::format_duration(units::elapsed(run.started, run.ended));
    let after = quiet(ReportMessage::AfterDuration { duration });
    let mut facts = vec![
        (ReportMessage::Run, code(&run.run)),
        (ReportMessage::Script, code(&run.script.file)),
        (ReportMessage::Sha256Heading, code(&run.script.sha256)),
        (ReportMessage::Started, units::format_time(run.started, zone)),
    ];
    facts.extend(run.resumed.iter().map(|time| (ReportMessage::Resumed, units::format_time(*time, zone))));
    facts.push((ReportMessage::Ended, format!("{} {after}", units::format_time(run.ended, zone))));
    facts.push((ReportMessage::Collected, phrases::describe_files(&run.hosts)));
    facts.extend(run.mail.as_ref().map(|mail| (ReportMessage::Mail, escape_text(&describe_mail(mail)))));
    facts
}

/// Returns the counts of hosts by outcome, without zeros, and a bar that shows them as shares.
fn totals(run: &RunReport) -> String {
    let (mut items, mut shares) = (String::new(), String::new());
    for (outcome, count) in run.totals.0.iter().filter(|(_, count)| **count > 0) {
        items += &format!("<li class=\"{outcome}\"><b>{count}</b> {}</li>\n", outcome.display_name());
        shares += &format!("<span class=\"{outcome}\" style=\"flex-grow:{count}\"></span>");
    }
    let list = match run.totals.sum() {
        0 => paragraph("quiet", ReportMessage::NoHostVisited),
        sum => {
            let of_hosts = ReportMessage::OfHosts { hosts: ReportMessage::count_hosts(sum) };
            format!("<ul class=\"totals\">\n{items}<li class=\"quiet\">{of_hosts}</li>\n</ul>\n")
        }
    };
    format!("{list}<div class=\"shares\" aria-hidden=\"true\">{shares}</div>\n")
}

/// Returns the hosts that did not succeed, grouped by reason, with the hints.
fn reasons_section(run: &RunReport) -> String {
    let groups = group_hosts(&run.hosts, 0);
    let rows: String = groups.iter().filter(|group| !group.succeeded()).map(reason_row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let headings = [ReportMessage::Hosts, ReportMessage::Outcome, ReportMessage::ReasonAndHint];
    section(&ReportMessage::DidNotSucceed, &table("reasons", &headings, &rows))
}

fn reason_row(group: &Group) -> String {
    let count = match group.hosts.len() {
        1 => String::new(),
        count => quiet(ReportMessage::count_hosts(count)),
    };
    let step = group.first.step.map(|step| quiet(ReportMessage::AtStep { step: step.to_string() }));
    let step = step.map(|step| format!(" {step}")).unwrap_or_default();
    // The names are escaped one by one, so that a long list is not cut; a browser may break it after each of them.
    let names: Vec<String> = group.folded_names().split_inclusive(',').map(escape_text).collect();
    format!(
        "<tr><td><span class=\"names\">{}</span>{count}</td><td>{}{step}</td><td>{}</td></tr>\n",
        names.join("<wbr>"),
        outcome_badge(group.first.outcome),
        host::reason(&group.first),
    )
}

/// Returns all hosts, those that did not succeed first.
fn hosts_section(run: &RunReport, zone: &TimeZone) -> String {
    use ReportMessage::{Exit, Files, Host, Outcome, Size, Step, Time};
    if run.hosts.is_empty() {
        return String::new();
    }
    let rows: String = sort_hosts(&run.hosts).into_iter().map(|host| host::details(host, zone)).collect();
    let headings = spans(&[Host, Outcome, Step, Exit, Files, Size, Time]);
    let body = format!("<div class=\"row head\" aria-hidden=\"true\">{headings}</div>\n{rows}");
    section(&ReportMessage::Hosts, &body)
}

#[cfg(test)]
mod tests;
