//! Makes the command lines that run on a host, as pure functions: quoting, `sudo su`, and the supervisor, which ends
//! the script with TERM and then KILL at its time-out or when the connection ends.
//!
//! A line passes through the login shell of the login user and, under `sudo su -`, through that of the other user.
//! Either may be bash, dash, ksh or csh, so our programs reach `sh` as one argument in single quotes that holds
//! neither a newline nor a `!` before anything but a blank, which csh would interpret; `sh` puts those back. Limits:
//! the bare command of `supervise = false` is quoted for POSIX shells only.

use std::fmt::Write as _;

/// Quotes `text` as one argument for a POSIX shell.
pub fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Quotes an argument list as one command line for a POSIX shell.
pub fn quote_all<S: AsRef<str>>(args: impl IntoIterator<Item = S>) -> String {
    args.into_iter().map(|arg| quote(arg.as_ref())).collect::<Vec<_>>().join(" ")
}

/// Returns the command line by which any login shell passes `program`, in POSIX sh, to `sh` unchanged.
///
/// A program is made of arguments by [`quote_bytes`] and of our own text: neither holds a newline or a `!` that csh
/// would interpret.
pub fn in_sh(program: &str) -> String {
    format!("exec sh -c {}", quote(&format!("{}{program}", newline_for(program))))
}

/// Returns the line that runs `program` in a `sh` that reads its lines from a pipe, with its answer framed.
///
/// stdout begins with `marker` and `:`; both streams end with `marker`, `=`, the status and `;`. The program must not
/// exit, nor change what later lines depend on. Its stdin is empty: from the pipe it would read the lines that
/// follow.
pub fn framed(program: &str, marker: &str) -> String {
    let newline = newline_for(program);
    format!(
        "printf {marker}:; {{ {newline}{program}; }} </dev/null; r=$?; printf \"{marker}=$r;\"; printf \"{marker}=$r;\" >&2"
    )
}

/// Returns the line that runs the script's own command line in such a `sh`. Both streams end with `marker`, `.`, the
/// status and `;`. Its stdin is the pipe, as the supervisor's lifeline, if it is `supervised`, else empty.
pub fn script_in_shell(line: &str, marker: &str, supervised: bool) -> String {
    let stdin = if supervised { "" } else { " </dev/null" };
    // For a signal ksh93 gives 256 and its number, where others give 128.
    format!(
        "( {line} ){stdin}; r=$?; [ $r -le 256 ] || r=$((r-128)); printf \"{marker}.$r;\"; printf \"{marker}.$r;\" >&2"
    )
}

/// Returns the assignment of the variable that [`NEWLINE`] expands, for a program that uses it.
fn newline_for(program: &str) -> &'static str {
    if program.contains(NEWLINE) { "nl=$(printf '\\012.'); nl=${nl%.}; " } else { "" }
}

/// Stands for a newline in an argument by [`quote_bytes`].
const NEWLINE: &str = "\"$nl\"";

/// Quotes any bytes but NUL as one argument inside a program for [`in_sh`]: also those that csh would interpret, and
/// those that are no UTF-8, which become octal escapes.
pub fn quote_bytes(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for part in chunk.valid().split_inclusive(['\n', '!']) {
            let plain = part.trim_end_matches(['\n', '!']);
            if !plain.is_empty() {
                text.push_str(&quote(plain));
            }
            match part.get(plain.len()..) {
                Some("\n") => text.push_str(NEWLINE),
                Some("!") => text.push_str("\"$(printf '\\041')\""),
                _ => {}
            }
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\"$(printf '\\{byte:03o}')\"");
        }
    }
    if text.is_empty() { quote("") } else { text }
}

/// Quotes a glob inside a program for [`in_sh`]: `*`, `?` and plain `[…]` keep their meaning, all else means itself.
pub fn quote_glob(pattern: &str) -> String {
    let mut text = String::new();
    let mut literal = String::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let length = wildcard_length(rest);
        if length == 0 {
            literal.push(c);
        } else {
            if !literal.is_empty() {
                text.push_str(&quote(&std::mem::take(&mut literal)));
            }
            text.push_str(rest.get(..length).unwrap_or_default());
        }
        rest = rest.get(length.max(c.len_utf8())..).unwrap_or_default();
    }
    if !literal.is_empty() {
        text.push_str(&quote(&literal));
    }
    text
}

