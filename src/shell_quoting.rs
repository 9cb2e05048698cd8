//! The command lines that run on a host, as pure functions: quoting, `sudo su`, the supervisor.
//!
//! A line passes through the login shell of the login user and, under `sudo su -`, through that of the other user.
//! Either may be bash, dash, ksh or csh, so what reaches them is one word in single quotes that holds neither a
//! newline nor a `!` before anything but a blank, which csh would read in its own way; `sh` puts those back. Limits: the bare command of
//! `supervise = false` is quoted for POSIX shells only.

use std::fmt::Write as _;

/// One word of a POSIX shell that means exactly `text`.
pub fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The words of an argument list as one line of a POSIX shell.
pub fn line<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    words.into_iter().map(|word| quote(word.as_ref())).collect::<Vec<_>>().join(" ")
}

/// `program`, in POSIX sh, as one line that any login shell hands to `sh` unchanged.
///
/// Programs are made of [`word`]s and of this file's own text, so they hold no newline and no `!` that csh reads.
pub fn in_sh(program: &str) -> String {
    format!("exec sh -c {}", quote(&format!("{}{program}", newline_for(program))))
}

/// `program`, which neither exits nor changes what later lines see, for a `sh` that reads its lines from a pipe: it cannot
/// eat the lines that follow, its output begins with `mark` and `:`, and both its streams end with `mark`, `=`, its status and `;`.
pub fn asked(program: &str, mark: &str) -> String {
    let newline = newline_for(program);
    format!(
        "printf {mark}:; {{ {newline}{program}; }} </dev/null; r=$?; printf \"{mark}=$r;\"; printf \"{mark}=$r;\" >&2"
    )
}

/// `line`, which runs the script, for such a `sh`. Both its streams end with `mark`, `.`, its status and
/// `;`. Its stdin is the pipe, as a lifeline, if it is `supervised`, else empty.
pub fn executed(line: &str, mark: &str, supervised: bool) -> String {
    let stdin = if supervised { "" } else { " </dev/null" };
    // ksh93 says 256 and the signal's number where others say 128.
    format!(
        "( {line} ){stdin}; r=$?; [ $r -le 256 ] || r=$((r-128)); printf \"{mark}.$r;\"; printf \"{mark}.$r;\" >&2"
    )
}

/// Sets the variable behind [`NEWLINE`] for a program that uses it.
fn newline_for(program: &str) -> &'static str {
    if program.contains(NEWLINE) { "nl=$(printf '\\012.'); nl=${nl%.}; " } else { "" }
}

/// What stands for a newline in a [`word`]; [`in_sh`] sets the variable where it is used.
const NEWLINE: &str = "\"$nl\"";

/// A word inside a program for [`in_sh`]: any bytes but NUL, also those that csh or UTF-8 would not let through.
pub fn word(bytes: &[u8]) -> String {
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

/// A glob inside a program for [`in_sh`]: `*`, `?` and plain `[…]` keep their meaning, all else means itself.
pub fn glob(pattern: &str) -> String {
    let mut text = String::new();
    let mut literal = String::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let wild = wildcard(rest);
        if wild == 0 {
            literal.push(c);
        } else {
            if !literal.is_empty() {
                text.push_str(&quote(&std::mem::take(&mut literal)));
            }
            text.push_str(rest.get(..wild).unwrap_or_default());
        }
        rest = rest.get(wild.max(c.len_utf8())..).unwrap_or_default();
    }
    if !literal.is_empty() {
        text.push_str(&quote(&literal));
    }
    text
}

