//! How a host's end is said in words: the same ones on the terminal, in the files and in the mail.
//!
//! Pure. Nothing leaves this file that was not made printable and cut to a length.

use std::time::Duration;

use super::units;
use crate::escape::escape;
use crate::outcome::{HostReport, Outcome};

/// The most characters of a message or a hint.
const MESSAGE: usize = 600;
/// The most characters of a path.
const PATH: usize = 1200;

/// Foreign text, harmless and of at most `max` characters.
pub(crate) fn clean(text: &str, max: usize) -> String {
    let mut head = text.chars();
    let shown: String = head.by_ref().take(max).collect();
    let cut = if head.next().is_some() { "…" } else { "" };
    format!("{}{cut}", escape(shown.as_bytes()))
}

/// A path or a name, as [`clean`].
pub(crate) fn path(text: &str) -> String {
    clean(text, PATH)
}

/// A message or a hint, as [`clean`].
pub(crate) fn message(text: &str) -> String {
    clean(text, MESSAGE)
}

/// Why the host did not succeed: the message, else the word for machines.
pub(crate) fn why(host: &HostReport) -> Option<String> {
    let word = || host.cause.map(|cause| cause.to_string().replace('_', " "));
    host.message.as_deref().map(message).or_else(word)
}

/// `1 file`, `12 files`; `no files`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match number {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// `12 files, 3.4 KiB`.
pub(crate) fn files_and_size(files: usize, bytes: u64) -> String {
    match files {
        0 => count(0, "file"),
        _ => format!("{}, {}", count(files, "file"), units::bytes(bytes)),
    }
}

/// `failed at execute`.
pub(crate) fn end(host: &HostReport) -> String {
    let at = host.step.map(|step| format!(" at {step}")).unwrap_or_default();
    format!("{}{at}", host.outcome.words())
}

/// The whole of it in one sentence, without the host's name.
pub(crate) fn sentence(host: &HostReport) -> String {
    let mut text = end(host);
    if host.outcome == Outcome::Succeeded {
        let took = took(host).map(|took| format!(" in {}", units::duration(took))).unwrap_or_default();
        return format!("{text}{took}, {}", files_and_size(host.files.len(), size(host)));
    }
    if let Some(why) = why(host) {
        text = format!("{text}: {why}");
    }
    if !host.files.is_empty() {
        text = format!("{text} ({} brought home)", files_and_size(host.files.len(), size(host)));
    }
    if let Some(hint) = &host.hint {
        text = format!("{text}; {}", message(hint));
    }
    text
}

/// `connect 0.1 s · upload 42 ms`.
pub(crate) fn steps(host: &HostReport) -> String {
    let length = |ms| units::duration(Duration::from_millis(ms));
    let steps: Vec<String> = host.steps.iter().map(|s| format!("{} {}", s.step, length(s.ms))).collect();
    steps.join(" · ")
}

/// How long the visit took, if there was one.
pub(crate) fn took(host: &HostReport) -> Option<Duration> {
    Some(units::between(host.started?, host.ended?))
}

/// The bytes brought home from the host.
pub(crate) fn size(host: &HostReport) -> u64 {
    host.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Cause, Step};
    use crate::report::samples;

    #[test]
    fn a_sentence_says_how_it_ended_and_the_way_out() {
        assert_eq!(sentence(&samples::good("a", 1)), "succeeded in 1.2 s, 1 file, 3.4 KiB");
        assert_eq!(
            sentence(&samples::refused("b")),
            "unreachable at connect: connection refused (port 22); is sshd running there?"
        );
        let mut failed = samples::failed("c", 3);
        failed.files = samples::good("c", 2).files;
        assert_eq!(
            sentence(&failed),
            "failed at execute: the script ended with status 3 (2 files, 6.8 KiB brought home)"
        );
        assert_eq!(sentence(&HostReport::new("d")), "not started");
    }

    #[test]
    fn without_a_message_the_cause_speaks() {
        let mut host = HostReport::new("a");
        host.outcome = Outcome::Failed;
        host.step = Some(Step::Collect);
        host.cause = Some(Cause::TooLarge);
        assert_eq!(sentence(&host), "failed at collect: too large");
    }

    #[test]
    fn foreign_text_is_bounded_and_harmless() {
        let mut host = samples::refused("a");
        host.message = Some(format!("\x1b[2J{}", "x".repeat(5000)));
        host.hint = None;
        let text = sentence(&host);
        assert!(text.starts_with("unreachable at connect: \\x1b[2Jxxx"), "{text}");
        assert!(text.ends_with("x…") && text.chars().count() < 700);
    }
}
