//! All hosts, so many at a time: bounded concurrency, the order to stop, one report for each host.
//!
//! The only place that runs things side by side. It knows nothing of ssh: the visit is a function, so that all of this
//! is tested with closures. A visit that panics is that host's report, not the run's end.

use std::collections::{HashMap, VecDeque};
use std::panic::resume_unwind;

use tokio::task::{Id, JoinError, JoinSet};

use crate::escape::summary;
use crate::event::Stop;
use crate::hostset::HostName;
use crate::job::MaxFailures;
use crate::message::VisitMessage;
use crate::outcome::{Cause, Failure, HostReport, Outcome, Step};

/// How a fleet is visited.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// So many at a time.
    pub parallel: usize,
    /// So many first; the rest only if all of these succeed.
    pub canary: usize,
    /// Once more than these failed, no host is started any more.
    pub max_failures: Option<MaxFailures>,
}

/// How far a fleet has come.
#[derive(Debug, Default)]
struct Tally {
    started: usize,
    succeeded: usize,
    failed: usize,
}

impl Limits {
    /// How many more hosts may be started now, of `all`.
    fn slots(&self, tally: &Tally, all: usize) -> usize {
        let landed = tally.succeeded + tally.failed;
        let free = self.parallel.saturating_sub(tally.started - landed);
        if self.halted(tally, all) {
            0
        } else if tally.succeeded < self.canary {
            free.min(self.canary.saturating_sub(tally.started))
        } else {
            free
        }
    }

    /// Whether the hosts that failed stop the run.
    fn halted(&self, tally: &Tally, all: usize) -> bool {
        let canary_died = tally.failed > 0 && tally.succeeded < self.canary;
        canary_died || self.max_failures.is_some_and(|max| max.exceeded(tally.failed, all))
    }
}