/// How many bytes at the start of `text` are a wildcard; 0 for none.
fn wildcard(text: &str) -> usize {
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

/// The line that runs `command` as `user`, in that user's login environment, without ever asking for a password.
pub fn run_as(user: &str, command: &str) -> String {
    format!("sudo -n su - {} -c {}", quote(user), quote(command))
}

/// A random mark by which the supervisor's own words are told from the script's.
pub fn mark() -> String {
    format!("recolte-{:032x}", rand::random::<u128>())
}

/// How many seconds the script has between TERM and KILL.
pub const GRACE_SECONDS: u32 = 10;

/// Runs `words` so that they do not outlive their reason, and says on stderr when they begin and how they end.
///
/// stdin is the lifeline: at its end the process group gets TERM, then KILL. The script has an empty stdin of its
/// own; its output and its exit status pass through unchanged. `{mark}+` is written as it begins, `{mark}=N;` as it
/// ends with status N. A process that left the group (a daemon) is not touched.
pub fn supervise<S: AsRef<str>>(words: impl IntoIterator<Item = S>, mark: &str) -> String {
    let words: Vec<String> = words.into_iter().map(|w| word(w.as_ref().as_bytes())).collect();
    let watch = format!(
        "trap \"\" HUP INT TERM; read -r x <&3; kill -USR1 $$; sleep 0.2 || sleep 1; kill -TERM 0; n=0; \
         while kill -0 $$ && [ $n -lt {GRACE_SECONDS} ]; do sleep 1; n=$((n+1)); done; kill -KILL 0"
    );
    // A script that is just about to begin must not miss its TERM: it has a moment to begin, or is told not to.
    // The shell's own stderr is closed off: bash and dash report there how the script died; dash goes by the
    // redirections of a command, hence the subshell. ksh93 says 256 and the signal's number where others say 128.
    in_sh(&format!(
        "exec 3<&0 4>&2 </dev/null 2>/dev/null; t=; trap t=1 USR1; trap : HUP INT TERM; \
         ( {watch} ) >/dev/null 4>&- & w=$! ; printf {mark}+ >&4; ( [ \"$t\" ] && exit 143; exec {} 3<&- 2>&4 4>&- ); r=$?; [ $r -le 256 ] || r=$((r-128)); \
         if [ \"$t\" ]; then sleep 1; kill -KILL 0; fi; \
         kill -KILL $w; wait $w; printf \"{mark}=$r;\" >&4; exit $r",
        words.join(" ")
    ))
}

/// A program that waits for the end of what [`supervise`] began with this mark, as long as its ending may take.
pub fn wait_for_orphan(mark: &str) -> String {
    // So written, the pattern does not find the line that holds it.
    let (first, rest) = mark.split_at_checked(1).unwrap_or((mark, ""));
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
    fn words_that_need_no_quotes_get_none() {
        assert_eq!(line(["cp", "-P", "/tmp/a b", "it's"]), r"cp -P '/tmp/a b' 'it'\''s'");
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn a_glob_keeps_its_wildcards_and_nothing_else() {
        assert_eq!(glob("/tmp/fichier_*log.txt"), "/tmp/fichier_*log.txt");
        assert_eq!(glob("/tmp/a b?[0-9].$(id)"), "'/tmp/a b'?[0-9]'.$(id)'");
        assert_eq!(glob("x[;id]"), "'x[;id]'");
        assert_eq!(glob("é*["), "'é'*'['");
    }

    #[test]
    fn the_bare_command_is_the_one_of_the_old_script() {
        let inner = line(["/home/User_VIP/script/Fichier_fourni.sh", "SOC_PRODUCTION"]);
        assert_eq!(
            run_as("User_DollarU", &inner),
            "sudo -n su - User_DollarU -c '/home/User_VIP/script/Fichier_fourni.sh SOC_PRODUCTION'"
        );
    }

    #[test]
    fn a_supervised_line_holds_nothing_that_csh_reads_otherwise() {
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
            let said = child.wait_with_output().unwrap().stdout;
            assert!([&b""[..], b"up\nterm\n", b"term\n"].contains(&&*said), "{}", said.escape_ascii());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn every_word_arrives_unchanged(words in prop::collection::vec("[^\0]{0,12}", 1..4)) {
            let mut all = vec!["printf", "%s\\0"];
            all.extend(words.iter().map(String::as_str));
            let wanted: Vec<u8> = words.iter().flat_map(|w| w.bytes().chain([0])).collect();
            for inner in [line(&all), in_sh(&all.iter().map(|w| word(w.as_bytes())).collect::<Vec<_>>().join(" "))] {
                let through_two_shells = format!("sh -c {}", quote(&inner));
                prop_assert_eq!(&run("sh", &through_two_shells).stdout, &wanted);
                prop_assert_eq!(&run("bash", &inner).stdout, &wanted);
            }
        }

        #[test]
        fn any_bytes_are_a_word(bytes in prop::collection::vec(1u8.., 0..24)) {
            prop_assert_eq!(run("sh", &in_sh(&format!("printf %s {}", word(&bytes)))).stdout, bytes);
        }

        #[test]
        fn a_glob_runs_nothing(pattern in "[^\0]{0,16}") {
            let output = run("sh", &format!("for f in {}; do :; done; printf done", glob(&pattern)));
            prop_assert_eq!(output.stdout, b"done");
        }
    }
}
