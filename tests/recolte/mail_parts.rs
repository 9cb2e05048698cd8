//! `[mail] max_size`: an archive that is too large for one message goes in several.

use std::collections::BTreeMap;
use std::fs;

use mailparse::parse_mail;

use crate::lab::{Job, Lab, Mail, Run, files, mails_in, unpack, wait};
use crate::mail::{SUBJECT, header, with_mail};

/// Returns a script that writes random bytes; on the host `big` ten times as many.
fn write_random(bytes: usize) -> String {
    format!(
        "#!/bin/bash\nn={bytes}; [ $(hostname) = big ] && n={bytes}0\n\
         head -c $n /dev/urandom >/tmp/fichier_log.txt\n"
    )
}

/// Adds a mail with two recipients to a job.
pub fn with_two_recipients(job: Job, transport: &str) -> Job {
    job.set("mail.transport", transport)
        .set("mail.from", "recolte@vip.example.fr")
        .set("mail.to", &["one@example.fr", "two@example.fr"])
}

/// Runs a job whose host `big` gives more than a part may hold. Returns the run and its mails.
fn run_with_host_too_large(lab: &Lab) -> (Run, Vec<Mail>) {
    let folder = lab.path("mails");
    let job =
        with_two_recipients(lab.job().script(write_random(100_000)), &format!("file:{}", folder.display()));
    let run = lab.run_checked(&job.set("mail.max_size", "400KiB"));
    run.assert_exit_code(3);
    let mails = mails_in(&folder);
    (run, mails)
}

/// Checks that each part is numbered, can be unpacked alone, and that together they hold each host's file once.
#[track_caller]
fn assert_parts(lab: &Lab, mails: &[Mail], hosts: &[&str], limit: usize) {
    let mut all = BTreeMap::new();
    for (number, mail) in mails.iter().enumerate() {
        let (number, of) = (number + 1, mails.len());
        assert_eq!(mail.subject, format!("Résultat $U du script ({number}/{of})"));
        assert!(mail.text.contains(&format!("{number}/{of}")), "{}", mail.text);
        assert!(mail.text.contains(" succeeded of "), "no account of the hosts: {}", mail.text);
        assert!(mail.size <= limit, "{} bytes are more than {limit}", mail.size);
        let [(name, bytes)] = mail.attachments.as_slice() else { panic!("one attachment: {}", mail.subject) };
        assert_eq!(name, &format!("JGE-{number}-{of}.tar.gz"));
        let part = lab.new_folder("part").join(name);
        fs::write(&part, bytes).unwrap();
        for (path, packed) in unpack(&part) {
            assert!(all.insert(path.clone(), packed).is_none(), "{path} is in two parts");
        }
    }
    let wanted: Vec<String> = hosts.iter().map(|host| format!("JGE/{host}/fichier_log.txt")).collect();
    let mut sorted = wanted.clone();
    sorted.sort();
    assert_eq!(all.keys().cloned().collect::<Vec<_>>(), sorted);
    for (host, path) in hosts.iter().zip(&wanted) {
        assert!(
            all[path].bytes == fs::read(lab.host_path(host, "/tmp/fichier_log.txt")).unwrap(),
            "{path} differs"
        );
    }
}

#[test]
fn an_archive_beyond_max_size_is_sent_in_numbered_parts() {
    let hosts = ["h1", "h2", "h3", "h4"];
    let lab = Lab::with(&hosts);
    let folder = lab.path("mails");
    let job =
        with_two_recipients(lab.job().script(write_random(200_000)), &format!("file:{}", folder.display()));
    let run = lab.run_checked(&job.set("mail.max_size", "650KiB"));
    run.assert_succeeded();
    let mails = mails_in(&folder);
    assert_eq!(mails.len(), 2);
    assert_parts(&lab, &mails, &hosts, 650 * 1024);
    for held in ["1/2: h[1-2]", "2/2: h[3-4]"] {
        assert!(mails.iter().any(|mail| mail.text.contains(held)), "{held}: {}", mails[0].text);
    }
    assert_eq!(run.report()["mail"]["parts"], 2);
    assert_eq!(run.report()["mail"]["sent"], true);
    // The archive on the gateway holds everything.
    assert_eq!(unpack(&run.path("JGE.tar.gz")).len(), 6);
}

