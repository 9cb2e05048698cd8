//! The texts, byte for byte.

use jiff::tz::TimeZone;
use unicode_width::UnicodeWidthStr as _;

use super::*;
use crate::outcome::{HostReport, MailReport};
use crate::report::json::RunReport;
use crate::report::samples::{failed_host, refused_host, run, run_of_twelve, succeeded_host};
use crate::report::style::{Style, TextFormat};

fn table(run: &RunReport, width: usize) -> String {
    run_summary(run, &paths(), TextFormat { width, style: Style::Plain })
}

fn paths() -> OutputPaths {
    OutputPaths { folder: "/var/recolte/r1".into(), ..OutputPaths::default() }
}

fn fleet(good_ones: usize, bad_ones: usize) -> RunReport {
    let mut hosts: Vec<HostReport> =
        (1..=good_ones).map(|n| succeeded_host(&format!("srv{n:03}"), 1)).collect();
    hosts.extend((good_ones + 1..=good_ones + bad_ones).map(|n| refused_host(&format!("srv{n:03}"))));
    run(hosts)
}

#[test]
fn no_host() {
    assert_eq!(table(&run(Vec::new()), 80), "no hosts · no files · 3 min 05 s\n\nfolder   /var/recolte/r1\n");
}

#[test]
fn one_host() {
    let expected = "\
HOST      OUTCOME    EXIT  FILES     SIZE   TIME
exemple1  succeeded     0      1  3.4 KiB  1.2 s

1 succeeded of 1 host · 1 file, 3.4 KiB · 3 min 05 s

folder   /var/recolte/r1
";
    assert_eq!(table(&run(vec![succeeded_host("exemple1", 1)]), 80), expected);
}

#[test]
fn twelve_hosts_have_a_row_each_and_failures_come_first() {
    let expected = "\
HOST      OUTCOME      STEP     EXIT  FILES     SIZE        TIME
test1     failed       execute     3      0      0 B  3 min 05 s
  the script ended with status 3
machine2  unreachable  connect            0      0 B       42 ms
  connection refused (port 22)
  → is sshd running there?
exemple1  succeeded                0      1  3.4 KiB       1.2 s
exemple2  succeeded                0      1  3.4 KiB       1.2 s
exemple3  succeeded                0      1  3.4 KiB       1.2 s
exemple4  succeeded                0      1  3.4 KiB       1.2 s
machine1  succeeded                0      2  6.8 KiB       1.2 s
machine3  succeeded                0      1  3.4 KiB       1.2 s
test2     succeeded                0      1  3.4 KiB       1.2 s
test3     succeeded                0      1  3.4 KiB       1.2 s
test4     succeeded                0      1  3.4 KiB       1.2 s
test5     succeeded                0      1  3.4 KiB       1.2 s

10 succeeded, 1 failed, 1 unreachable of 12 hosts · 11 files, 37.4 KiB · 3 min 05 s
left behind: 1 file on 1 host; the report says why

mail     sent in 2 parts
archive  /var/recolte/r1/JGE.tar.gz (97.7 KiB)
copy     /tmp/JGE.tar.gz
report   /var/recolte/r1/report.html
folder   /var/recolte/r1
";
    let mut run = run_of_twelve();
    run.mail = Some(MailReport { sent: true, parts: 2, error: None });
    let paths = OutputPaths {
        archive: Some(("/var/recolte/r1/JGE.tar.gz".into(), 99_999)),
        copy: Some("/tmp/JGE.tar.gz".into()),
        report: Some("/var/recolte/r1/report.html".into()),
        ..paths()
    };
    assert_eq!(run_summary(&run, &paths, TextFormat { width: 100, style: Style::Plain }), expected);
}

#[test]
fn five_hundred_hosts_are_folded() {
    let expected = "\
HOST          OUTCOME         STEP     EXIT  FILES     SIZE     TIME
srv[481-500]  20 unreachable  connect            0      0 B  ≤ 42 ms
  connection refused (port 22)
  → is sshd running there?
srv[001-480]  480 succeeded               0    480  1.6 MiB  ≤ 1.2 s

480 succeeded, 20 unreachable of 500 hosts · 480 files, 1.6 MiB · 3 min 05 s

folder   /var/recolte/r1
";
    assert_eq!(table(&fleet(480, 20), 80), expected);
}

#[test]
fn on_a_narrow_terminal_columns_are_dropped_before_hosts() {
    let expected = "\
HOST                       OUTCOME      STEP     EXIT  FILES
test1                      failed       execute     3      0
  the script ended with status 3
machine2                   unreachable  connect            0
  connection refused (port 22)
  → is sshd running there?
un-serveur-au-nom-bien-tr  succeeded                0      1
op-long-pour-la-colonne

1 succeeded, 1 failed, 1 unreachable of 3 hosts · 1 file,
3.4 KiB · 3 min 05 s
left behind: 1 file on 1 host; the report says why

folder   /var/recolte/r1
";
    let long = succeeded_host("un-serveur-au-nom-bien-trop-long-pour-la-colonne", 1);
    assert_eq!(table(&run(vec![long, refused_host("machine2"), failed_host("test1", 3)]), 60), expected);
}

