//! The protocol of a channel: the programs that are sent to a shell on the host, and the messages that come back.
//!
//! # Programs
//! A program is one compound command, `{ … }`, with all its data inside. dash and busybox read ahead on their input:
//! what is sent too early would be missing where it is meant to be read. So nothing is sent until the last message of
//! the program before has come, and of a program that arrives in part nothing runs. A program sets `m`, the marker:
//! random text that nobody else on the host knows. It is never an argument of a process, nor in an environment, nor
//! in a file; that is why it is printed by `echo`, which every shell has built in, and never by `printf`.
//!
//! # Messages
//! ```text
//! message = MARKER ":" word *( ":" field ) NL [ data NL ]
//! ready   = "recolte-ready-" number " " count NL          the launcher, on both streams; it does not know the marker
//! ```
//! | message | from | meaning |
//! |---|---|---|
//! | `begin` | login shell, stdout | a program began: what was printed before is not its output |
//! | `end:STATUS` | login shell, both streams; launcher's shell, one | a program ended |
//! | `login:STATUS` | login shell, both streams | the execute line ended: sudo, su, or the launcher's shell |
//! | `refused:arguments`, `refused:executable` | launcher's shell, one | *go* came, and the script was not begun |
//! | `exit:STATUS` | launcher's shell, both streams | the script ended; what came before is its own output |
//! | `names:N`, data | any shell | the names that the globs match, a NUL behind each |
//! | `facts:KIND` | any shell | lines of `stat` or `ls` follow, up to the next message |
//! | `file:NUMBER:N`, data | any shell | N bytes of a file; fewer if a message comes first |
//! | `error:N`, data | any shell | the shell's words on a file that cannot be read |
//!
//! Data is framed by its length, so that a file may hold anything. What stands between messages is not ours: the
//! noise of a profile, or the script's output. Limits: the texts of the programs are in `sh/`, a file each.

mod parser;

pub use parser::{Item, Parser};

use crate::shell_quoting::{quote_glob, quote_raw};

/// The launcher: the file on the host that becomes the shell in which the script runs. It runs nothing by itself.
pub const LAUNCHER: &str = include_str!("sh/launcher.sh");

/// The program that installs the script and the launcher, see there.
pub const INSTALL: &str = include_str!("sh/install.sh");

/// The program that waits for the end of a script whose channel is gone, see there.
pub const WAIT_FOR_END: &str = include_str!("sh/wait.sh");

/// The program that looks at the install folder for a check, see there.
pub const LOOK_AT_INSTALL: &str = include_str!("sh/look.sh");

/// The number of the launcher's protocol: in its name, and in its first line of output.
pub const LAUNCHER_NUMBER: u32 = 1;

/// The bytes that `sh/send.sh` reads at once.
const BLOCK: u64 = 65536;

/// A stream of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// Returns the stream's own of two values.
    pub fn pick<T>(self, [stdout, stderr]: &mut [T; 2]) -> &mut T {
        if self == Self::Stdout { stdout } else { stderr }
    }

    /// Returns the other stream.
    pub fn other(self) -> Self {
        if self == Self::Stdout { Self::Stderr } else { Self::Stdout }
    }

    /// Returns the variable that tells a program where to answer.
    fn variable(self) -> (&'static str, &'static [u8]) {
        ("o", if self == Self::Stdout { b"1" } else { b"2" })
    }
}

/// Random text by which our messages are told from everything else on a stream.
#[derive(Debug, Clone)]
pub struct Marker(String);

impl Marker {
    /// Makes a marker that nobody can guess.
    pub fn random() -> Self {
        Self(crate::shell_quoting::random_marker())
    }

    /// Makes a program that sets variables and then does what `parts` say.
    fn program(&self, variables: &[(&str, &[u8])], parts: &[&[u8]]) -> Vec<u8> {
        let mut program = format!("{{\nm={}\n", self.0).into_bytes();
        for (name, value) in variables {
            program.extend([name.as_bytes(), b"=", &quote_raw(value), b"\n"].concat());
        }
        parts.iter().for_each(|part| program.extend_from_slice(part));
        program.extend_from_slice(b"}\n");
        program
    }