#[test]
fn a_host_too_large_for_any_part_is_named_with_path_size_and_checksum() {
    let lab = Lab::with(&["h1", "big", "h2"]);
    let (run, mails) = run_with_host_too_large(&lab);
    assert_parts(&lab, &mails, &["h1", "h2"], 400 * 1024);
    let big = run.path("JGE/big/fichier_log.txt");
    let sum = lab.host_sh("big", "sha256sum </tmp/fichier_log.txt").replace("  -", "");
    for mail in &mails {
        let flat = mail.text.replace(['\r', '\n'], " ");
        for wanted in ["big: too large", big.to_str().unwrap(), "1000000 bytes", &sum] {
            assert!(flat.contains(wanted), "{wanted}: {}", mail.text);
        }
    }
    let error = run.report()["mail"]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("big") && !error.contains("h1"), "{error}");
    assert!(run.stdout.contains("too large"), "{run}");
}

#[test]
fn a_single_host_too_large_is_reported_by_a_mail_without_attachment() {
    let lab = Lab::with(&["big"]);
    let (_run, mails) = run_with_host_too_large(&lab);
    assert_eq!(mails.len(), 1);
    assert!(mails[0].attachments.is_empty() && mails[0].text.contains("1000000 bytes"), "{}", mails[0].text);
    assert_eq!(mails[0].subject, "Résultat $U du script");
}

#[test]
fn the_servers_size_limit_counts_if_it_is_smaller() {
    let hosts = ["h1", "h2", "h3"];
    let lab = Lab::builder(&hosts).option("--mta").option("--mta-size").option("700000").up();
    let job = with_two_recipients(lab.job().script(write_random(300_000)), "smtp://127.0.0.1:25");
    let run = lab.run_checked(&job);
    run.assert_succeeded();
    // Each of the three parts is delivered to two recipients.
    let inbox = lab.path("lab/maildir/new");
    let delivered = || Some(mails_in(&inbox)).filter(|mails| mails.len() == 6);
    let mut mails = wait::until("six mails delivered", || inbox.exists().then(delivered).flatten());
    mails.dedup_by(|one, other| one.subject == other.subject);
    // The server adds header lines at delivery.
    assert_parts(&lab, &mails, &hosts, 700_000 + 2_000);
    assert_eq!(run.report()["mail"]["parts"], 3);
}

#[test]
fn each_part_of_an_archive_beyond_max_size_is_within_the_limit_and_unpacks_alone() {
    let lab = Lab::with(&["h1", "h2", "h3"]);
    let folder = lab.path("mails");
    let script = "#!/bin/sh\nhead -c 300000 /dev/urandom >/tmp/fichier_log.txt\n";
    let job = with_mail(lab.job().script(script), &format!("file:{}", folder.display()), &["d@example.fr"]);
    let run = lab.run_checked(&job.set("mail.max_size", "600kB"));
    run.assert_succeeded();
    let mails = files(&folder);
    assert_eq!(run.report()["mail"]["parts"].as_u64(), Some(mails.len() as u64));
    let mut all = Vec::new();
    for name in &mails {
        let message = fs::read(folder.join(name)).unwrap();
        assert!(message.len() <= 600_000, "{}", message.len());
        let mail = parse_mail(&message).unwrap();
        assert!(header(&mail, "Subject").starts_with(SUBJECT), "{}", header(&mail, "Subject"));
        let part = lab.write_file("part.tar.gz", mail.subparts[1].get_body_raw().unwrap());
        all.extend(unpack(&part).into_iter().filter(|(path, _)| path.ends_with("fichier_log.txt")));
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    let wanted = ["h1", "h2", "h3"].map(|host| format!("JGE/{host}/fichier_log.txt"));
    assert_eq!(all.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(), wanted);
    assert!(all.iter().all(|(path, packed)| packed.bytes == run.read(path)));
}