/// Returns how many bytes at the start of `text` are a wildcard; 0 for none.
fn wildcard_length(text: &str) -> usize {
    match text.chars().next() {
        Some('*' | '?') => 1,
        Some('[') => match text.find(']') {
            Some(end) if end > 1 => {
                let inside = text.get(1..end).unwrap_or_default();
                let plain = inside.chars().all(|c| c.is_ascii_alphanumeric() || "^_.-".contains(c));
                if plain { end + 1 } else { 0 }
            }
            _ => 0,
        },
        _ => 0,
    }
}

/// Returns the line that runs `command` as `user`, in that user's login environment, and never asks for a password.
pub fn run_as(user: &str, command: &str) -> String {
    format!("sudo -n su - {} -c {}", quote(user), quote(command))
}

/// Makes random text that nobody can guess: it tells our own output from that of others.
pub fn random_marker() -> String {
    format!("recolte-{:032x}", rand::random::<u128>())
}

/// The seconds that a script has from TERM, at its time-out or the request to stop, to KILL.
pub const GRACE_SECONDS: u32 = 10;

/// Returns the line that runs `args`, the script, under a supervisor: a small program that ends the script when its
/// lifeline ends, and says on stderr when it begins and how it ends.
///
/// The lifeline is stdin, which sshd closes when our connection ends in whatever way: then the process group gets
/// TERM, and KILL after [`GRACE_SECONDS`]. The script has an empty stdin of its own; its output and its exit status
/// pass through unchanged. `{marker}+` is written as it begins, `{marker}=N;` as it ends with status N. A process
/// that left the group (a daemon) is not touched.
pub fn supervise<S: AsRef<str>>(args: impl IntoIterator<Item = S>, marker: &str) -> String {
    let args: Vec<String> = args.into_iter().map(|arg| quote_bytes(arg.as_ref().as_bytes())).collect();
    // The watcher, a background process. It ignores the signals that it sends to its own group (`kill 0`). It sleeps
    // in `read` until the lifeline ends (a line on it would count as its end; none is sent). USR1 tells the
    // supervisor ($$) first: the script may be just about to begin, and would miss its TERM. Within 0.2 s (1 s where
    // `sleep` knows no fractions) it has begun, or was told not to. KILL follows as soon as the supervisor is gone,
    // at the latest after the grace: it ends what ignored TERM, and the watcher itself.
    let watch = format!(
        "trap \"\" HUP INT TERM; read -r x <&3; kill -USR1 $$; sleep 0.2 || sleep 1; kill -TERM 0; n=0; \
         while kill -0 $$ && [ $n -lt {GRACE_SECONDS} ]; do sleep 1; n=$((n+1)); done; kill -KILL 0"
    );
    // The supervisor, line by line:
    // - fd 3 is the lifeline, fd 4 the real stderr. Its own stderr is closed off, since bash and dash report there
    //   how the script died. Signals are caught by `:`, not ignored: the script would inherit that they are ignored.
    // - The watcher must hold neither of the script's streams: they would not end with the script. Then `+`.
    // - The script, unless the lifeline has just ended (143 is TERM). In a subshell, since dash reports a death on
    //   the stderr that the command was redirected to. For a signal ksh93 gives 256 and its number, others 128.
    // - After the lifeline ended: the rest of the group has a second to act on TERM, then KILL ends it, this shell
    //   and the watcher. No status is written: we asked for the end, and see it by the streams' end.
    // - After the script's own end: the watcher is ended and waited for, so that nothing of ours remains.
    in_sh(&format!(
        "exec 3<&0 4>&2 </dev/null 2>/dev/null; t=; trap t=1 USR1; trap : HUP INT TERM; \
         ( {watch} ) >/dev/null 4>&- & w=$! ; printf {marker}+ >&4; \
         ( [ \"$t\" ] && exit 143; exec {} 3<&- 2>&4 4>&- ); r=$?; [ $r -le 256 ] || r=$((r-128)); \
         if [ \"$t\" ]; then sleep 1; kill -KILL 0; fi; \
         kill -KILL $w; wait $w; printf \"{marker}=$r;\" >&4; exit $r",
        args.join(" ")
    ))
}

