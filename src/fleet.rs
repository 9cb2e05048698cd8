//! Visits all hosts, at most `parallel` at once: canary, `max_failures`, request to stop, one report for each host.
//!
//! The only module that visits hosts concurrently. It knows nothing of ssh: the visit is a function argument, and the
//! tests pass closures. Limits: a visit that panics fails its host, not the run.

use std::any::Any;
use std::borrow::Borrow;
use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt as _;
use tokio::task::JoinSet;

use crate::escape::escape_tail;
use crate::event::Stop;
use crate::hostset::HostName;
use crate::job::MaxFailures;
use crate::message::VisitMessage;
use crate::outcome::{Cause, Failure, HostReport, Outcome, Step};

/// Limits when hosts are started.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The maximum number of hosts visited at once.
    pub parallel: usize,
    /// The number of hosts visited first; the others follow only if all of these succeed.
    pub canary: usize,
    /// The number of failures beyond which no further host is started.
    pub max_failures: Option<MaxFailures>,
}

/// Counts the hosts that were started, and how those that ended did.
#[derive(Debug, Default)]
struct HostCounts {
    started: usize,
    succeeded: usize,
    failed: usize,
}

impl Limits {
    /// Returns how many more hosts may be started now; `all` is the number of hosts of the attempt.
    fn free_slots(&self, counts: &HostCounts, all: usize) -> usize {
        let running = counts.started - (counts.succeeded + counts.failed);
        let free = self.parallel.saturating_sub(running);
        if self.too_many_failed(counts, all) {
            0
        } else if counts.succeeded < self.canary {
            free.min(self.canary.saturating_sub(counts.started))
        } else {
            free
        }
    }

    /// Checks whether so many hosts failed that no further one is started.
    fn too_many_failed(&self, counts: &HostCounts, all: usize) -> bool {
        let canary_failed = counts.failed > 0 && counts.succeeded < self.canary;
        canary_failed || self.max_failures.is_some_and(|max| max.exceeded(counts.failed, all))
    }
}

/// Visits every host of the list within the limits, and calls `on_end` as each one ends.
///
/// After a request to stop, a failed canary or too many failures, no further host is started. A visit under way ends
/// itself after a request to stop; the other two do not end it. A visit returns a report, alone or within a larger
/// result (`R`). Returns one `R` for each host, in the order of the list.
pub async fn visit_all<H, R, F>(
    hosts: Vec<(HostName, H)>,
    limits: Limits,
    stop: &Stop,
    visit: impl Fn(usize, H) -> F,
    mut on_end: impl FnMut(&HostReport),
) -> Vec<R>
where
    R: From<HostReport> + Borrow<HostReport> + Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let (names, hosts): (Vec<HostName>, Vec<H>) = hosts.into_iter().unzip();
    let mut waiting = hosts.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut results: Vec<Option<R>> = names.iter().map(|_| None).collect();
    let mut counts = HostCounts::default();
    loop {
        for _ in 0..limits.free_slots(&counts, names.len()) {
            let Some((number, host)) = waiting.next().filter(|_| stop.requested().is_none()) else {
                break;
            };
            let visit = AssertUnwindSafe(visit(number, host)).catch_unwind();
            running.spawn(visit.map(move |result| (number, result)));
            counts.started += 1;
        }
        let Some(joined) = running.join_next().await else { break };
        // A task cannot fail to join: panics are caught within it, and nobody aborts it.
        let Ok((number, result)) = joined else { continue };
        let (Some(name), Some(slot)) = (names.get(number), results.get_mut(number)) else { continue };
        let result = result.unwrap_or_else(|panic| report_panic(name, panic).into());
        let report: &HostReport = result.borrow();
        on_end(report);
        match report.outcome {
            Outcome::Succeeded => counts.succeeded += 1,
            _ => counts.failed += 1,
        }
        *slot = Some(result);
    }
    let cause = stop.requested().unwrap_or(Cause::Stopped);
    let or_not_started = |(name, result): (&HostName, Option<R>)| {
        result.unwrap_or_else(|| {
            let report = report_not_started(name, cause);
            on_end(&report);
            report.into()
        })
    };
    names.iter().zip(results).map(or_not_started).collect()
}

/// Returns the report of a host that was never started.
fn report_not_started(host: &HostName, cause: Cause) -> HostReport {
    let message = match cause {
        Cause::Deadline => VisitMessage::DeadlineBeforeVisit,
        Cause::Interrupted => VisitMessage::InterruptedBeforeVisit,
        _ => VisitMessage::TooManyFailures,
    };
    let report = report_failure(host, cause, message, VisitMessage::ResumeVisits);
    HostReport { outcome: Outcome::NotStarted, step: None, ..report }
}

/// Returns the report of a host whose visit panicked. Panics again if the panic has no text.
fn report_panic(host: &HostName, panic: Box<dyn Any + Send>) -> HostReport {
    let text =
        panic.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| panic.downcast_ref().cloned());
    let Some(text) = text else { resume_unwind(panic) };
    let message = VisitMessage::Panicked { text: escape_tail(text.as_bytes(), 200) };
    report_failure(host, Cause::Other, message, VisitMessage::ReportPanic)
}

