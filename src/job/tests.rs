//! Job files as people write them: whole ones, sparse ones, wrong ones.

use std::error::Error as _;
use std::fs;

use super::*;
use crate::located::Located;

/// Every key there is.
const WHOLE: &str = r#"name   = "JGE"
output = "/var/tmp/recolte"
parallel = 16
handshakes = 4
deadline = "2h"
max_failures = "20%"
canary = 1

[targets]
hosts    = ["exemple1", "machine[1-3]", "prod-*"]
exclude  = ["machine2"]
register = { file = "referentiel.xlsx", sheet = "Machines", host = "Machine", where = { User_DollarU = ["oui", "x"], Groupe = ["A", "B"] } }

[ssh]
config = "config"
identity = "id"
connect_timeout = "15s"
retries = 1

[script]
file = "Fichier_fourni.sh"
args = ["SOC_PRODUCTION"]
staging = "/var/tmp"
install = "/home/User_VIP/script"
mode = "750"
run_as = "User_DollarU"
timeout = "30m"
supervise = false

[collect]
files = ["/tmp/fichier_*log.txt"]
layout = "flat"
fresh = false
required = false
max_file = "1MiB"
max_host = "4GiB"

[archive]
copy_to = "/tmp/JGE.tar.gz"

[mail]
transport = "smtp+starttls://mail.example.fr"
from = "recolte@vip.example.fr"
to = ["destinataire@example.fr"]
subject = "Résultat $U du script"
body = "Vous trouverez ci-joint …"
max_size = "5MiB"
user = "recolte"
password_file = "secret"
"#;

/// The least there can be.
const SPARSE: &str = r#"[targets]
hosts = ["exemple1"]
[script]
file = "Fichier_fourni.sh"
install = "/home/User_VIP/script"
[collect]
files = ["/tmp/fichier_*log.txt"]
"#;

fn load_text(text: &str, overrides: Overrides) -> Result<Job, Located> {
    let dir = tempfile::tempdir().unwrap();
    for (file, content) in [
        ("Fichier_fourni.sh", "#!/bin/sh\n"),
        ("config", ""),
        ("id", "key"),
        ("secret", "word\n"),
        ("referentiel.xlsx", ""),
    ] {
        fs::write(dir.path().join(file), content).unwrap();
    }
    let path = dir.path().join("recuperation.toml");
    fs::write(&path, text).unwrap();
    load_job(&path, overrides)
}

#[test]
fn every_key_is_read() {
    let job = load_text(WHOLE, Overrides::default()).unwrap();
    assert_eq!((job.name.as_str(), job.parallel, job.handshakes, job.canary), ("JGE", 16, 4, 1));
    assert_eq!(
        (job.deadline, job.max_failures),
        (Some(Duration::from_secs(7200)), Some(MaxFailures::Percent(20)))
    );
    assert_eq!(job.targets.hosts, ["exemple1", "machine[1-3]", "prod-*"]);
    assert_eq!(job.targets.register.as_ref().map(|r| r.filters.len()), Some(2));
    assert_eq!((job.ssh.connect_timeout, job.ssh.retries), (Duration::from_secs(15), 1));
    assert_eq!(job.script.installed_path(), "/home/User_VIP/script/Fichier_fourni.sh");
    assert_eq!((job.script.mode.as_str(), job.script.supervise), ("750", false));
    assert_eq!((job.collect.layout, job.collect.fresh, job.collect.max_file), (Layout::Flat, false, 1 << 20));
    let mail = job.mail.unwrap();
    assert_eq!((mail.subject.as_str(), mail.max_size), ("Résultat $U du script", 5 << 20));
}

#[test]
fn defaults_are_those_of_the_guide() {
    let job = load_text(SPARSE, Overrides::default()).unwrap();
    assert_eq!((job.name.as_str(), job.parallel, job.handshakes), ("recuperation", 32, 0));
    assert_eq!((job.ssh.connect_timeout, job.ssh.retries), (Duration::from_secs(10), 2));
    assert_eq!((job.script.staging.as_str(), job.script.mode.as_str()), ("/tmp", "775"));
    assert!(job.script.supervise && job.collect.fresh && job.collect.required);
    assert_eq!((job.collect.max_file, job.collect.max_host), (1 << 30, 4 << 30));
    assert!(job.deadline.is_none() && job.max_failures.is_none() && job.script.timeout.is_none());
    assert!(job.mail.is_none() && job.canary == 0);
}

