//! Names of remote files: odd, hostile, and as long as names can be.

use crate::lab::{Lab, files, unpack};

/// Writes files with unusual names into /tmp/odd; each holds its own name.
const WRITE_ODD_NAMES: &str = r#"#!/usr/bin/env python3
import os
os.mkdir("/tmp/odd")
os.chdir(b"/tmp/odd")
names = [b"new\nline", b"esc\x1b[2J", b"caf\xe9", "résumé".encode(), b"-rf", b"x" * 255, b"a b", b"'\"$(id)`*?",
         b"...", b"..x", b"bell\x07", b"\xe2\x80\xaerotated", b"back\\slash", b"%41", b".part-", b"~", b"!x", b"CON",
         b"\xff\xfe", b"tab\t", b"CR\r"]
for name in names:
    with open(name, "wb") as file:
        file.write(name)
"#;

/// The number of these names.
const ODD_NAMES: usize = 21;

fn is_safe_name(name: &str) -> bool {
    let bad = |c: char| c.is_control() || c == '\u{202e}' || c == '\u{fffd}';
    !name.contains(bad) && name.len() <= 255 && name != ".." && name != "."
}

#[test]
fn files_with_unusual_names_get_safe_names_and_keep_their_content() {
    let lab = Lab::builder(&["h1", "nosftp"]).setup("nosftp", "sed -i /sftp/d /etc/ssh/sshd_config").up();
    for layout in ["by-host", "flat"] {
        let job = lab.job().script(WRITE_ODD_NAMES).set("collect.layout", layout);
        let run = lab.run_checked(&job.set("collect.files", &["/tmp/odd/*", "/tmp/odd/.*"]));
        run.assert_succeeded();
        for host in ["h1", "nosftp"] {
            let host = run.host(host);
            let files = host.0["files"].as_array().unwrap();
            assert_eq!(files.len(), ODD_NAMES, "{:#}", host.0);
            for file in files {
                let (path, remote) = (file["path"].as_str().unwrap(), file["remote"].as_str().unwrap());
                assert!(
                    path.rsplit('/').next().is_some_and(is_safe_name) && is_printable(remote),
                    "{path:?} {remote:?}"
                );
                let (content, bytes) = (run.read(path), file["bytes"].as_u64().unwrap());
                assert_eq!(content.len() as u64, bytes);
                if let Ok(text) = std::str::from_utf8(&content)
                    && is_printable(text)
                    && !text.contains('\\')
                {
                    assert_eq!(remote, format!("/tmp/odd/{text}"), "each file under its own name");
                }
            }
        }
        let packed = unpack(&run.path("JGE.tar.gz"));
        assert_eq!(packed.len(), 2 * ODD_NAMES + 2);
        assert!(packed.keys().all(|path| path.starts_with("JGE/") && !path.contains("/../")));
        lab.host_sh("h1", "rm -r /tmp/odd");
        lab.host_sh("nosftp", "rm -r /tmp/odd");
    }
}

fn is_printable(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() || c == '\u{202e}' || c == '\u{fffd}')
}

#[test]
fn control_characters_in_file_names_are_escaped() {
    let lab = Lab::with(&["h1"]);
    let script = "#!/bin/sh\ncd /tmp; touch \"$(printf 'fichier_\\033[31m\\nlog.txt')\"; \
                  ln -s x \"$(printf 'fichier_\\033]0;x\\007log.txt')\"\n";
    let run = lab.run_checked(&lab.job().script(script).options(&["-v"]));
    run.assert_succeeded();
    assert_eq!(run.host("h1").remote_files(), ["/tmp/fichier_\\x1b[31m\\nlog.txt"]);
    assert!(run.host("h1").skip_reason("/tmp/fichier_\\x1b]0;x\\x07log.txt").contains("link"));
    for text in [
        &run.stdout,
        &run.stderr,
        &run.text("report.txt"),
        &run.text("report.html"),
        &run.text("report.json"),
    ] {
        assert!(!text.contains(['\x1b', '\x07']), "{text:?}");
    }
}

#[test]
fn a_remote_path_with_dot_dot_stays_inside_the_run_folder() {
    // A login shell that answers the listing with paths of its own choice, as a hostile host could. All of them are
    // regular files, it says.
    let setup = r#"cat >/usr/local/bin/evil <<'E'
#!/bin/bash
[ "$2" = 'exec sh' ] || exec /bin/bash "$@"
names=(/tmp/fichier_log.txt /tmp/../../../etc/hostname /tmp/.. /tmp/x/ relative ../../up)
program=
while IFS= read -r line; do
    program+=$line$'\n'
    # The end of a program, unless it is that of a part of it.
    [ "$line" = '}' ] && bash -n <<<"$program" 2>/dev/null || continue
    case $program in
    *'$m:names:'*)
        marker=$(sed -n '/^m=/{s///p;q}' <<<"$program")
        echo "$marker:names:$(printf '%s\0' "${names[@]}" | wc -c)"
        printf '%s\0' "${names[@]}"
        printf '\n%s:facts:stat\n' "$marker"
        stat -c '81a4|%s|%Y|%u|%d %i %y|%z|%n' -- "${names[@]}" 2>/dev/null
        echo "$marker:end:0" ;;
    *) eval "$program" ;;
    esac
    program=
done
E
chmod 755 /usr/local/bin/evil
mkdir /tmp/x; echo x >/home/User_VIP/relative; echo x >/up
sed -i 's|^\(User_VIP:.*:\)/bin/bash$|\1/usr/local/bin/evil|' /etc/passwd; echo /usr/local/bin/evil >>/etc/shells"#;
    let lab = Lab::builder(&["evil", "h2"]).setup("evil", setup).up();
    for layout in ["by-host", "flat"] {
        let job = lab.job().set("collect.layout", layout).set("collect.fresh", false);
        let job = job.set("collect.as", "login");
        let run = lab.run_checked(&job);
        let seen = run.collected_files();
        assert!(!seen.iter().any(|name| name.ends_with("hostname")), "{seen:?} {run}");
        let evil = run.host("evil");
        let why = evil.skip_reason("/tmp/../../../etc/hostname");
        assert!(why.contains("fits no glob"), "the listing was the evil one: {why} {run}");
        run.host("h2").assert_succeeded();
        let top = files(&job.output());
        let id = run.path("").file_name().unwrap().to_str().unwrap().to_owned();
        let outside = |name: &&String| !name.starts_with(&format!("{id}/")) && !name.starts_with("latest");
        assert!(
            top.iter().filter(outside).all(|name| name.starts_with('.') || name.contains("lock")),
            "{top:?}"
        );
        let depth = if layout == "flat" { 0 } else { 1 };
        assert!(seen.iter().all(|name| name.matches('/').count() == depth), "{seen:?}");
    }
}
