//! `scripts/Script_$U_VIP_vers_autres_serveurs.sh`, which replaces the old script under its name.
//!
//! Its paths are absolute, so each call has mounts of its own: folders of the test are mounted over `/home`, `/root`,
//! `/tmp` and `/usr/local/bin`. `PATH` is the one that cron sets.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::lab::{Job, Lab, OLD_SCRIPT_HOSTS, Run, Running, SCRIPT, WRITE_ONE_FILE, unpack, wait};

/// Both files stand here, as the old script did.
const FOLDER: &str = "/home/User_VIP/script";

/// The old script's name.
const NAME: &str = "Script_$U_VIP_vers_autres_serveurs.sh";

/// Mounts, then the call, from a folder where no job is. `$1`: the test's folder, `$2`: recolte, then the call.
const AT_HOME: &str = r#"
    root=${1%/} recolte=$2
    shift 2
    mount --bind "$recolte" "$root/place/bin/recolte"
    mount --rbind "$root/place/bin" /usr/local/bin
    mount --bind "$root/place/home" /home
    mount --bind "$root/place/root" /root
    mkdir -p "$root/place/tmp/${root##*/}"
    mount --bind "$root" "$root/place/tmp/${root##*/}"
    mount --rbind "$root/place/tmp" /tmp
    cd /var
    exec "$@"
"#;

/// A lab whose gateway has the script at its place.
struct Place(Lab);

impl Place {
    /// Puts it there.
    fn new(lab: Lab) -> Self {
        let place = Self(lab);
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        for (name, mode) in [(NAME, 0o755), ("recuperation.toml", 0o644)] {
            place.put(&format!("{FOLDER}/{name}"), fs::read(scripts.join(name)).unwrap(), mode);
        }
        place.supply(WRITE_ONE_FILE);
        let lab = |name: &str| fs::read_to_string(place.0.path("lab").join(name)).unwrap();
        place.put("/home/User_VIP/.ssh/id_rsa.nokey", lab("id_ed25519"), 0o600);
        // The only key is the one that the job names.
        let config: Vec<String> = lab("ssh_config")
            .lines()
            .filter(|line| !line.trim().starts_with("IdentityFile"))
            .map(str::to_owned)
            .collect();
        place.put("/root/.ssh/config", config.join("\n"), 0o600);
        place.put("/bin/recolte", "", 0o755);
        fs::create_dir_all(place.path("/tmp")).unwrap();
        place
    }

    /// Where a path of the faked gateway really is.
    fn path(&self, path: &str) -> PathBuf {
        self.0.path(&format!("place{path}"))
    }

    fn put(&self, path: &str, content: impl AsRef<[u8]>, mode: u32) {
        let at = self.0.write_file(&format!("place{path}"), content);
        fs::set_permissions(at, Permissions::from_mode(mode)).unwrap();
    }

    /// The script that is taken to the servers.
    fn supply(&self, text: &str) {
        self.put(&format!("{FOLDER}/{SCRIPT}"), text, 0o644);
    }

    /// Calls the script, by this path, to its end.
    #[track_caller]
    fn call(&self, path: &str, words: &[&str], environment: &[(&str, &str)]) -> Run {
        let said = self.0.new_folder("said");
        let mut command = self.0.command("unshare");
        command.args(["--mount", "--propagation", "private", "--", "sh", "-euc", AT_HOME, "sh"]);
        command.arg(self.0.path("")).arg(env!("CARGO_BIN_EXE_recolte")).arg(path).args(words);
        command.env("PATH", "/usr/bin:/bin").env("HOME", "/root").envs(environment.iter().copied());
        command.stdout(File::create(said.join("stdout")).unwrap());
        command.stderr(File::create(said.join("stderr")).unwrap());
        let running = Running::new(command, &self.job(), &said);
        self.0.wait_checked(running)
    }

    /// Only where its runs are: the job itself is `recuperation.toml`.
    fn job(&self) -> Job {
        self.0.job_for(&[]).set("output", self.path("/root/.local/state/recolte").as_path())
    }
}

fn script() -> String {
    format!("{FOLDER}/{NAME}")
}

/// The hosts of the report, sorted.
fn hosts(run: &Run) -> Vec<String> {
    let report = run.report();
    let names = report["hosts"].as_array().unwrap().iter();
    let mut names: Vec<String> = names.map(|host| host["host"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn without_an_argument_it_does_the_old_scripts_job() {
    let place = Place::new(Lab::builder(&OLD_SCRIPT_HOSTS).option("--mta").up());
    let mail = place.0.path("lab/postfix");
    let run = place.call(&script(), &[], &[("MAIL_CONFIG", mail.to_str().unwrap())]);
    run.assert_succeeded();
    let mut twelve = OLD_SCRIPT_HOSTS.map(str::to_owned);
    twelve.sort();
    assert_eq!(hosts(&run), twelve);

    let copy = place.path("/tmp/JGE.tar.gz");
    assert_eq!(fs::read(&copy).unwrap(), run.read("JGE.tar.gz"));
    let archive = unpack(&copy);
    for host in OLD_SCRIPT_HOSTS {
        let packed = &archive[&format!("JGE/{host}/fichier_log.txt")];
        assert_eq!(packed.bytes, format!("{host} SOC_PRODUCTION\n").as_bytes());
    }

    let letter = wait::until("the mail", || {
        let mut all = fs::read_dir(place.0.path("lab/maildir/new")).unwrap();
        all.next().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
    });
    assert!(letter.contains("To: destinataire@example.fr"), "{letter:.2000}");
    assert!(letter.contains("filename=\"JGE.tar.gz\""), "{letter:.4000}");
}

#[test]
fn its_list_its_options_and_its_exit_code_are_the_callers() {
    let place = Place::new(Lab::with(&["machine1", "test1", "test2"]));
    let list = [("LIST_SERVEUR", "machine1 test[1-2]")];

    let run = place.call(&script(), &["--dry-run"], &list);
    assert!(!run.assert_exit_code(0).has_folder() && run.stdout.contains("machine1"), "{run}");

    place.supply("#!/bin/sh\necho \"$1\" >/tmp/fichier_log.txt\n[ \"$(hostname)\" != test1 ] || exit 3\n");
    symlink(script(), place.path("/bin/recuperation")).unwrap();
    let run = place.call("/usr/local/bin/recuperation", &["--no-mail"], &list);
    assert_eq!(hosts(run.assert_exit_code(1)), ["machine1", "test1", "test2"]);
    run.host("test1").assert_ended("failed", "execute", "script_failed");
    run.host("test2").assert_succeeded();
    assert!(place.path("/tmp/JGE.tar.gz").is_file());

    place.call(&script(), &["--no-such-option"], &list).assert_exit_code(2);
    let run = place.call(&script(), &[], &[("RECOLTE", "/nowhere/recolte")]);
    assert!(run.assert_exit_code(2).stderr.contains("/nowhere/recolte est introuvable"), "{run}");
}