fn report_failure(host: &HostName, cause: Cause, message: VisitMessage, hint: VisitMessage) -> HostReport {
    let mut report = HostReport::new(host.clone());
    report.end(Some(Failure::new(Step::Connect, cause, message, Some(hint))));
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    fn hosts(count: usize) -> Vec<(HostName, String)> {
        (0..count).map(|n| (format!("h{n}").as_str().into(), format!("h{n}"))).collect()
    }

    fn parallel_limit(parallel: usize) -> Limits {
        Limits { parallel, canary: 0, max_failures: None }
    }

    async fn outcomes_with_failing(limits: Limits, bad: &'static [&'static str]) -> Vec<Outcome> {
        let visit = |_, host: String| async move {
            let mut report = succeeded(&host);
            if bad.contains(&host.as_str()) {
                report.outcome = Outcome::Failed;
            }
            report
        };
        let reports = visit_all(hosts(10), limits, &Stop::default(), visit, |_| {}).await;
        assert!(
            reports
                .iter()
                .filter(|r| r.outcome == Outcome::NotStarted)
                .all(|r| r.cause == Some(Cause::Stopped))
        );
        reports.into_iter().map(|report| report.outcome).collect()
    }

    #[tokio::test]
    async fn a_canary_that_fails_keeps_the_others_from_starting() {
        let limits = Limits { canary: 2, ..parallel_limit(5) };
        let outcomes = outcomes_with_failing(limits, &["h1"]).await;
        assert_eq!(outcomes[..2], [Outcome::Succeeded, Outcome::Failed]);
        assert_eq!(outcomes[2..], [Outcome::NotStarted; 8]);
        assert_eq!(
            outcomes_with_failing(limits, &["h5"]).await.iter().filter(|o| **o == Outcome::Succeeded).count(),
            9
        );
    }

    #[tokio::test]
    async fn beyond_the_threshold_no_host_is_started() {
        let limits = Limits { max_failures: Some(MaxFailures::Count(1)), ..parallel_limit(1) };
        let outcomes = outcomes_with_failing(limits, &["h0", "h2"]).await;
        assert_eq!(outcomes[..3], [Outcome::Failed, Outcome::Succeeded, Outcome::Failed]);
        assert_eq!(outcomes[3..], [Outcome::NotStarted; 7]);
        let share = Limits { max_failures: Some(MaxFailures::Percent(20)), ..parallel_limit(1) };
        assert_eq!(outcomes_with_failing(share, &["h0", "h2"]).await[3..], [Outcome::Succeeded; 7]);
    }

    fn succeeded(host: &str) -> HostReport {
        let mut report = HostReport::new(host);
        report.end(None);
        report
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_parallel_at_once_and_reports_in_order() {
        let (now, max) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let visit = |number: usize, host: String| {
            let (now, max) = (now.clone(), max.clone());
            async move {
                max.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(20 - number as u64)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                succeeded(&host)
            }
        };
        let mut order = Vec::new();
        let reports =
            visit_all(hosts(10), parallel_limit(4), &Stop::default(), visit, |r| order.push(r.host.clone()))
                .await;
        assert_eq!(max.load(Ordering::SeqCst), 4);
        assert_eq!(order.len(), 10);
        let names: Vec<HostName> = reports.iter().map(|r| r.host.clone()).collect();
        assert_eq!(names, hosts(10).into_iter().map(|(n, _)| n).collect::<Vec<_>>());
        assert!(reports.iter().all(|r| r.outcome == Outcome::Succeeded));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_request_to_stop_every_host_still_has_its_report() {
        let stop = Stop::default();
        let visit = |_, host: String| {
            let stop = stop.clone();
            async move {
                if host == "h1" {
                    stop.request(Cause::Interrupted);
                }
                succeeded(&host)
            }
        };
        let mut count = 0;
        let reports = visit_all(hosts(5), parallel_limit(1), &stop, visit, |_| count += 1).await;
        let outcomes: Vec<Outcome> = reports.iter().map(|r| r.outcome).collect();
        assert_eq!(count, 5);
        assert_eq!(outcomes[..2], [Outcome::Succeeded; 2]);
        assert_eq!(outcomes[2..], [Outcome::NotStarted; 3]);
        assert_eq!(reports[4].cause, Some(Cause::Interrupted));
    }

    #[tokio::test]
    async fn a_visit_that_panics_harms_only_its_host() {
        let visit = |_, host: String| async move {
            assert!(host != "h1", "boom");
            succeeded(&host)
        };
        let reports = visit_all(hosts(3), parallel_limit(3), &Stop::default(), visit, |_| {}).await;
        assert_eq!(reports[1].cause, Some(Cause::Other));
        assert_eq!(reports[2].outcome, Outcome::Succeeded);
    }
}
