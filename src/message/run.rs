//! Texts about a run on the gateway: its folder, its lock, its journal, its archive and mail, and the commands.

use super::{Message, messages};

messages! {
    /// A text about a run on the gateway.
    RunMessage as Run {
        ArchiveFailed { path, error } => "{path}: the archive could not be made: {error}",
        CollectOnly { hosts } => "their script began before, only collected from: {hosts}",
        CopyFailed { path, error } => "{path}: the archive could not be put there: {error}",
        DryRun { job } => "dry run of {job}: nothing was touched",
        DryRunCopy => "collect: copy the files",
        DryRunDisconnect => "disconnect",
        DryRunList => "collect: what is there",
        DuplicateHosts { groups } => "{groups}: these names lead to the same machine; exclude all but one, or say --allow-duplicates",
        FewerHostsAtOnce { max: usize, parallel: usize, limit: u64 } => "{max} hosts at a time instead of {parallel}: only {limit} files may be open here; raise the hard limit (ulimit -Hn)",
        FileLeftOut { path, bytes: u64, sha256 } => "  {path}\n    {bytes} bytes, sha256 {sha256}",
        FolderUnreadable { folder, error } => "{folder}: cannot be read: {error}",
        ForPersistentMasters => "for those that are kept",
        HostTooLarge { host } => "{host}: too large for a mail; its files are on the gateway:",
        HostsShortened { names, count: usize } => "{names}… ({count} hosts)",
        InternalError { error } => "a fault of recolte itself: {error}",
        JournalClosed => "the journal was closed",
        JournalUnreadable => "the journal cannot be read",
        JournalWithoutStart => "the journal does not say how the run began; start a new run",
        LockHeld { holder } => "another run holds the lock: {holder}; wait for its end, or stop it",
        LockHolder { process: u32, user, since } => "process {process} of {user}, since {since}",
        LockUnavailable => "the lock cannot be taken there; set output",
        MailFailed { error } => "recolte: mail: {error}",
        MailMayHaveArrived => "mail: it may have arrived all the same; ask before recolte send gives it twice",
        MailNotConfigured { job } => "{job}: the job has no [mail]; add it, then send again",
        MailPartsFailed { error } => "the parts: {error}",
        MailSent { run, parts: usize } => "{run}: sent in {parts} message(s)",
        NameTakenTooOften { name } => "{name}: a hundred thousand files bear this name",
        NoControlDirectory { reason } => "no folder for control sockets: {reason}; set XDG_RUNTIME_DIR or TMPDIR",
        NoRuns { folder } => "no runs in {folder}",
        NoSuchRun { output } => "no such run in {output}; recolte runs lists them",
        NotALink { path } => "{path} is no link; move it away",
        OutputUnusable { folder, error } => "{folder}: runs cannot be kept there: {error}; set output",
        PackerPanicked => "a fault of recolte itself",
        PersistentFolderUnusable { folder, error } => "{folder}: {error}; or set XDG_RUNTIME_DIR",
        ReportUnprintable { error } => "recolte: the report cannot be printed: {error}",
        ReportsUnwritable { folder, error } => "{folder}: the reports could not be written: {error}",
        RunEnded { totals, hosts: usize } => "{totals} of {hosts} hosts",
        RunNotOver { path, error } => "{path}: {error}; the run is not over, recolte resume finishes it",
        RunNotOverYet { ended: usize, hosts: usize } => "broken off: {ended} of {hosts} hosts ended",
        RunWasResumed => "; resumed",
        RunWithoutMail => "; the mail did not leave",
        SameMachine { names } => "same machine: {names}",
        SocketPathTooLong => "its path is too long",
        SucceededBefore { hosts } => "left alone, they succeeded: {hosts}",
        Text { text } => "{text}",
        TooLargeForMail { hosts } => "too large for any mail, fetch by hand: {hosts}",
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        RunMessage::Text { text }.into()
    }
}