/// Returns the program that waits until no supervisor with this marker runs any more: that of an earlier attempt has
/// lost its lifeline and is ending. Waits as long as that may take.
pub fn wait_for_orphan(marker: &str) -> String {
    // With its first letter in brackets, the pattern does not match the command line of this program itself.
    let (first, rest) = marker.split_at_checked(1).unwrap_or((marker, ""));
    let max = GRACE_SECONDS + 5;
    format!(
        "n=0; while ps -A -o args 2>/dev/null | grep -q '[{first}]{rest}' && [ $n -lt {max} ]; do sleep 1; n=$((n+1)); done"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read as _;
    use std::process::{Command, Output, Stdio};

    fn run(shell: &str, line: &str) -> Output {
        Command::new(shell).args(["-c", line]).stdin(Stdio::null()).output().unwrap()
    }

    #[test]
    fn arguments_that_need_no_quotes_get_none() {
        assert_eq!(quote_all(["cp", "-P", "/tmp/a b", "it's"]), r"cp -P '/tmp/a b' 'it'\''s'");
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn a_glob_keeps_its_wildcards_and_nothing_else() {
        assert_eq!(quote_glob("/tmp/fichier_*log.txt"), "/tmp/fichier_*log.txt");
        assert_eq!(quote_glob("/tmp/a b?[0-9].$(id)"), "'/tmp/a b'?[0-9]'.$(id)'");
        assert_eq!(quote_glob("x[;id]"), "'x[;id]'");
        assert_eq!(quote_glob("é*["), "'é'*'['");
    }

    #[test]
    fn the_bare_command_is_the_one_of_the_old_script() {
        let inner = quote_all(["/home/User_VIP/script/Fichier_fourni.sh", "SOC_PRODUCTION"]);
        assert_eq!(
            run_as("User_DollarU", &inner),
            "sudo -n su - User_DollarU -c '/home/User_VIP/script/Fichier_fourni.sh SOC_PRODUCTION'"
        );
    }

    #[test]
    fn a_supervised_line_holds_nothing_that_csh_interprets() {
        let line = supervise(["/bin/echo", "a\nb!", "\u{e9}'"], "recolte-1");
        // csh leaves a `!` alone where a blank follows.
        assert!(!line.contains('\n') && !line.replace("! ", "").contains('!'), "{line}");
    }

    #[test]
    fn a_supervised_script_keeps_its_output_its_status_and_an_empty_stdin() {
        let script = "cat; echo out; echo err >&2; exit 7";
        let mut child = Command::new("sh")
            .args(["-c", &supervise(["sh", "-c", script], "recolte-1")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lifeline = child.stdin.take();
        let (mut out, mut err) = (String::new(), String::new());
        child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!((out.as_str(), err.as_str()), ("out\n", "recolte-1+err\nrecolte-1=7;"));
        assert_eq!(child.wait().unwrap().code(), Some(7));
        drop(lifeline);
    }

    #[test]
    fn a_script_that_begins_as_its_lifeline_ends_does_not_miss_its_term() {
        use std::os::unix::process::CommandExt as _;
        let script = "trap 'echo term; exit' TERM; echo up; while :; do sleep 0.1; done";
        let start = |shell: &str| {
            let line = supervise(["sh", "-c", script], "recolte-1");
            let mut command = Command::new(shell);
            // A group of its own: all of it is killed in the end.
            command.args(["-c", &line]).process_group(0);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
        };
        let all: Vec<_> = ["sh", "bash"].into_iter().cycle().take(24).map(start).collect();
        for child in all {
            let output = child.wait_with_output().unwrap().stdout;
            assert!([&b""[..], b"up\nterm\n", b"term\n"].contains(&&*output), "{}", output.escape_ascii());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn every_argument_arrives_unchanged(args in prop::collection::vec("[^\0]{0,12}", 1..4)) {
            let mut all = vec!["printf", "%s\\0"];
            all.extend(args.iter().map(String::as_str));
            let expected: Vec<u8> = args.iter().flat_map(|arg| arg.bytes().chain([0])).collect();
            for inner in [quote_all(&all), in_sh(&all.iter().map(|arg| quote_bytes(arg.as_bytes())).collect::<Vec<_>>().join(" "))] {
                let through_two_shells = format!("sh -c {}", quote(&inner));
                prop_assert_eq!(&run("sh", &through_two_shells).stdout, &expected);
                prop_assert_eq!(&run("bash", &inner).stdout, &expected);
            }
        }

        #[test]
        fn any_bytes_are_an_argument(bytes in prop::collection::vec(1u8.., 0..24)) {
            prop_assert_eq!(run("sh", &in_sh(&format!("printf %s {}", quote_bytes(&bytes)))).stdout, bytes);
        }

        #[test]
        fn a_glob_runs_nothing(pattern in "[^\0]{0,16}") {
            let output = run("sh", &format!("for f in {}; do :; done; printf done", quote_glob(&pattern)));
            prop_assert_eq!(output.stdout, b"done");
        }
    }
}
