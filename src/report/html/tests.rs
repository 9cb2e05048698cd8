//! The page's text, and that foreign text never becomes a part of its structure.

use super::*;
use crate::outcome::{CollectedFile, HostReport, MailReport, SkippedFile};
use crate::report::samples;

fn page_of(hosts: Vec<HostReport>) -> String {
    render_page(&samples::run(hosts), &TimeZone::UTC)
}

#[test]
fn the_page_begins_with_the_totals() {
    let mut run = samples::run_of_twelve();
    run.mail = Some(MailReport { sent: true, parts: 3, error: None });
    let html = render_page(&run, &TimeZone::UTC);
    assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"));
    assert!(html.ends_with("</body>\n</html>\n"));
    for part in [
        "<title>JGE: 10 succeeded, 1 failed, 1 unreachable · recolte</title>",
        "<li class=\"succeeded\"><b>10</b> succeeded</li>",
        "<dt>SHA-256</dt><dd><code>abababababababababababababababababababababababababababababababab</code></dd>",
        "<dt>Started</dt><dd>2026-09-22 21:53:43 +00:00</dd>",
        "<dt>Mail</dt><dd>sent in 3 parts</dd>",
        "<p class=\"hint\">is sshd running there?</p>",
        "<ol class=\"steps\"><li>connect <b>80 ms</b></li>",
        "<td>older than this run</td>",
    ] {
        assert!(html.contains(part), "{part}");
    }
    let position = |part| html.find(part).unwrap();
    assert!(position("<span>test1</span>") < position("<span>machine2</span>"));
    assert!(position("<span>machine2</span>") < position("<span>exemple1</span>"));
}

#[test]
fn nothing_comes_from_elsewhere() {
    let html = page_of(vec![samples::failed_host("a", 1)]);
    for forbidden in ["<script", "<link", "<img", "http:", "https:", "url(", "@import", "<a "] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn hostile_text_stays_text() {
    const HOSTILE: &str = "\"'></p><script>alert(1)</script>&\u{202e}\u{1b}[2J";
    const SAFE: &str = "&quot;&#39;&gt;&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;\\u{202e}\\x1b[2J";
    let mut host = samples::failed_host(HOSTILE, 1);
    host.message = Some(HOSTILE.to_owned());
    host.hint = Some(HOSTILE.to_owned());
    let text = || HOSTILE.to_owned();
    host.files = vec![CollectedFile { remote: text(), path: text(), bytes: 1, sha256: text() }];
    host.skipped = vec![SkippedFile { remote: text(), why: text() }];
    let mut run = samples::run(vec![host]);
    (run.job, run.run) = (text(), text());
    run.script.file = text();
    run.script.sha256 = text();
    run.mail = Some(MailReport { sent: false, parts: 0, error: Some(text()) });
    let html = render_page(&run, &TimeZone::UTC);
    assert!(!html.contains("<script") && !html.contains(['\u{202e}', '\u{1b}']));
    assert_eq!(html.matches(SAFE).count(), 17);
}

#[test]
fn a_thousand_hosts_and_ten_thousand_files_are_a_page() {
    let mut hosts: Vec<_> = (1..=960).map(|n| samples::succeeded_host(&format!("srv{n:04}"), 1)).collect();
    hosts.extend((961..=1000).map(|n| samples::refused_host(&format!("srv{n:04}"))));
    hosts[0] = samples::succeeded_host("srv0001", 10_000);
    let html = page_of(hosts);
    assert_eq!(html.matches("<details").count(), 1000);
    assert!(
        html.contains("<span class=\"names\">srv[0961-1000]</span><span class=\"quiet\">40 hosts</span>")
    );
    assert!(html.contains("and 9800 more, in report.json"));
    assert!(html.len() < 2_000_000, "{}", html.len());
}

#[test]
fn no_host_is_a_page_too() {
    let html = page_of(Vec::new());
    assert!(html.contains("No host was visited.") && !html.contains("<section"));
}