#[test]
fn the_command_line_overrides_the_job_file() {
    let hosts = Some(vec!["autre".to_owned()]);
    let over = Overrides {
        hosts,
        parallel: Some(3),
        no_mail: true,
        exclude: vec!["x".to_owned()],
        ..Overrides::default()
    };
    let job = load_text(WHOLE, over).unwrap();
    assert_eq!((job.parallel, job.mail.is_none()), (3, true));
    assert_eq!(
        (job.targets.hosts, job.targets.exclude),
        (vec!["autre".to_owned()], vec!["machine2".to_owned(), "x".to_owned()])
    );
    assert!(job.targets.register.is_none());
}

#[test]
fn a_wrong_value_is_an_error_with_its_line_and_a_remedy() {
    for (from, to, line, said) in [
        ("parallel = 16", "paralel = 16", 3, "unknown field `paralel`"),
        ("parallel = 16", "parallel = \"many\"", 3, "invalid type"),
        ("parallel = 16", "parallel = 0", 3, "at least 1"),
        ("deadline = \"2h\"", "deadline = \"soon\"", 5, "like \"30s\""),
        ("max_failures = \"20%\"", "max_failures = \"most\"", 6, "a share like \"20%\""),
        ("name   = \"JGE\"", "name = \"../JGE\"", 1, "names a folder"),
        ("\"machine[1-3]\"", "\"machine[3-1]\"", 10, "machine[3-1]"),
        ("\"exemple1\"", "\"-oProxyCommand=x\"", 10, "-oProxyCommand=x"),
        ("\"exemple1\"", "\"a b\"", 10, "a b"),
        ("\"referentiel.xlsx\"", "\"absent.xlsx\"", 12, "targets.register.file"),
        ("config = \"config\"", "config = \"absent\"", 15, "ssh.config"),
        ("identity = \"id\"", "identity = \"absent\"", 16, "ssh.identity"),
        ("connect_timeout = \"15s\"", "connect_timeout = \"0s\"", 17, "at least \"1s\""),
        ("file = \"Fichier_fourni.sh\"", "file = \"absent.sh\"", 21, "script.file"),
        ("file = \"Fichier_fourni.sh\"", "file = \"/tmp\"", 21, "not a regular file"),
        ("install = \"/home/User_VIP/script\"", "install = \"script\"", 24, "absolute path"),
        ("mode = \"750\"", "mode = \"rwx\"", 25, "octal digits"),
        ("run_as = \"User_DollarU\"", "run_as = \"-c id\"", 26, "user name"),
        ("files = [\"/tmp/fichier_*log.txt\"]", "files = []", 31, "name what comes back"),
        ("layout = \"flat\"", "layout = \"round\"", 32, "by-host"),
        ("max_file = \"1MiB\"", "max_file = \"1 lot\"", 35, "like \"10MiB\""),
        ("\"smtp+starttls://mail.example.fr\"", "\"pigeon://mail\"", 42, "pigeon"),
        ("to = [\"destinataire@example.fr\"]", "to = [\"nobody\"]", 44, "nobody"),
        ("to = [\"destinataire@example.fr\"]", "to = []", 44, "name who shall get"),
        ("password_file = \"secret\"", "password_file = \"absent\"", 49, "mail.password_file"),
        ("smtp+starttls://", "smtp://", 41, "[mail]"),
    ] {
        assert!(WHOLE.contains(from), "{from}");
        let error =
            load_text(&WHOLE.replace(from, to), Overrides::default()).err().unwrap_or_else(|| panic!("{to}"));
        let mut text = error.to_string();
        text.extend(error.source().map(|source| format!(": {source}")));
        assert!(text.contains(&format!("recuperation.toml:{line}: ")) && text.contains(said), "{to}: {text}");
    }
}

#[test]
fn a_missing_value_is_named() {
    for (line, said) in [
        ("file = \"Fichier_fourni.sh\"\n", "`file`"),
        ("install = \"/home/User_VIP/script\"\n", "`install`"),
        ("files = [\"/tmp/fichier_*log.txt\"]\n", "`files`"),
    ] {
        let error = load_text(&SPARSE.replace(line, ""), Overrides::default()).unwrap_err().to_string();
        assert!(error.contains("missing field") && error.contains(said), "{error}");
    }
    let error = load_job(std::path::Path::new("/absent.toml"), Overrides::default()).unwrap_err().to_string();
    assert!(error.starts_with("/absent.toml: "), "{error}");
}
