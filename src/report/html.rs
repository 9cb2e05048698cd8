//! `report.html`: one page that needs nothing else, on a screen, in the dark and on paper.
//!
//! Pure. Every text passes `text`, which makes it printable and escapes it; a policy in the page forbids scripts and
//! anything from elsewhere. No links to collected files: a page from a host would run in the reader's browser.

mod host;

use jiff::tz::TimeZone;

use super::group::{Group, groups, ordered};
use super::json::RunReport;
use super::{text as texts, units, words};
use crate::outcome::Outcome;

/// The page's looks.
const CSS: &str = include_str!("html/page.css");
/// Nothing but the looks in the page itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The page, its moments in this time zone.
pub fn page(run: &RunReport, zone: &TimeZone) -> String {
    let title = format!("{}: {}", text(&run.job), run.totals.words());
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title} · recolte</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n\
         {}{}{}</body>\n</html>\n",
        header(run, zone),
        reasons(run),
        hosts(run, zone),
    )
}

/// Foreign text: printable, of a bounded length, escaped for HTML.
fn text(foreign: &str) -> String {
    let mut escaped = String::with_capacity(foreign.len());
    for c in words::path(foreign).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The outcome in words, in its colour.
fn badge(outcome: Outcome, words: &str) -> String {
    format!("<span class=\"badge {}\">{words}</span>", outcome.name())
}

/// What the run was and what it came to.
fn header(run: &RunReport, zone: &TimeZone) -> String {
    let facts: String =
        facts(run, zone).iter().map(|(name, what)| format!("<dt>{name}</dt><dd>{what}</dd>\n")).collect();
    format!(
        "<header>\n<p class=\"quiet\">recolte · report of a run</p>\n<h1>{}</h1>\n{}{}<dl class=\"facts\">\n{facts}</dl>\n</header>\n",
        text(&run.job),
        totals(run),
        shares(run),
    )
}

fn facts(run: &RunReport, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let files = run.hosts.iter().map(|host| host.files.len()).sum();
    let bytes = run.hosts.iter().map(words::size).fold(0, u64::saturating_add);
    let took = units::duration(units::between(run.started, run.ended));
    let mut facts = vec![
        ("Run", format!("<code>{}</code>", text(&run.run))),
        ("Script", format!("<code>{}</code>", text(&run.script.file))),
        ("SHA-256", format!("<code>{}</code>", text(&run.script.sha256))),
        ("Started", units::moment(run.started, zone)),
    ];
    facts.extend(run.resumed.iter().map(|time| ("Resumed", units::moment(*time, zone))));
    facts.push((
        "Ended",
        format!("{} <span class=\"quiet\">after {took}</span>", units::moment(run.ended, zone)),
    ));
    facts.push(("Harvest", words::files_and_size(files, bytes)));
    facts.extend(run.mail.as_ref().map(|mail| ("Mail", text(&texts::mail(mail)))));
    facts
}

/// The counts; zeros are left out.
fn totals(run: &RunReport) -> String {
    let counts: String = counted(run)
        .map(|(outcome, count)| {
            format!("<li class=\"{}\"><b>{count}</b> {}</li>\n", outcome.name(), outcome.words())
        })
        .collect();
    match run.totals.all() {
        0 => "<p class=\"quiet\">No host was visited.</p>\n".to_owned(),
        all => format!(
            "<ul class=\"totals\">\n{counts}<li class=\"quiet\">of {}</li>\n</ul>\n",
            words::count(all, "host")
        ),
    }
}

/// The counts as shares of one bar.
fn shares(run: &RunReport) -> String {
    let shares: String = counted(run)
        .map(|(outcome, count)| {
            format!("<span class=\"{}\" style=\"flex-grow:{count}\"></span>", outcome.name())
        })
        .collect();
    format!("<div class=\"shares\" aria-hidden=\"true\">{shares}</div>\n")
}

fn counted(run: &RunReport) -> impl Iterator<Item = (Outcome, usize)> {
    Outcome::ALL.into_iter().map(|outcome| (outcome, run.totals.get(outcome))).filter(|(_, count)| *count > 0)
}

/// Who did not succeed, gathered by reason, with the way out.
fn reasons(run: &RunReport) -> String {
    let groups = groups(&run.hosts, 0);
    let rows: String = groups.iter().filter(|group| !group.succeeded()).map(reason).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<section>\n<h2>Did not succeed</h2>\n<table class=\"reasons\">\n\
         <thead><tr><th scope=\"col\">Hosts</th><th scope=\"col\">Outcome</th><th scope=\"col\">Why, and the way out</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n</section>\n"
    )
}

fn reason(group: &Group) -> String {
    let number = match group.hosts.len() {
        1 => String::new(),
        many => format!("<span class=\"quiet\">{many} hosts</span>"),
    };
    let step =
        group.head.step.map(|step| format!(" <span class=\"quiet\">at {step}</span>")).unwrap_or_default();
    format!(
        "<tr><td><span class=\"names\">{}</span>{number}</td><td>{}{step}</td><td>{}</td></tr>\n",
        // A place to break the line after each name.
        text_of_list(&group.names()),
        badge(group.head.outcome, group.head.outcome.words()),
        host::why(group.head),
    )
}

/// A folded list, whole, that may be broken after its commas.
fn text_of_list(list: &str) -> String {
    list.split_inclusive(',').map(text).collect::<Vec<_>>().join("<wbr>")
}

/// Every host, those that did not succeed first.
fn hosts(run: &RunReport, zone: &TimeZone) -> String {
    if run.hosts.is_empty() {
        return String::new();
    }
    let rows: String = ordered(&run.hosts).into_iter().map(|host| host::row(host, zone)).collect();
    format!(
        "<section>\n<h2>Hosts</h2>\n<div class=\"row head\" aria-hidden=\"true\"><span>Host</span><span>Outcome</span>\
         <span>Step</span><span>Exit</span><span>Files</span><span>Size</span><span>Time</span></div>\n\
         {rows}</section>\n"
    )
}

#[cfg(test)]
mod tests;