    /// Makes a program for the login user's shell: `body` has no input, and both streams tell its end.
    pub fn login_program(&self, variables: &[(&str, &[u8])], body: &str) -> Vec<u8> {
        let end = b") </dev/null\nr=$?\necho \"$m:end:$r\"\necho \"$m:end:$r\" >&2\n";
        self.program(variables, &[b"echo \"$m:begin\"\n(\n", body.as_bytes(), b"\n", end])
    }

    /// Makes the execute line: `command`, which gets the channel as its input. It is the last program that the login
    /// user's shell reads: after a profile that gives the input away, this shell would else read the next ones.
    pub fn execute_line(&self, command: &str) -> Vec<u8> {
        let end = b"\nr=$?\necho \"$m:login:$r\"\necho \"$m:login:$r\" >&2\nexit\n";
        self.program(&[], &[command.as_bytes(), end])
    }

    /// Makes the program that lists what the globs match, with up to `small_files` small files themselves.
    pub fn list(&self, answers: Stream, globs: &[String], small_files: usize) -> Vec<u8> {
        self.program(&[answers.variable()], &[list_with(globs, small_files).as_bytes()])
    }

    /// Makes the program that runs the script, *go*, and then lists what the globs match.
    pub fn go(
        &self,
        answers: Stream,
        run: &str,
        argv: &[String],
        globs: &[String],
        small_files: usize,
    ) -> Vec<u8> {
        let go = without_comments(include_str!("sh/go.sh"));
        let parts = [same_arguments(argv), go, list_with(globs, small_files)].concat();
        self.program(&[answers.variable(), ("i", run.as_bytes())], &[parts.as_bytes()])
    }

    /// Makes the program that sends a file, up to `bytes` of it, and then its facts.
    pub fn send_file(&self, answers: Stream, name: &[u8], bytes: u64) -> Vec<u8> {
        // Divided here: a shell may count with 32 bits.
        let [whole, blocks, rest] = [bytes, bytes / BLOCK, bytes % BLOCK].map(|number| number.to_string());
        let variables = [
            answers.variable(),
            ("f", name),
            ("b", whole.as_bytes()),
            ("k", blocks.as_bytes()),
            ("r", rest.as_bytes()),
        ];
        self.program(&variables, &[with_facts(include_str!("sh/send.sh")).as_bytes()])
    }
}

/// Returns the text of a program file without the lines that are comments: they need not travel.
fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(|line| [line, "\n"]).collect()
}

/// Returns the text of a program file that uses the function `facts`.
fn with_facts(text: &str) -> String {
    without_comments(&text.replace("# @facts", include_str!("sh/facts.sh")))
}

/// Returns the listing's text, with its globs and the number of small files that it sends.
fn list_with(globs: &[String], small_files: usize) -> String {
    let globs: Vec<String> = globs.iter().map(|glob| quote_glob(glob)).collect();
    let globs = String::from_utf8_lossy(&quote_raw(globs.join(" ").as_bytes())).into_owned();
    format!("g={globs}\nk={small_files}\n{}", with_facts(include_str!("sh/list.sh")))
}

/// Returns a function that compares its arguments with what is meant to run.
fn same_arguments(argv: &[String]) -> String {
    let mut text = format!("same() {{ [ $# -eq {} ]", argv.len());
    for (number, argument) in (1..).zip(argv) {
        let argument = quote_raw(format!("x{argument}").as_bytes());
        text.push_str(&format!(" && [ \"x${{{number}}}\" = {} ]", String::from_utf8_lossy(&argument)));
    }
    text + "; }\n"
}

/// The tools by which a host tells the facts of its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactsKind {
    /// `stat` of GNU or busybox: nanoseconds, where the host has them.
    Stat,
    /// `ls -dilns`: minutes.
    Ls,
}

