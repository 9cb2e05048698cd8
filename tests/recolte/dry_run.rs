//! `recolte run --dry-run`: the commands that a run would execute, which a shell can run as they stand.

use std::fs;

use crate::lab::{Lab, files};

#[test]
fn a_dry_run_prints_the_commands_of_each_step_and_contacts_no_host() {
    let lab = Lab::with(&["h1", "h2"]);
    let job = lab.job().options(&["--dry-run"]);
    let run = lab.run_checked(&job);
    run.assert_exit_code(0);
    for host in ["h1", "h2"] {
        let at = run.stdout.find(&format!("## {host}\n")).unwrap_or_else(|| panic!("no {host}: {run}"));
        let section = &run.stdout[at..];
        for step in ["# connect", "# upload", "# install", "# execute", "# collect"] {
            assert!(section.contains(step), "{host} {step}: {run}");
        }
        lab.assert_not_contacted(host);
    }
    for word in [
        "Fichier_fourni.sh",
        "chmod 775",
        "sudo -n su - User_DollarU -c",
        "SOC_PRODUCTION",
        "/tmp/fichier_*log.txt",
    ] {
        assert!(run.stdout.contains(word), "{word}: {run}");
    }
    assert!(!job.output().exists());
    assert_eq!(files(&lab.path("home")), Vec::<String>::new());
}

#[test]
fn a_dry_run_pasted_into_a_shell_does_the_job() {
    let lab = Lab::with(&["h1"]);
    let arguments = ["SOC_PRODUCTION", "it's \"two\" $words\n*"];
    for supervise in [true, false] {
        let script = "#!/bin/sh\nprintf '%s\\0' \"$(id -un)\" \"$@\" >'/tmp/fichier_de log.txt'\n";
        let job = lab.job().script(script).set("script.args", &arguments).set("script.supervise", supervise);
        let run = lab.run_checked(&job.options(&["--dry-run"]));
        run.assert_exit_code(0);
        let folder = lab.new_folder("pasted");
        let pasted = lab.write_file("pasted.sh", &run.stdout);
        let mut shell = lab.command("/usr/bin/timeout");
        let done = shell.args(["120", "/bin/sh", "-eu"]).arg(pasted).current_dir(&folder).output().unwrap();
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{}: {stderr}\n{}", done.status, run.stdout);
        let got = fs::read(folder.join("JGE/h1/fichier_de log.txt")).unwrap();
        let wanted = format!("User_DollarU\0{}\0{}\0", arguments[0], arguments[1]);
        assert_eq!(String::from_utf8_lossy(&got), wanted, "supervise = {supervise}\n{stderr}");
        fs::remove_dir_all(lab.path("tmp/recolte-dry-run")).unwrap();
        lab.assert_gateway_clean(&run);
        lab.assert_hosts_clean(&run);
        lab.host_sh("h1", "rm '/tmp/fichier_de log.txt'");
    }
}