#[test]
fn hostile_wide_and_long_text_stays_in_its_columns() {
    let mut wide = failed_host("日本語サーバー", 1);
    wide.message = Some("エラー".repeat(30));
    let mut hostile = refused_host("b\u{1b}[2Jad");
    hostile.message = Some("line one\nline\u{1b}]0;two\u{7} \u{202e}".to_owned());
    hostile.hint = Some("x".repeat(5_000));
    let text = table(&run(vec![wide, hostile]), 60);
    let expected = "\
HOST            OUTCOME      STEP     EXIT  FILES
日本語サーバー  failed       execute     1      0
  エラーエラーエラーエラーエラーエラーエラーエラーエラーエ
  ラーエラーエラーエラーエラーエラーエラーエラーエラーエラ
  ーエラーエラーエラーエラーエラーエラーエラーエラーエラー
  エラーエラー
b\\x1b[2Jad      unreachable  connect            0
  line one\\nline\\x1b]0;two\\x07 \\u{202e}
";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.lines().all(|line| line.width() <= 60), "{text}");
    assert!(text.lines().count() < 32, "{text}");
}

#[test]
fn many_reasons_and_many_names_are_cut_and_counted() {
    let mut hosts: Vec<HostReport> = (1..=70).map(|n| failed_host(&format!("h{n}"), n)).collect();
    hosts.extend(
        (0..400).map(|n| succeeded_host(&format!("{}x", ["a", "bb", "c"][n % 3].repeat(n / 3 + 1)), 1)),
    );
    let text = table(&run(hosts), 80);
    assert!(text.contains("… and 420 more hosts\n"), "{text}");
    assert!(text.lines().count() < 120);
    let body = mail_body(&run((1..=70).map(|n| failed_host(&format!("h{n}"), n)).collect()), &TimeZone::UTC);
    assert!(body.contains("- and 30 more hosts, for reasons told in the report\n"), "{body}");
}

#[test]
fn report_txt_has_every_host() {
    let expected = "\
job      JGE
run      20260922-235343-k3xq
script   /srv/Fichier_fourni.sh
sha256   abababababababababababababababababababababababababababababababab
started  2026-09-22 21:53:43 +00:00
resumed  2026-09-22 21:56:48 +00:00
ended    2026-09-22 21:56:48 +00:00
totals   1 succeeded, 1 failed, 1 unreachable of 3 hosts · 1 file, 3.4 KiB · 3 min 05 s
mail     not sent: server said 550; `recolte send` tries again

HOST      OUTCOME      STEP     EXIT  FILES     SIZE        TIME
test1     failed       execute     3      0      0 B  3 min 05 s
  the script ended with status 3
machine2  unreachable  connect            0      0 B       42 ms
  connection refused (port 22)
  → is sshd running there?
exemple1  succeeded                0      1  3.4 KiB       1.2 s

test1: failed at execute: the script ended with status 3
  cause   script_failed
  exit    3
  skipped /tmp/fichier_vieux_log.txt: older than this run

machine2: unreachable at connect: connection refused (port 22); is sshd running there?
  cause   refused
  steps   connect 42 ms

exemple1: succeeded in 1.2 s, 1 file, 3.4 KiB
  exit    0
  steps   connect 80 ms · upload 12 ms · install 30 ms · execute 1.0 s · collect 78 ms
  file    JGE/exemple1/fichier_1_log.txt  3.4 KiB  sha256 000000000000…  from /tmp/fichier_1_log.txt
";
    let mut run = run(vec![succeeded_host("exemple1", 1), refused_host("machine2"), failed_host("test1", 3)]);
    run.resumed.push(run.ended);
    run.mail = Some(MailReport { sent: false, parts: 0, error: Some("server said 550".to_owned()) });
    assert_eq!(full_report(&run, &TimeZone::UTC), expected);
}

#[test]
fn the_mail_lists_hosts_that_did_not_succeed_and_those_that_did() {
    let expected = "\
10 succeeded, 1 failed, 1 unreachable of 12 hosts · 11 files, 37.4 KiB · 3 min 05 s.

Did not succeed:
- test1
  failed at execute: the script ended with status 3
- machine2
  unreachable at connect: connection refused (port 22)
  -> is sshd running there?

Succeeded:
- exemple[1-4],machine[1,3],test[2-5] (10 hosts)
  11 files, 37.4 KiB

Script /srv/Fichier_fourni.sh
sha256 abababababababababababababababababababababababababababababababab
Run 20260922-235343-k3xq, from 2026-09-22 21:53:43 +00:00 to 2026-09-22 21:56:48 +00:00
";
    assert_eq!(mail_body(&run_of_twelve(), &TimeZone::UTC), expected);
}

#[test]
fn no_line_of_the_mail_reaches_a_hundred_columns() {
    let mut hosts: Vec<HostReport> =
        (0..300).map(|n| succeeded_host(&format!("h{}x{n}y", "z".repeat(n % 90)), 1)).collect();
    let mut long = failed_host("a", 1);
    long.message = Some("mot ".repeat(500));
    long.hint = Some("y".repeat(3_000));
    hosts.push(long);
    let mut run = run(hosts);
    run.script.file = format!("/srv/{}", "d/".repeat(200));
    let text = mail_body(&run, &TimeZone::UTC);
    assert!(text.lines().all(|line| line.width() < 100), "{text}");
    assert!(text.lines().count() < 80, "{text}");
}

#[test]
fn colours_change_no_text() {
    let format = TextFormat { width: 100, style: Style::Coloured };
    let mut text = run_summary(&run_of_twelve(), &paths(), format);
    assert!(text.contains("\u{1b}[31m  failed"), "{text}");
    for code in ["0", "1", "2", "31", "32", "33"] {
        text = text.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(text, table(&run_of_twelve(), 100));
}
