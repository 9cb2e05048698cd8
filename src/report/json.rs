//! `report.json`: the full report of a run, for machines.
//!
//! Its field names are fixed: other programs read them. The other reports are made from it, so that they can be made
//! again from this file alone.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use strum::VariantArray as _;

use super::phrases;
use crate::escape::escape;
use crate::message::ReportMessage;
use crate::outcome::{HostReport, MailReport, Outcome};

/// The version of the layout that this program writes and reads.
pub const SCHEMA: u32 = 1;

/// The full report of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The run's id.
    pub run: String,
    /// The job's name.
    pub job: String,
    /// When the run began.
    pub started: Timestamp,
    /// When its last host ended.
    pub ended: Timestamp,
    /// When it was resumed, each time; left out of the file for a run that never was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<Timestamp>,
    /// The script.
    pub script: ScriptReport,
    /// The number of hosts by outcome.
    pub totals: Totals,
    /// All hosts, in the order in which the run named them.
    pub hosts: Vec<HostReport>,
    /// The result of the mail; none where no mail is sent, or it is not over yet.
    pub mail: Option<MailReport>,
}

/// The supplied script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptReport {
    /// Its path on the gateway.
    pub file: String,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// The number of hosts by outcome. That of a report has every outcome, also those of no host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals(pub BTreeMap<Outcome, usize>);

impl RunReport {
    /// Returns the bytes of `report.json`. Control characters are escaped, so that it may also be printed.
    ///
    /// # Errors
    /// A value cannot be written as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        Ok((escape_json(&serde_json::to_string_pretty(self)?) + "\n").into_bytes())
    }

    /// Parses the bytes that [`RunReport::to_json`] returned.
    ///
    /// # Errors
    /// The bytes are no such report, or one of another [`SCHEMA`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let report: Self = serde_json::from_slice(bytes)?;
        if report.schema != SCHEMA {
            let error = ReportMessage::UnknownSchema { found: report.schema, known: SCHEMA };
            return Err(serde_json::Error::custom(error));
        }
        Ok(report)
    }
}

impl Totals {
    /// Counts hosts by their outcomes.
    pub fn count(hosts: &[HostReport]) -> Self {
        let count = |outcome| hosts.iter().filter(|host| host.outcome == outcome).count();
        Self(Outcome::VARIANTS.iter().map(|outcome| (*outcome, count(*outcome))).collect())
    }

    /// Returns the number of all hosts.
    pub fn sum(&self) -> usize {
        self.0.values().sum()
    }

    /// Describes the counts: `10 succeeded, 1 failed, 1 unreachable`.
    pub fn describe(&self) -> String {
        match self.sum() {
            0 => ReportMessage::count_hosts(0),
            _ => phrases::list_counts(self.0.iter().map(|(outcome, count)| (*count, outcome.display_name()))),
        }
    }
}

/// Writes control and invisible characters of a JSON text as `\u....`.
fn escape_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        // Outside its strings, JSON holds none of these characters: the values stay the same.
        if c == '\n' || matches!(c, ' '..='~') || escape(c.encode_utf8(&mut [0; 4]).as_bytes()).starts_with(c)
        {
            text.push(c);
        } else {
            text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    const CONTRACT: &str = r#"{
  "schema": 1,
  "run": "20260922-235343-k3xq",
  "job": "JGE",
  "started": "2026-09-22T21:53:43Z",
  "ended": "2026-09-22T21:56:48Z",
  "script": {
    "file": "/srv/Fichier_fourni.sh",
    "sha256": "abababababababababababababababababababababababababababababababab"
  },
  "totals": {
    "succeeded": 1,
    "failed": 1,
    "unreachable": 0,
    "timed_out": 0,
    "cancelled": 0,
    "not_started": 0
  },
  "hosts": [
    {
      "host": "exemple1",
      "outcome": "succeeded",
      "began": false,
      "step": null,
      "cause": null,
      "message": null,
      "hint": null,
      "exit_status": 0,
      "started": "2026-09-22T21:53:43Z",
      "ended": "2026-09-22T21:53:44.2Z",
      "steps": [
        {
          "step": "connect",
          "ms": 80
        }
      ],
      "files": [
        {
          "remote": "/tmp/fichier_1_log.txt",
          "path": "JGE/exemple1/fichier_1_log.txt",
          "bytes": 3482,
          "sha256": "0000000000000000000000000000000000000000000000000000000000000001"
        }
      ],
      "skipped": []
    },
    {
      "host": "test1",
      "outcome": "failed",
      "began": false,
      "step": "execute",
      "cause": "script_failed",
      "message": "the script ended with status 3",
      "hint": null,
      "exit_status": 3,
      "started": "2026-09-22T21:53:43Z",
      "ended": "2026-09-22T21:56:48Z",
      "steps": [],
      "files": [],
      "skipped": [
        {
          "remote": "/tmp/fichier_vieux_log.txt",
          "why": "older than this run"
        }
      ]
    }
  ],
  "mail": {
    "sent": true,
    "parts": 1,
    "error": null
  }
}
"#;

    fn contract() -> RunReport {
        let mut good = samples::succeeded_host("exemple1", 1);
        good.steps.truncate(1);
        let mut run = samples::run(vec![good, samples::failed_host("test1", 3)]);
        run.mail = Some(MailReport { sent: true, parts: 1, error: None });
        run
    }

    #[test]
    fn field_names_are_those_of_the_contract() {
        assert_eq!(String::from_utf8(contract().to_json().unwrap()).unwrap(), CONTRACT);
    }

    #[test]
    fn a_written_report_is_read_back() {
        let mut run = contract();
        assert_eq!(RunReport::from_json(CONTRACT.as_bytes()).unwrap(), run);
        run.mail = None;
        run.resumed.push(run.ended);
        run.hosts[0].message = Some("\u{202e}\u{e0041}\u{9b}\x7f\x1bé\n".to_owned());
        let bytes = run.to_json().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.contains(r#""\u202e\udb40\udc41\u009b\u007f\u001bé\n""#), "{text}");
        assert!(text.contains("\"mail\": null") && text.contains("\"resumed\": ["));
        assert_eq!(RunReport::from_json(&bytes).unwrap(), run);
    }

    #[test]
    fn another_schema_is_refused() {
        let other = CONTRACT.replace("\"schema\": 1", "\"schema\": 2");
        let error = RunReport::from_json(other.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "schema 2 is not 1, the one known here");
    }

    #[test]
    fn totals_are_described_in_words() {
        assert_eq!(samples::run_of_twelve().totals.describe(), "10 succeeded, 1 failed, 1 unreachable");
        assert_eq!(Totals::default().describe(), "no hosts");
    }
}
