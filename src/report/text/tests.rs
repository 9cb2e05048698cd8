//! The texts, letter for letter.

use super::*;

#[test]
fn show() {
    use crate::report::samples;
    use crate::report::style::*;
    use jiff::tz::TimeZone;
    let places = Places { folder: "/var/tmp/recolte/x".into(), archive: Some(("/var/tmp/recolte/x/JGE.tar.gz".into(), 99999)), copy: None, report: Some("/x/report.html".into()) };
    for w in [100, 60] {
        println!("{}", summary(&samples::twelve(), &places, View { width: w, style: Style::PLAIN }));
    }
    let mut hosts: Vec<_> = (1..=480).map(|n| samples::good(&format!("srv{n:03}"), 1)).collect();
    hosts.extend((481..=500).map(|n| samples::refused(&format!("srv{n:03}"))));
    println!("{}", summary(&samples::run(hosts.clone()), &places, View { width: 80, style: Style::PLAIN }));
    println!("{}", full(&samples::twelve(), &TimeZone::UTC));
    println!("{}", account(&samples::twelve(), &TimeZone::UTC));
    println!("{}", account(&samples::run(hosts), &TimeZone::UTC));
}