/// A message of a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// A program of the login user's shell began.
    Begin,
    /// A program ended with this status.
    End(i32),
    /// The execute line ended with this status.
    Login(i32),
    /// The arguments that arrived are not those that were meant; nothing ran.
    RefusedArguments,
    /// The script cannot be executed; nothing ran.
    RefusedExecutable,
    /// The script ended with this status.
    Exit(i32),
    /// So many bytes of names follow.
    Names(u64),
    /// Lines of facts follow.
    Facts(FactsKind),
    /// So many bytes of a file follow.
    File(usize, u64),
    /// So many bytes follow: why a file cannot be read.
    Error(u64),
    /// A message that this protocol does not know.
    Unknown,
}

impl Message {
    fn parse(text: &str) -> Self {
        let mut fields = text.split(':');
        let (word, first, second) = (fields.next(), fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        let parse = || {
            Some(match (word?, first) {
                ("begin", _) => Self::Begin,
                ("end", status) => Self::End(status.parse().ok()?),
                ("login", status) => Self::Login(status.parse().ok()?),
                ("exit", status) => Self::Exit(status.parse().ok()?),
                ("refused", "arguments") => Self::RefusedArguments,
                ("refused", "executable") => Self::RefusedExecutable,
                ("names", bytes) => Self::Names(bytes.parse().ok()?),
                ("facts", "stat") => Self::Facts(FactsKind::Stat),
                ("facts", "ls") => Self::Facts(FactsKind::Ls),
                ("file", number) => Self::File(number.parse().ok()?, second.parse().ok()?),
                ("error", bytes) => Self::Error(bytes.parse().ok()?),
                _ => return None,
            })
        };
        parse().unwrap_or(Self::Unknown)
    }

    /// Returns how many bytes of data follow, if data follows.
    fn data(self) -> Option<u64> {
        match self {
            Self::Names(bytes) | Self::File(_, bytes) | Self::Error(bytes) => Some(bytes),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::{Command, Stdio};

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    /// Parses a stream that arrives in the given pieces, with adjacent text and adjacent data joined.
    fn parse(marker: &Marker, pieces: &[&[u8]], awaits_ready: bool) -> Vec<Item> {
        let mut parser = Parser::new(marker);
        parser.awaits_ready = awaits_ready;
        let mut items: Vec<Item> = Vec::new();
        let mut take = |item: Item| match (items.last_mut(), item) {
            (Some(Item::Text(text)), Item::Text(more)) => *text = [&text[..], &more].concat().into(),
            (Some(Item::Data(data)), Item::Data(more)) => *data = [&data[..], &more].concat().into(),
            (_, item) => items.push(item),
        };
        for piece in pieces {
            parser.buffer.extend_from_slice(piece);
            while let Some(item) = parser.next() {
                take(item);
            }
        }
        parser.finish().into_iter().for_each(take);
        items
    }

    /// Says a program to a shell with these arguments. Returns what its stdout says.
    fn say(shell: &[&str], marker: &Marker, program: &[u8], argv: &[String]) -> Vec<Item> {
        let (program_name, options) = shell.split_first().unwrap();
        let mut child = Command::new(program_name)
            .args(options)
            .args(["-s", "--"])
            .args(argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Its input stays open, as a channel does: a script is stopped when it ends.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(program).unwrap();
        let end = format!("{}:end:", marker.0);
        let mut output = Vec::new();
        let mut stdout = child.stdout.take().unwrap();
        let mut byte = [0; 1];
        while !output.windows(end.len()).any(|window| window == end.as_bytes())
            || output.last() != Some(&b'\n')
        {
            assert_eq!(std::io::Read::read(&mut stdout, &mut byte).unwrap(), 1, "{}", output.escape_ascii());
            output.push(byte[0]);
        }
        drop(stdin);
        child.wait().unwrap();
        parse(marker, &[&output], false)
    }

    #[test]
    fn messages_and_data_are_told_apart_wherever_the_stream_is_cut() {
        let marker = Marker("recolte-0123".to_owned());
        let m = &marker.0;
        let stream = format!(
            "noise recolte-ready-x\nrecolte-ready-1 2\nprompt {m}:begin\nrecolte-0 text\n{m}:file:0:9\n{m}\n\n\n\
             {m}:exit:3\n{m}:file:1:100\ncut short\n{m}:names:2\na\0\n{m}:facts:ls\nline\n{m}:odd:1\n{m}:end:0\nlast"
        );
        let text = |text: &'static str| Item::Text(Bytes::from_static(text.as_bytes()));
        let stream = stream.replace(&format!("{m}\n\n\n"), "recolte-\n\n");
        let expected = [
            text("noise recolte-ready-x\n"),
            Item::Ready(1, 2),
            text("prompt "),
            Item::Message(Message::Begin),
            text("recolte-0 text\n"),
            Item::Message(Message::File(0, 9)),
            Item::Data(Bytes::from_static(b"recolte-\n")),
            Item::Message(Message::Exit(3)),
            Item::Message(Message::File(1, 100)),
            Item::Data(Bytes::from_static(b"cut short\n")),
            Item::DataCutShort,
            Item::Message(Message::Names(2)),
            Item::Data(Bytes::from_static(b"a\0")),
            Item::Message(Message::Facts(FactsKind::Ls)),
            text("line\n"),
            Item::Message(Message::Unknown),
            Item::Message(Message::End(0)),
            text("last"),
        ];
        let bytes = stream.as_bytes();
        for cut in 0..=bytes.len() {
            assert_eq!(parse(&marker, &[&bytes[..cut], &bytes[cut..]], true), expected, "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(parse(&marker, &single, true), expected);
    }

    proptest! {
        #[test]
        fn data_arrives_whole_whatever_it_holds(data in prop::collection::vec(any::<u8>(), 0..200), cut in 0..300_usize) {
            let marker = Marker::random();
            let head = format!("{}:file:0:{}\n", marker.0, data.len());
            let stream = [head.as_bytes(), &data, b"\n", marker.0.as_bytes(), b":end:0\n"].concat();
            let (first, rest) = stream.split_at(cut.min(stream.len()));
            let mut expected = vec![Item::Message(Message::File(0, data.len() as u64))];
            if !data.is_empty() {
                expected.push(Item::Data(data.into()));
            }
            expected.push(Item::Message(Message::End(0)));
            prop_assert_eq!(parse(&marker, &[first, rest], false), expected);
        }
    }

    #[test]
    fn programs_and_answers_agree_in_every_shell() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let script = path("script");
        fs::write(&script, "#!/bin/sh\nprintf '%s|' \"$@\"; echo \"recolte-ready-1 9\"; exit 7\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(path("a b'\n_log"), "small").unwrap();
        let argv = vec![script, "it's a\\ \"b\"".to_owned(), String::new(), "\n!".to_owned()];
        let globs = [path("*_log")];
        for shell in [&["sh"][..], &["bash", "--posix"], &["dash"], &["ksh"], &["mksh"], &["busybox", "sh"]] {
            let marker = Marker::random();
            let items = say(shell, &marker, &marker.go(Stream::Stdout, "RUN", &argv, &globs, 4), &argv);
            let output = format!("{}|recolte-ready-1 9\n", argv[1..].join("|"));
            assert_eq!(items[0], Item::Text(output.into()), "{shell:?}");
            assert_eq!(items[1], Item::Message(Message::Exit(7)), "{shell:?}");
            let listing = crate::remote::Listing::parse(items[2..items.len() - 1].to_vec()).unwrap();
            let name = path("a b'\n_log").into_bytes();
            assert_eq!(listing.files.iter().map(|file| &file.name).collect::<Vec<_>>(), [&name], "{shell:?}");
            assert_eq!(listing.contents[&name], b"small"[..], "{shell:?}");
            assert_eq!(items.last(), Some(&Item::Message(Message::End(0))));

            let items = say(shell, &marker, &marker.send_file(Stream::Stdout, &name, 4), &argv);
            let sent = [Item::Message(Message::File(0, 4)), Item::Data(Bytes::from_static(b"smal"))];
            assert_eq!(items[..2], sent, "{shell:?}");
            let other = ["other".to_owned()];
            let items = say(shell, &marker, &marker.go(Stream::Stdout, "RUN", &other, &[], 0), &argv);
            assert_eq!(items[0], Item::Message(Message::RefusedArguments), "{shell:?}");
        }
    }
}
