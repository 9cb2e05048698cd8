//! What the live lines show: how many are done, who is in flight and at which step.
//!
//! Pure but for the time it is given. At most a handful of lines, whatever the fleet's size.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::event::Event;
use crate::hostset::HostName;
use crate::outcome::Step;
use crate::report::json::Totals;
use crate::report::style::Style;
use crate::report::{layout, units, words};

/// The most hosts shown by name.
const NAMED: usize = 6;
/// A host is shown by name once it takes this long: shorter visits would only flicker.
const LONG: Duration = Duration::from_secs(3);
/// The most columns of a name.
const NAME: usize = 40;

/// The state of a run as its watcher sees it.
pub(super) struct Board {
    begun: Instant,
    total: usize,
    done: Totals,
    visits: HashMap<HostName, HostProgress>,
    /// What is done once all hosts have ended.
    after: Option<String>,
}

/// A host in flight.
struct HostProgress {
    begun: Instant,
    step: Step,
}

impl Board {
    pub(super) fn new(now: Instant) -> Self {
        Self { begun: now, total: 0, done: Totals::default(), visits: HashMap::new(), after: None }
    }

    /// Takes an event in.
    pub(super) fn hear(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Started { hosts, .. } => self.total = hosts.len(),
            Event::Step { host, step } => {
                self.visits.entry(host.clone()).or_insert(HostProgress { begun: now, step: *step }).step =
                    *step;
            }
            Event::Ended(host) => {
                self.visits.remove(&host.host);
                self.done.add(host.outcome);
            }
            Event::Note(_) => (),
            Event::Archived { bytes, .. } => {
                self.after = Some(format!("archive of {} made", units::bytes(*bytes)));
            }
            Event::Mailing => self.after = Some("sending the mail".to_owned()),
        }
    }

    /// The live lines, for a terminal of this size.
    pub(super) fn lines(&self, now: Instant, width: usize, height: usize, style: Style) -> Vec<String> {
        // The last column stays free: a full line would make some terminals go to the next.
        let width = width.saturating_sub(1);
        let mut lines = vec![style.bold(&layout::cut(&self.overall(now), width))];
        // One line for this, one for the rest, one for the cursor.
        let named = NAMED.min(height.saturating_sub(3));
        lines.extend(self.longest(now, named).iter().map(|line| style.dim(&layout::cut(line, width))));
        lines
    }

    /// `12/200 done · 3 failed · 8 in flight: 2 connect, 6 execute · 00:42`.
    fn overall(&self, now: Instant) -> String {
        let done = self.done.all();
        let mut parts = vec![format!("{done}/{} done", self.total.max(done))];
        let bad = Totals { succeeded: 0, ..self.done };
        if bad.all() > 0 {
            parts.push(bad.words());
        }
        parts.extend(self.in_flight());
        parts.extend(self.after());
        parts.push(units::clock(now.saturating_duration_since(self.begun)));
        parts.join(" · ")
    }

    fn in_flight(&self) -> Option<String> {
        let at = |step: Step| self.visits.values().filter(|visit| visit.step == step).count();
        let steps: Vec<String> = Step::ALL
            .into_iter()
            .map(|step| (at(step), step))
            .filter(|(number, _)| *number > 0)
            .map(|(number, step)| format!("{number} {step}"))
            .collect();
        (!self.visits.is_empty()).then(|| format!("{} in flight: {}", self.visits.len(), steps.join(", ")))
    }

    /// What is going on after the last host.
    fn after(&self) -> Option<String> {
        let over = self.total > 0 && self.visits.is_empty() && self.done.all() >= self.total;
        self.after.clone().or_else(|| over.then(|| "packing the archive".to_owned()))
    }

    /// The hosts that have been in flight longest, and how many more there are.
    fn longest(&self, now: Instant, max: usize) -> Vec<String> {
        let age = |visit: &HostProgress| now.saturating_duration_since(visit.begun);
        let mut visits: Vec<_> = self.visits.iter().filter(|(_, visit)| age(visit) >= LONG).collect();
        visits.sort_by_key(|(host, visit)| (visit.begun, (*host).clone()));
        let names: Vec<String> =
            visits.iter().take(max).map(|(host, _)| layout::cut(&words::path(host), NAME)).collect();
        let widest = names.iter().map(|name| layout::width(name)).max().unwrap_or(0);
        let line = |(name, (_, visit)): (&String, &(&HostName, &HostProgress))| {
            format!("  {}  {:<7}  {}", layout::left(name, widest), visit.step, units::clock(age(visit)))
        };
        let mut lines: Vec<String> = names.iter().zip(&visits).map(line).collect();
        let more = visits.len() - lines.len();
        lines.extend((more > 0).then(|| format!("  and {more} more for over {} s", LONG.as_secs())));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn board(hosts: usize) -> (Board, Instant) {
        let now = Instant::now();
        let mut board = Board::new(now);
        let names = (1..=hosts).map(|n| format!("h{n}").as_str().into()).collect();
        board.hear(&Event::Started { run: "r".to_owned(), hosts: names }, now);
        (board, now)
    }

    fn step(host: &str, step: Step) -> Event {
        Event::Step { host: host.into(), step }
    }

    #[test]
    fn it_counts_and_names_those_that_take_long() {
        let (mut board, now) = board(200);
        for n in 1..=9 {
            board.hear(&Event::Ended(Box::new(samples::good(&format!("h{n}"), 1))), now);
        }
        board.hear(&Event::Ended(Box::new(samples::failed("h10", 3))), now);
        board.hear(&Event::Ended(Box::new(samples::refused("h11"))), now);
        board.hear(&step("h12", Step::Connect), now);
        board.hear(&step("h12", Step::Execute), now + LONG);
        board.hear(&step("h13", Step::Connect), now + LONG * 13);
        let later = now + Duration::from_secs(42);
        assert_eq!(
            board.lines(later, 100, 24, Style::PLAIN),
            [
                "11/200 done · 1 failed, 1 unreachable · 2 in flight: 1 connect, 1 execute · 00:42",
                "  h12  execute  00:42",
                "  h13  connect  00:03",
            ]
        );
        assert_eq!(
            board.lines(later, 40, 3, Style::PLAIN),
            ["11/200 done · 1 failed, 1 unreachable …", "  and 2 more for over 3 s"]
        );
    }

    #[test]
    fn a_thousand_hosts_in_flight_are_a_few_lines() {
        let (mut board, now) = board(1000);
        for n in 1..=1000 {
            board.hear(&step(&format!("host-\u{1b}[2J{n}"), Step::Execute), now);
        }
        let lines = board.lines(now + Duration::from_secs(60), 80, 24, Style::PLAIN);
        assert_eq!(lines.len(), 1 + NAMED + 1);
        assert_eq!(lines[0], "0/1000 done · 1000 in flight: 1000 execute · 01:00");
        assert_eq!(lines[1], "  host-\\x1b[2J1     execute  01:00");
        assert_eq!(lines[7], "  and 994 more for over 3 s");
    }

    #[test]
    fn after_the_last_host_it_says_what_is_awaited() {
        let (mut board, now) = board(1);
        board.hear(&step("h1", Step::Connect), now);
        board.hear(&Event::Ended(Box::new(samples::good("h1", 1))), now);
        let line = |board: &Board| board.lines(now, 80, 24, Style::PLAIN).concat();
        assert_eq!(line(&board), "1/1 done · packing the archive · 00:00");
        board.hear(&Event::Archived { path: "/a".into(), bytes: 2048 }, now);
        assert_eq!(line(&board), "1/1 done · archive of 2.0 KiB made · 00:00");
        board.hear(&Event::Mailing, now);
        assert_eq!(line(&board), "1/1 done · sending the mail · 00:00");
    }
}
