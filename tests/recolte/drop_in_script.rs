//! `scripts/Script_$U_VIP_vers_autres_serveurs.sh`, which replaces the old script under its name.
//!
//! Its paths are absolute, so each call has mounts of its own: folders of the test are mounted over `/home`, `/root`,
//! `/tmp` and `/usr/local/bin`. `PATH` is the one that cron sets.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::lab::{Job, Lab, OLD_SCRIPT_HOSTS, Run, Running, SCRIPT, WRITE_ONE_FILE, unpack, wait};

/// The folder of the old script, where the new one and its job file are installed.
const FOLDER: &str = "/home/User_VIP/script";

/// The file name of the old script.
const NAME: &str = "Script_$U_VIP_vers_autres_serveurs.sh";

/// Mounts the test's folders, then runs a command in a folder without a job file.
/// Its arguments: the root folder, the path of recolte, the command.
const RUN_IN_MOUNTS: &str = r#"
    root=${1%/} recolte=$2
    shift 2
    mount --bind "$recolte" "$root/installed/bin/recolte"
    mount --rbind "$root/installed/bin" /usr/local/bin
    mount --bind "$root/installed/home" /home
    mount --bind "$root/installed/root" /root
    mkdir -p "$root/installed/tmp/${root##*/}"
    mount --bind "$root" "$root/installed/tmp/${root##*/}"
    mount --rbind "$root/installed/tmp" /tmp
    cd /var
    exec "$@"
"#;

/// A lab whose gateway has the script installed.
struct InstalledScript(Lab);

impl InstalledScript {
    /// Installs the script, its job file and an ssh key.
    fn new(lab: Lab) -> Self {
        let installed = Self(lab);
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        for (name, mode) in [(NAME, 0o755), ("recuperation.toml", 0o644)] {
            installed.put(&format!("{FOLDER}/{name}"), fs::read(scripts.join(name)).unwrap(), mode);
        }
        installed.supply(WRITE_ONE_FILE);
        let lab = |name: &str| fs::read_to_string(installed.0.path("lab").join(name)).unwrap();
        installed.put("/home/User_VIP/.ssh/id_rsa.nokey", lab("id_ed25519"), 0o600);
        // The job file names the key; ssh_config does not.
        let config: Vec<String> = lab("ssh_config")
            .lines()
            .filter(|line| !line.trim().starts_with("IdentityFile"))
            .map(str::to_owned)
            .collect();
        installed.put("/root/.ssh/config", config.join("\n"), 0o600);
        installed.put("/bin/recolte", "", 0o755);
        fs::create_dir_all(installed.path("/tmp")).unwrap();
        installed
    }

    /// Returns the real path of a path that the script sees.
    fn path(&self, path: &str) -> PathBuf {
        self.0.path(&format!("installed{path}"))
    }

    fn put(&self, path: &str, content: impl AsRef<[u8]>, mode: u32) {
        let at = self.0.write_file(&format!("installed{path}"), content);
        fs::set_permissions(at, Permissions::from_mode(mode)).unwrap();
    }

    /// Writes the supplied script.
    fn supply(&self, text: &str) {
        self.put(&format!("{FOLDER}/{SCRIPT}"), text, 0o644);
    }

    /// Runs the script by a given path to its end.
    #[track_caller]
    fn call(&self, path: &str, args: &[&str], environment: &[(&str, &str)]) -> Run {
        let streams = self.0.new_folder("streams");
        let mut command = self.0.command("unshare");
        command.args(["--mount", "--propagation", "private", "--", "sh", "-euc", RUN_IN_MOUNTS, "sh"]);
        command.arg(self.0.path("")).arg(env!("CARGO_BIN_EXE_recolte")).arg(path).args(args);
        command.env("PATH", "/usr/bin:/bin").env("HOME", "/root").envs(environment.iter().copied());
        command.stdout(File::create(streams.join("stdout")).unwrap());
        command.stderr(File::create(streams.join("stderr")).unwrap());
        let running = Running::new(command, &self.job(), &streams);
        self.0.wait_checked(running)
    }

    /// Names the output folder only: the script uses `recuperation.toml`.
    fn job(&self) -> Job {
        self.0.job_for(&[]).set("output", self.path("/root/.local/state/recolte").as_path())
    }
}

fn script() -> String {
    format!("{FOLDER}/{NAME}")
}

/// Returns the hosts of the report, sorted.
fn hosts(run: &Run) -> Vec<String> {
    let report = run.report();
    let names = report["hosts"].as_array().unwrap().iter();
    let mut names: Vec<String> = names.map(|host| host["host"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn without_an_argument_it_does_the_old_scripts_job() {
    let installed = InstalledScript::new(Lab::builder(&OLD_SCRIPT_HOSTS).option("--mta").up());
    let mail = installed.0.path("lab/postfix");
    let run = installed.call(&script(), &[], &[("MAIL_CONFIG", mail.to_str().unwrap())]);
    run.assert_succeeded();
    let mut twelve = OLD_SCRIPT_HOSTS.map(str::to_owned);
    twelve.sort();
    assert_eq!(hosts(&run), twelve);

    let copy = installed.path("/tmp/JGE.tar.gz");
    assert_eq!(fs::read(&copy).unwrap(), run.read("JGE.tar.gz"));
    let archive = unpack(&copy);
    for host in OLD_SCRIPT_HOSTS {
        let packed = &archive[&format!("JGE/{host}/fichier_log.txt")];
        assert_eq!(packed.bytes, format!("{host} SOC_PRODUCTION\n").as_bytes());
    }

    let message = wait::until("the mail", || {
        let mut all = fs::read_dir(installed.0.path("lab/maildir/new")).unwrap();
        all.next().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
    });
    assert!(message.contains("To: destinataire@example.fr"), "{message:.2000}");
    assert!(message.contains("filename=\"JGE.tar.gz\""), "{message:.4000}");
}

#[test]
fn list_serveur_options_and_exit_code_are_passed_through() {
    let installed = InstalledScript::new(Lab::with(&["machine1", "test1", "test2"]));
    let list = [("LIST_SERVEUR", "machine1 test[1-2]")];

    let run = installed.call(&script(), &["--dry-run"], &list);
    assert!(!run.assert_exit_code(0).has_folder() && run.stdout.contains("machine1"), "{run}");

    installed
        .supply("#!/bin/sh\necho \"$1\" >/tmp/fichier_log.txt\n[ \"$(hostname)\" != test1 ] || exit 3\n");
    symlink(script(), installed.path("/bin/recuperation")).unwrap();
    let run = installed.call("/usr/local/bin/recuperation", &["--no-mail"], &list);
    assert_eq!(hosts(run.assert_exit_code(1)), ["machine1", "test1", "test2"]);
    run.host("test1").assert_ended("failed", "execute", "script_failed");
    run.host("test2").assert_succeeded();
    assert!(installed.path("/tmp/JGE.tar.gz").is_file());

    installed.call(&script(), &["--no-such-option"], &list).assert_exit_code(2);
    let run = installed.call(&script(), &[], &[("RECOLTE", "/nowhere/recolte")]);
    assert!(run.assert_exit_code(2).stderr.contains("/nowhere/recolte est introuvable"), "{run}");
}
