//! Phrases about the outcome of hosts, the same on the terminal, in the report files and in the mail.
//!
//! Pure. Text from hosts and files is escaped and cut to a length here, before any report shows it.

use std::borrow::Borrow;
use std::fmt::Display;
use std::slice;
use std::time::Duration;

use super::units;
use crate::escape::escape_bounded;
use crate::message::ReportMessage;
use crate::outcome::{HostReport, Outcome};

/// The most characters shown of a message or a hint.
const MAX_MESSAGE: usize = 600;
/// The most characters shown of a path or a name.
const MAX_PATH: usize = 1200;
/// The digits shown of a SHA-256: enough to tell files apart.
const DIGEST_DIGITS: usize = 12;

/// Escapes and cuts a path or a name.
pub(crate) fn bounded_path(text: &str) -> String {
    escape_bounded(text, MAX_PATH)
}

/// Escapes and cuts a message or a hint.
pub(crate) fn bounded_message(text: &str) -> String {
    escape_bounded(text, MAX_MESSAGE)
}

/// Returns a value's text, or an empty text where there is no value.
pub(crate) fn optional(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Returns the first digits of a SHA-256.
pub(crate) fn short_digest(sha256: &str) -> String {
    bounded_path(sha256).chars().take(DIGEST_DIGITS).collect()
}

/// Joins the counts that are not zero: `10 succeeded, 1 failed`.
pub(crate) fn list_counts(counts: impl Iterator<Item = (usize, impl Display)>) -> String {
    let counts = counts.filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    counts.collect::<Vec<_>>().join(", ")
}

/// Counts the files collected from hosts.
pub(crate) fn count_files(hosts: &[impl Borrow<HostReport>]) -> usize {
    hosts.iter().map(|host| host.borrow().files.len()).sum()
}

/// Returns the size of the files collected from hosts, in bytes.
pub(crate) fn sum_bytes(hosts: &[impl Borrow<HostReport>]) -> u64 {
    let files = hosts.iter().flat_map(|host| &host.borrow().files);
    files.map(|file| file.bytes).fold(0, u64::saturating_add)
}

/// Describes the files collected from hosts: `12 files, 3.4 KiB`.
pub(crate) fn describe_files(hosts: &[impl Borrow<HostReport>]) -> String {
    let files = count_files(hosts);
    let size = if files > 0 { format!(", {}", units::format_size(sum_bytes(hosts))) } else { String::new() };
    format!("{}{size}", ReportMessage::count_files(files))
}

/// Describes the reason why a host did not succeed: by its message, else by the cause.
pub(crate) fn describe_reason(host: &HostReport) -> Option<String> {
    let cause = || host.cause.map(|cause| cause.to_string().replace('_', " "));
    host.message.as_deref().map(bounded_message).or_else(cause)
}

/// Describes the outcome of a host, with the step if it has one: `failed at execute`.
pub(crate) fn describe_end(host: &HostReport) -> String {
    let at_step = host.step.map(|step| format!(" {}", ReportMessage::AtStep { step: step.to_string() }));
    format!("{}{}", host.outcome.display_name(), at_step.unwrap_or_default())
}

/// Describes the end of hosts that all ended as `first` did: outcome, step, reason, files collected.
pub(crate) fn describe_failure(first: &HostReport, hosts: &[impl Borrow<HostReport>]) -> String {
    let mut text = describe_end(first);
    if let Some(reason) = describe_reason(first) {
        text = format!("{text}: {reason}");
    }
    if count_files(hosts) > 0 {
        text = format!("{text} {}", ReportMessage::FilesCollected { files: describe_files(hosts) });
    }
    text
}

/// Describes the end of one host in a sentence, without the host's name.
pub(crate) fn describe_host(host: &HostReport) -> String {
    if host.outcome != Outcome::Succeeded {
        let hint = host.hint.as_deref().map(|hint| format!("; {}", bounded_message(hint)));
        return format!("{}{}", describe_failure(host, slice::from_ref(host)), hint.unwrap_or_default());
    }
    let duration = visit_duration(host).map(units::format_duration);
    let duration = duration.map(|duration| format!(" {}", ReportMessage::InDuration { duration }));
    let files = describe_files(slice::from_ref(host));
    format!("{}{}, {files}", describe_end(host), duration.unwrap_or_default())
}

/// Describes the steps of a visit with their durations: `connect 0.1 s · upload 42 ms`.
pub(crate) fn describe_steps(host: &HostReport) -> String {
    let steps = host.steps.iter().map(|step| format!("{} {}", step.step, format_ms(step.ms)));
    steps.collect::<Vec<_>>().join(" · ")
}

/// Formats a duration in milliseconds.
pub(crate) fn format_ms(ms: u64) -> String {
    units::format_duration(Duration::from_millis(ms))
}

/// Returns the duration of a visit; none for a host that was not visited.
pub(crate) fn visit_duration(host: &HostReport) -> Option<Duration> {
    Some(units::elapsed(host.started?, host.ended?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Cause, Step};
    use crate::report::samples;

    #[test]
    fn a_sentence_has_outcome_reason_and_hint() {
        assert_eq!(describe_host(&samples::succeeded_host("a", 1)), "succeeded in 1.2 s, 1 file, 3.4 KiB");
        assert_eq!(
            describe_host(&samples::refused_host("b")),
            "unreachable at connect: connection refused (port 22); is sshd running there?"
        );
        let mut failed = samples::failed_host("c", 3);
        failed.files = samples::succeeded_host("c", 2).files;
        assert_eq!(
            describe_host(&failed),
            "failed at execute: the script ended with status 3 (2 files, 6.8 KiB brought home)"
        );
        assert_eq!(describe_host(&HostReport::new("d")), "not started");
    }

    #[test]
    fn without_a_message_the_cause_is_shown() {
        let mut host = HostReport::new("a");
        host.outcome = Outcome::Failed;
        host.step = Some(Step::Collect);
        host.cause = Some(Cause::TooLarge);
        assert_eq!(describe_host(&host), "failed at collect: too large");
    }

    #[test]
    fn foreign_text_is_bounded_and_escaped() {
        let mut host = samples::refused_host("a");
        host.message = Some(format!("\x1b[2J{}", "x".repeat(5000)));
        host.hint = None;
        let text = describe_host(&host);
        assert!(text.starts_with("unreachable at connect: \\x1b[2Jxxx"), "{text}");
        assert!(text.ends_with("x…") && text.chars().count() < 700);
    }
}