/// Visits every host of the list within the limits, and tells `ended` of each as it ends.
///
/// After the order to stop, or beyond a threshold, no host is started; those that were hear the order themselves, and
/// go on beyond a threshold. A visit may return more than a report (`R`). Returns one a host, in the order of the list.
pub async fn run<H, R, F>(
    hosts: Vec<(HostName, H)>,
    limits: Limits,
    stop: &Stop,
    visit: impl Fn(usize, H) -> F,
    mut ended: impl FnMut(&HostReport),
) -> Vec<R>
where
    R: From<HostReport> + AsRef<HostReport> + Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let names: Vec<HostName> = hosts.iter().map(|(name, _)| name.clone()).collect();
    let mut waiting: VecDeque<(usize, H)> = hosts.into_iter().map(|(_, host)| host).enumerate().collect();
    let mut flying = JoinSet::new();
    let mut numbers: HashMap<Id, usize> = HashMap::new();
    let mut reports: Vec<Option<R>> = names.iter().map(|_| None).collect();
    let mut tally = Tally::default();

    loop {
        for _ in 0..limits.slots(&tally, names.len()) {
            let Some((number, host)) = waiting.pop_front().filter(|_| stop.requested().is_none()) else {
                break;
            };
            numbers.insert(flying.spawn(visit(number, host)).id(), number);
            tally.started += 1;
        }
        let Some(landed) = flying.join_next_with_id().await else { break };
        let (id, report) = match landed {
            Ok((id, report)) => (id, Ok(report)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some(number) = numbers.remove(&id) else { continue };
        let Some(name) = names.get(number) else { continue };
        let report = report.unwrap_or_else(|error| broken(name, error).into());
        ended(report.as_ref());
        match report.as_ref().outcome {
            Outcome::Succeeded => tally.succeeded += 1,
            _ => tally.failed += 1,
        }
        if let Some(slot) = reports.get_mut(number) {
            *slot = Some(report);
        }
    }
    let why = stop.requested().unwrap_or(Cause::Stopped);
    let finish = |(name, report): (&HostName, Option<R>)| {
        report.unwrap_or_else(|| {
            let report = not_started(name, why);
            ended(&report);
            report.into()
        })
    };
    names.iter().zip(reports).map(finish).collect()
}

/// A host whose turn never came.
fn not_started(host: &HostName, why: Cause) -> HostReport {
    let message = match why {
        Cause::Deadline => VisitMessage::DeadlineBeforeVisit,
        Cause::Interrupted => VisitMessage::InterruptedBeforeVisit,
        _ => VisitMessage::TooManyFailures,
    };
    let mut report = HostReport::new(host.clone());
    report.end(Some(Failure::new(Step::Connect, why, message, Some(VisitMessage::ResumeVisits))));
    report.outcome = Outcome::NotStarted;
    report.step = None;
    report
}

/// A visit that broke on a fault of this program.
fn broken(host: &HostName, error: JoinError) -> HostReport {
    if error.is_cancelled() {
        return not_started(host, Cause::Interrupted);
    }
    let panic = error.into_panic();
    let text =
        panic.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| panic.downcast_ref().cloned());
    let Some(text) = text else { resume_unwind(panic) };
    let mut report = HostReport::new(host.clone());
    let message = VisitMessage::Panicked { text: summary(text.as_bytes(), 200) };
    report.end(Some(Failure::new(Step::Connect, Cause::Other, message, Some(VisitMessage::ReportPanic))));
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

    fn at_once(parallel: usize) -> Limits {
        Limits { parallel, canary: 0, max_failures: None }
    }

    async fn failing(limits: Limits, bad: &'static [&'static str]) -> Vec<Outcome> {
        let visit = |_, host: String| async move {
            let mut report = good(&host);
            if bad.contains(&host.as_str()) {
                report.outcome = Outcome::Failed;
            }
            report
        };
        let reports = run(hosts(10), limits, &Stop::default(), visit, |_| {}).await;
        assert!(
            reports
                .iter()
                .filter(|r| r.outcome == Outcome::NotStarted)
                .all(|r| r.cause == Some(Cause::Stopped))
        );
        reports.into_iter().map(|report| report.outcome).collect()
    }

    #[tokio::test]
    async fn a_canary_that_dies_keeps_the_others_at_home() {
        let limits = Limits { canary: 2, ..at_once(5) };
        let outcomes = failing(limits, &["h1"]).await;
        assert_eq!(outcomes[..2], [Outcome::Succeeded, Outcome::Failed]);
        assert_eq!(outcomes[2..], [Outcome::NotStarted; 8]);
        assert_eq!(failing(limits, &["h5"]).await.iter().filter(|o| **o == Outcome::Succeeded).count(), 9);
    }

    #[tokio::test]
    async fn beyond_the_threshold_no_host_is_started() {
        let limits = Limits { max_failures: Some(MaxFailures::Count(1)), ..at_once(1) };
        let outcomes = failing(limits, &["h0", "h2"]).await;
        assert_eq!(outcomes[..3], [Outcome::Failed, Outcome::Succeeded, Outcome::Failed]);
        assert_eq!(outcomes[3..], [Outcome::NotStarted; 7]);
        let share = Limits { max_failures: Some(MaxFailures::Percent(20)), ..at_once(1) };
        assert_eq!(failing(share, &["h0", "h2"]).await[3..], [Outcome::Succeeded; 7]);
    }

    fn good(host: &str) -> HostReport {
        let mut report = HostReport::new(host);
        report.end(None);
        report
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_at_a_time_and_reports_in_order() {
        let (now, max) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let visit = |number: usize, host: String| {
            let (now, max) = (now.clone(), max.clone());
            async move {
                max.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(20 - number as u64)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                good(&host)
            }
        };
        let mut order = Vec::new();
        let reports =
            run(hosts(10), at_once(4), &Stop::default(), visit, |r| order.push(r.host.clone())).await;
        assert_eq!(max.load(Ordering::SeqCst), 4);
        assert_eq!(order.len(), 10);
        let names: Vec<HostName> = reports.iter().map(|r| r.host.clone()).collect();
        assert_eq!(names, hosts(10).into_iter().map(|(n, _)| n).collect::<Vec<_>>());
        assert!(reports.iter().all(|r| r.outcome == Outcome::Succeeded));
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_order_to_stop_every_host_still_has_its_report() {
        let stop = Stop::default();
        let visit = |_, host: String| {
            let stop = stop.clone();
            async move {
                if host == "h1" {
                    stop.request(Cause::Interrupted);
                }
                good(&host)
            }
        };
        let mut count = 0;
        let reports = run(hosts(5), at_once(1), &stop, visit, |_| count += 1).await;
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
            good(&host)
        };
        let reports = run(hosts(3), at_once(3), &Stop::default(), visit, |_| {}).await;
        assert_eq!(reports[1].cause, Some(Cause::Other));
        assert_eq!(reports[2].outcome, Outcome::Succeeded);
    }
}
