//! Texts of the reports and of the progress display: headings, units, counts.

use super::messages;

messages! {
    /// A text of a report or of the progress display.
    ReportMessage as Report {
        SendingMail => "sending the mail",
    }
}
