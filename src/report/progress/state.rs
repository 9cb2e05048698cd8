//! The state of a run behind the live lines: how many hosts ended, which are in flight and at which step.
//!
//! Pure; callers give the current time. It makes a few lines, whatever the number of hosts.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use strum::VariantArray as _;

use crate::event::Event;
use crate::hostset::HostName;
use crate::message::ReportMessage;
use crate::outcome::{Outcome, Step};
use crate::report::columns::{Align, Column};
use crate::report::json::Totals;
use crate::report::style::Style;
use crate::report::{layout, phrases, units};

/// The most hosts shown by name.
const MAX_NAMED: usize = 6;
/// The duration from which on a visit is shown by the host's name; shorter ones would only flicker.
const LONG_VISIT: Duration = Duration::from_secs(3);
/// The most columns of a name.
const MAX_NAME: usize = 40;

/// The state of a run.
pub(super) struct LiveState {
    started: Instant,
    total: usize,
    ended: Totals,
    /// The visits in flight, with their beginnings and their steps.
    visits: HashMap<HostName, (Instant, Step)>,
    /// The work that followed the last visit.
    delivery: Option<ReportMessage>,
}

impl LiveState {
    /// Returns the state of a run that starts now.
    pub(super) fn new(now: Instant) -> Self {
        Self { started: now, total: 0, ended: Totals::default(), visits: HashMap::new(), delivery: None }
    }

