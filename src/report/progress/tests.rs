//! The lines of each mode, byte for byte.

use std::io;
use std::sync::{Arc, Mutex};

use super::*;
use crate::outcome::{HostReport, Step};
use crate::report::samples;

/// A writer whose bytes the test reads.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A pipe whose reader closed its end.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

fn events() -> Vec<Event> {
    let hosts = vec!["exemple1".into(), "exemple2".into(), "machine2".into()];
    vec![
        Event::Started { run: "r1".to_owned(), hosts },
        Event::Step { host: "exemple1".into(), step: Step::Connect },
        Event::Step { host: "exemple1".into(), step: Step::Upload },
        Event::Note("a \x1b[31mnote\nof two lines".to_owned().into()),
        Event::Ended(Box::new(samples::succeeded_host("exemple1", 1))),
        Event::Ended(Box::new(samples::refused_host("machine2"))),
        Event::Ended(Box::new(HostReport::new("exemple2"))),
        Event::Archived { path: "/var/JGE.tar.gz".into(), bytes: 3482 },
        Event::Mailing,
    ]
}

fn progress(mode: Mode, style: Style, writer: Box<dyn Write + Send>) -> Progress {
    Progress { mode, style, writer, live: None }
}

fn output_of(mode: Mode) -> String {
    let writer = Shared::default();
    let mut progress = progress(mode, Style::Plain, Box::new(writer.clone()));
    events().iter().for_each(|event| progress.handle(event));
    progress.finish();
    String::from_utf8(writer.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn plain_is_a_line_for_each_host() {
    let expected = "\
run r1: visiting 3 hosts: exemple[1-2],machine2
note: a \\x1b[31mnote\\nof two lines
exemple1: succeeded in 1.2 s, 1 file, 3.4 KiB
machine2: unreachable at connect: connection refused (port 22); is sshd running there?
exemple2: not started
archive: /var/JGE.tar.gz (3.4 KiB)
sending the mail
";
    assert_eq!(output_of(Mode::Plain), expected);
}

#[test]
fn quiet_shows_only_hosts_that_did_not_succeed() {
    let expected = "\
machine2: unreachable at connect: connection refused (port 22); is sshd running there?
exemple2: not started
";
    assert_eq!(output_of(Mode::Quiet), expected);
}

#[test]
fn verbose_shows_steps_and_their_durations() {
    let expected = "\
run r1: visiting 3 hosts: exemple[1-2],machine2
exemple1: connect
exemple1: upload
note: a \\x1b[31mnote\\nof two lines
exemple1: succeeded in 1.2 s, 1 file, 3.4 KiB [connect 80 ms · upload 12 ms · install 30 ms · execute 1.0 s · collect 78 ms]
machine2: unreachable at connect: connection refused (port 22); is sshd running there? [connect 42 ms]
exemple2: not started
archive: /var/JGE.tar.gz (3.4 KiB)
sending the mail
";
    assert_eq!(output_of(Mode::Verbose), expected);
}

#[test]
fn a_closed_pipe_stops_nothing() {
    let mut progress = progress(Mode::Verbose, Style::Coloured, Box::new(Closed));
    events().iter().for_each(|event| progress.handle(event));
    progress.finish();
}

#[test]
fn options_choose_the_mode() {
    assert_eq!(Mode::choose(false, false, true), Mode::Live);
    assert_eq!(Mode::choose(false, false, false), Mode::Plain);
    assert_eq!(Mode::choose(true, false, true), Mode::Quiet);
    assert_eq!(Mode::choose(false, true, true), Mode::Verbose);
}

/// A terminal that was closed.
#[derive(Debug)]
struct Gone;

impl indicatif::TermLike for Gone {
    fn width(&self) -> u16 {
        80
    }
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn write_line(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn write_str(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn clear_line(&self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

#[test]
fn a_closed_terminal_stops_nothing() {
    let target = ProgressDrawTarget::term_like(Box::new(Gone));
    let live = LiveDisplay::new(target, Style::Coloured).unwrap();
    let writer = Box::new(Shared::default());
    let mut progress = Progress { mode: Mode::Live, style: Style::Coloured, writer, live: Some(live) };
    events().iter().for_each(|event| progress.handle(event));
    progress.finish();
}

#[test]
fn without_a_terminal_there_are_no_live_lines() {
    assert!(LiveDisplay::new(ProgressDrawTarget::hidden(), Style::Plain).is_none());
}
