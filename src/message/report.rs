//! Texts of the reports, of the tables on the terminal and of the progress display.
//!
//! A heading is written in the case that HTML shows; tables of plain text write it in capitals, lists of fields in
//! lower case. Units (`KiB`, `ms`, `min`) are the same in every language and stand in `report/units.rs`.

use super::messages;

messages! {
    /// A text of a report or of the progress display.
    ReportMessage as Report {
        // Headings of columns and names of fields.
        Address => "Address",
        Alias => "Alias",
        Archive => "Archive",
        Cause => "Cause",
        CollectedAs => "Brought home as",
        Collected => "Harvest",
        Copy => "Copy",
        DidNotSucceed => "Did not succeed",
        Ended => "Ended",
        Exit => "Exit",
        File => "File",
        Files => "Files",
        Folder => "Folder",
        From => "From",
        Host => "Host",
        Hosts => "Hosts",
        Job => "Job",
        Jump => "Jump",
        Mail => "Mail",
        Outcome => "Outcome",
        Port => "Port",
        Reason => "Why",
        ReasonAndHint => "Why, and the way out",
        Report => "Report",
        Resumed => "Resumed",
        Run => "Run",
        Script => "Script",
        Sha256 => "sha256",
        Sha256Heading => "SHA-256",
        Size => "Size",
        Skipped => "Skipped",
        SkippedHeading => "Left behind",
        Source => "Source",
        Started => "Started",
        Step => "Step",
        Steps => "Steps",
        Succeeded => "Succeeded",
        Time => "Time",
        Totals => "Totals",
        User => "User",

        // The page of HTML.
        PageTitle { job, totals } => "{job}: {totals} · recolte",
        PageSubtitle => "recolte · report of a run",
        NoHostVisited => "No host was visited.",
        AfterDuration { duration } => "after {duration}",
        MoreInJson { count: usize } => "and {count} more, in report.json",

        // How hosts ended.
        AtStep { step } => "at {step}",
        InDuration { duration } => "in {duration}",
        FilesCollected { files } => "({files} brought home)",
        OfHosts { hosts } => "of {hosts}",
        HostsReady { ready: usize, total: usize } => "{ready} of {total} hosts are ready",
        FilesSkipped { files, hosts } => "left behind: {files} on {hosts}; the report says why",
        MoreHosts { hosts } => "… and {hosts}",
        MoreReasons { hosts } => "and {hosts}, for reasons told in the report",
        CollectedFile { path, size, digest, remote } => "{path}  {size}  sha256 {digest}…  from {remote}",
        RunPeriod { run, started, ended } => "Run {run}, from {started} to {ended}",

        // What became of the mail. An error begins with `: `.
        MailSent { error } => "sent{error}",
        MailSentInParts { parts: usize, error } => "sent in {parts} parts{error}",
        MailNotSent { error } => "not sent{error}; `recolte send` tries again",
        MailPartlySent { error } => "not wholly sent{error}; `recolte send` tries again",

        // Progress of a run.
        VisitingHosts { run, hosts, names } => "run {run}: visiting {hosts}: {names}",
        Note { note } => "note: {note}",
        ArchivePath { path, size } => "archive: {path} ({size})",
        SendingMail => "sending the mail",
        HostsDone { done: usize, total: usize } => "{done}/{total} done",
        HostsInFlight { count: usize, steps } => "{count} in flight: {steps}",
        MoreLongVisits { count: usize, seconds: u64 } => "and {count} more for over {seconds} s",
        PackingArchive => "packing the archive",
        ArchiveMade { size } => "archive of {size} made",

        // Errors.
        UnknownSchema { found: u32, known: u32 } => "schema {found} is not {known}, the one known here",
    }
}

impl ReportMessage {
    /// Returns `no files`, `1 file` or `12 files`.
    pub fn count_files(count: usize) -> String {
        count_noun(count, "file", "files")
    }

    /// Returns `no hosts`, `1 host` or `12 hosts`.
    pub fn count_hosts(count: usize) -> String {
        count_noun(count, "host", "hosts")
    }

    /// Returns `1 more host` or `12 more hosts`.
    pub fn count_more_hosts(count: usize) -> String {
        count_noun(count, "more host", "more hosts")
    }
}

/// Returns a count with the form of its noun.
fn count_noun(count: usize, singular: &str, plural: &str) -> String {
    match count {
        0 => format!("no {plural}"),
        1 => format!("1 {singular}"),
        _ => format!("{count} {plural}"),
    }
}