    /// Updates the state by an event.
    pub(super) fn update(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Started { hosts, .. } => self.total = hosts.len(),
            Event::Step { host, step } => {
                self.visits.entry(host.clone()).or_insert((now, *step)).1 = *step;
            }
            Event::Ended(host) => {
                self.visits.remove(&host.host);
                *self.ended.0.entry(host.outcome).or_default() += 1;
            }
            Event::Note(_) => (),
            Event::Archived { bytes, .. } => {
                self.delivery = Some(ReportMessage::ArchiveMade { size: units::format_size(*bytes) });
            }
            Event::Mailing => self.delivery = Some(ReportMessage::SendingMail),
        }
    }

    /// Returns the live lines for a terminal of this size.
    pub(super) fn lines(&self, now: Instant, width: usize, height: usize, style: Style) -> Vec<String> {
        // The last column stays free: some terminals wrap a full line.
        let width = width.saturating_sub(1);
        let mut lines = vec![style.bold(&layout::truncate(&self.status_line(now), width))];
        // Three lines are taken: the status, the count of visits not named, the cursor.
        let max_named = MAX_NAMED.min(height.saturating_sub(3));
        lines.extend(
            self.long_visits(now, max_named).iter().map(|line| style.dim(&layout::truncate(line, width))),
        );
        lines
    }

    /// Returns `12/200 done · 3 failed · 8 in flight: 2 connect, 6 execute · 00:42`.
    fn status_line(&self, now: Instant) -> String {
        let done = self.ended.sum();
        let mut parts = vec![ReportMessage::HostsDone { done, total: self.total.max(done) }.to_string()];
        let mut not_succeeded = self.ended.clone();
        not_succeeded.0.remove(&Outcome::Succeeded);
        if not_succeeded.sum() > 0 {
            parts.push(not_succeeded.describe());
        }
        let count = self.visits.len();
        if count > 0 {
            let at = |step: &Step| self.visits.values().filter(|(_, at)| at == step).count();
            let steps = phrases::list_counts(Step::VARIANTS.iter().map(|step| (at(step), step)));
            parts.push(ReportMessage::HostsInFlight { count, steps }.to_string());
        }
        // The archive is packed while hosts are visited; what remains of it after the last one takes a while.
        let packing = self.total > 0 && count == 0 && done >= self.total;
        let packing = packing.then_some(&ReportMessage::PackingArchive);
        parts.extend(self.delivery.as_ref().or(packing).map(ToString::to_string));
        parts.push(units::format_clock(now.saturating_duration_since(self.started)));
        parts.join(" · ")
    }

    /// Returns a line for each of the `max` longest visits in flight, and one that counts the others.
    fn long_visits(&self, now: Instant, max: usize) -> Vec<String> {
        let age = |started: &Instant| now.saturating_duration_since(*started);
        let mut visits: Vec<_> =
            self.visits.iter().filter(|(_, (started, _))| age(started) >= LONG_VISIT).collect();
        visits.sort_by_key(|(host, (started, _))| (*started, (*host).clone()));
        let more = visits.len().saturating_sub(max);
        visits.truncate(max);
        let names = visits.iter().map(|(host, _)| layout::truncate(&phrases::bounded_path(host), MAX_NAME));
        let names = Column::new("", Align::Left, names);
        let mut lines = Vec::new();
        for (row, (_, (started, step))) in visits.into_iter().enumerate() {
            lines.push(format!("  {}  {step:<7}  {}", names.cell(row), units::format_clock(age(started))));
        }
        if more > 0 {
            let more = ReportMessage::MoreLongVisits { count: more, seconds: LONG_VISIT.as_secs() };
            lines.push(format!("  {more}"));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn state(hosts: usize) -> (LiveState, Instant) {
        let now = Instant::now();
        let mut state = LiveState::new(now);
        let names = (1..=hosts).map(|n| format!("h{n}").as_str().into()).collect();
        state.update(&Event::Started { run: "r".to_owned(), hosts: names }, now);
        (state, now)
    }

    fn step(host: &str, step: Step) -> Event {
        Event::Step { host: host.into(), step }
    }

    #[test]
    fn hosts_are_counted_and_long_visits_named() {
        let (mut state, now) = state(200);
        for n in 1..=9 {
            state.update(&Event::Ended(Box::new(samples::succeeded_host(&format!("h{n}"), 1))), now);
        }
        state.update(&Event::Ended(Box::new(samples::failed_host("h10", 3))), now);
        state.update(&Event::Ended(Box::new(samples::refused_host("h11"))), now);
        state.update(&step("h12", Step::Connect), now);
        state.update(&step("h12", Step::Execute), now + LONG_VISIT);
        state.update(&step("h13", Step::Connect), now + LONG_VISIT * 13);
        let later = now + Duration::from_secs(42);
        assert_eq!(
            state.lines(later, 100, 24, Style::Plain),
            [
                "11/200 done · 1 failed, 1 unreachable · 2 in flight: 1 connect, 1 execute · 00:42",
                "  h12  execute  00:42",
                "  h13  connect  00:03",
            ]
        );
        assert_eq!(
            state.lines(later, 40, 3, Style::Plain),
            ["11/200 done · 1 failed, 1 unreachable …", "  and 2 more for over 3 s"]
        );
    }

    #[test]
    fn a_thousand_hosts_in_flight_are_a_few_lines() {
        let (mut state, now) = state(1000);
        for n in 1..=1000 {
            state.update(&step(&format!("host-\u{1b}[2J{n}"), Step::Execute), now);
        }
        let lines = state.lines(now + Duration::from_secs(60), 80, 24, Style::Plain);
        assert_eq!(lines.len(), 1 + MAX_NAMED + 1);
        assert_eq!(lines[0], "0/1000 done · 1000 in flight: 1000 execute · 01:00");
        assert_eq!(lines[1], "  host-\\x1b[2J1     execute  01:00");
        assert_eq!(lines[7], "  and 994 more for over 3 s");
    }

    #[test]
    fn after_the_last_host_the_delivery_is_shown() {
        let (mut state, now) = state(1);
        state.update(&step("h1", Step::Connect), now);
        state.update(&Event::Ended(Box::new(samples::succeeded_host("h1", 1))), now);
        let line = |state: &LiveState| state.lines(now, 80, 24, Style::Plain).concat();
        assert_eq!(line(&state), "1/1 done · packing the archive · 00:00");
        state.update(&Event::Archived { path: "/a".into(), bytes: 2048 }, now);
        assert_eq!(line(&state), "1/1 done · archive of 2.0 KiB made · 00:00");
        state.update(&Event::Mailing, now);
        assert_eq!(line(&state), "1/1 done · sending the mail · 00:00");
    }
}
