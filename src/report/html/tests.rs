//! The page's text, and that nothing foreign becomes a part of it.

use super::*;
use crate::report::samples;

#[test]
fn write_samples() {
    let mut mixed = samples::twelve();
    let mut hostile = samples::failed("ma<b>chine9", 7);
    hostile.message = Some("</p><script>alert(1)</script> & \u{202e} \u{1b}[31m 日本語".to_owned());
    hostile.hint = Some("read hosts/ma<b>chine9/stderr".to_owned());
    mixed.hosts.push(hostile);
    let mut late = samples::failed("prod-lent", 0);
    late.outcome = Outcome::TimedOut; late.exit_status = None; late.message = Some("the script ran longer than 30 min".into());
    mixed.hosts.push(late);
    mixed.hosts.push(crate::outcome::HostReport::new("prod-jamais"));
    mixed.totals = crate::report::json::Totals::of(&mixed.hosts);
    mixed.mail = Some(crate::outcome::MailReport { sent: true, parts: 1, error: None });
    std::fs::write("/tmp/report-mixed.html", page(&mixed, &TimeZone::UTC)).unwrap();
    let mut hosts: Vec<_> = (1..=960).map(|n| samples::good(&format!("srv{n:04}"), 1)).collect();
    hosts.extend((961..=1000).map(|n| samples::refused(&format!("srv{n:04}"))));
    std::fs::write("/tmp/report-1000.html", page(&samples::run(hosts), &TimeZone::UTC)).unwrap();
    std::fs::write("/tmp/report-0.html", page(&samples::run(vec![]), &TimeZone::UTC)).unwrap();
}
