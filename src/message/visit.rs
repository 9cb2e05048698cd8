//! Texts about a visited host: what went wrong at which step, and the way out.

use super::messages;

messages! {
    /// A text about a visited host.
    VisitMessage as Visit {
        // What a host or one of its programs said, and what it is about.
        Quoted { text } => "{text}",
        About { subject, text } => "{subject}: {text}",

        // Connecting: ssh's end, and what to do about each of its messages (the table in remote/diagnose.rs).
        SshSilent => "ssh ended without a word",
        SshNotStarted { error } => "ssh cannot be started: {error}",
        IsSshInstalled => "is OpenSSH's client installed, and in PATH?",
        NoConnection { time } => "no connection within {time}",
        AllowMoreConnectTime => "is the host up and not overloaded? connect_timeout allows more time",
        RemoveOldHostKey { host } => "find out why its key changed; only if it is right to, remove the old one: ssh-keygen -R {host}",
        LearnHostKey { host } => "verify its key, then let ssh learn it once by hand: ssh {host} true",
        NameOneKey => "name one key: IdentitiesOnly yes in ssh_config",
        IsKeyAuthorized { host } => "is the key in the host's authorized_keys? try: ssh {host} true",
        IsNameServerUp => "does this machine's name server answer?",
        CheckHostName => "check the name, or give it a HostName in ssh_config",
        IsSshdRunning => "does sshd run there, on that port?",
        IsSshdOverloaded => "the port answers but sshd does not; is the host overloaded?",
        IsHostUp => "is the host up, and does the firewall let ssh through?",
        IsHostOrNetworkUp => "is the host up, and the network between?",
        IsNetworkUp => "is the network between up?",
        CorrectSshConfig => "correct the ssh_config",
        CorrectSshConfigRights => "correct the rights of the ssh_config: chmod go-w",
        ShortenSocketPath => "set XDG_RUNTIME_DIR or TMPDIR to a shorter path",
        AllowOldAlgorithm => "client and host share no algorithm; ssh_config can allow an older one",
        HostHungUp => "the host hung up early; if many connect at once, lower handshakes or raise its MaxStartups",
        JumpHostCannotReach => "the jump host cannot reach it",
        LinkSilent => "the link went silent",
        RunSshVerbosely { host } => "see what ssh says: ssh -v {host} true",
        StaleControlSocket { path } => "nobody answers at your control socket; a connection of our own was made; rm {path}",
        FolderNotPrivate => "it is no private folder of yours; move it away",

        // Errors of a connected host, at any step.
        ConnectionBroke => "the connection broke",
        HostStalled { seconds: u64 } => "the host stopped answering for {seconds} s",
        SessionRefused => "the host allows no further session on its connection (MaxSessions)",
        NoisyShell => "the login shell prints text of its own",
        PermissionDenied => "permission denied",
        NotFound => "no such file or folder",
        HostDiskFull => "no space left on the host",
        HostError { text } => "the host reports a failure: {text}",
        UnexpectedAnswer { text } => "the host's answer makes no sense: {text}",
        ListingTooLong => "the names under the glob take more than 16 MiB",
        FileChanged => "the file changed while it was copied",
        LocalIo => "cannot be written here",
        FileNotWritten => "the file was not written",

        // The way out of each of them.
        ResumeOnceHostIsUp => "is the host still up? recolte resume finishes the run",
        IsHostHanging => "is the host overloaded, or a file system of it hanging?",
        RaiseMaxSessions => "close other sessions on this connection, or raise MaxSessions there",
        SilenceProfile => "its .bashrc or profile must print nothing unless a terminal is there",
        MakeRoomOnHost => "make room there",
        WaitForWriter => "does something still write it? run again once it is done",
        PermitStaging => "the login user must be able to write there; or set script.staging",
        PermitInstall => "the login user must be able to write there; or set script.install",
        PermitReading => "let the login user read it, or permit sudo su for reading",
        MakeRoomHere => "make room where the runs are kept (output)",
        LookAtOutputFolder => "look at the folder where the runs are kept (output)",

        // The request to stop, and hosts that were never visited.
        Deadline => "the run's deadline passed",
        Interrupted => "interrupted",
        ResumeFinishes => "recolte resume finishes the run",
        DeadlineBeforeVisit => "the run's deadline passed before its turn",
        InterruptedBeforeVisit => "the run was interrupted before its turn",
        TooManyFailures => "too many hosts failed before its turn (canary or max_failures)",
        ResumeVisits => "recolte resume visits it",
        Panicked { text } => "a fault of recolte itself: {text}",
        ReportPanic => "please report it, with the run folder's journal",
        JournalNotWritten { error } => "the journal cannot be written: {error}",

        // Upload and install.
        NotRemoved { path } => "{path} could not be removed",
        InstallSilent => "cp or chmod failed without a word",
        NotWhatWasSupplied { path } => "{path} is not what was supplied",
        FindOtherWriter => "find out who else writes there; nothing was run",

        // The script: it did not begin.
        ScriptNotBegun { said } => "the script did not begin: {said}",
        ScriptNotBegunStatus { status: i32, said } => "the script did not begin (status {status}): {said}",
        NothingSaid => "no word was said",
        CreateUser { user } => "create {user} there, or leave the host out",
        NoRequiretty => "the sudoers rule must say !requiretty for this command",
        PermitBareCommand { user } => "sudoers must permit, without a password: su - {user} -c …",
        PermitSupervisedCommand { user } => "sudoers must permit, without a password: su - {user} -c …; a rule that pins the bare command needs supervise = false",
        ShellEndsEarly => "does the login shell end early?",

        // The script: how it ended.
        ScriptExited { status: i32 } => "the script exited with status {status}",
        ScriptExitedLikeSignal { status: i32, signal: i32 } => "the script exited with status {status} (signal {signal})",
        ScriptKilled => "the script was killed by a signal",
        ScriptExitedEarlier { status: i32 } => "the script exited with status {status} before the run was taken up again",
        ScriptEndNotSeen => "the script began before the run was broken off; its end was not seen",
        ReadItsOutput => "read what it printed in the run folder: hosts/<host>/stderr",
        ExecuteAgain => "recolte resume --execute-again runs it once more",
        IsInterpreterThere => "is its folder mounted noexec, or its interpreter missing?",
        IsCommandThere => "is its interpreter (the #! line), or a command that it calls, missing?",
        ScriptTimedOut { time, end } => "the script ran longer than {time}; {end}",
        ScriptRanAtDeadline { end } => "the script still ran at the run's deadline; {end}",
        ScriptRanAtInterruption { end } => "the script still ran at the interruption; {end}",
        ScriptWasEnded => "it was ended",
        ScriptMayStillRun => "its end could not be confirmed",
        ScriptLeftRunning => "it was left running",
        AllowMoreTime => "script.timeout allows more time",
        ResumeCollects => "recolte resume collects what it left",
        LookWhetherItRuns => "look on the host whether it still runs",
        SuperviseEndsIt => "supervise = true would end it",
        ProcessLeftBehind => "the script left a process behind that still holds its output",
        ScriptOutput => "the script's output",
        OutputNotKept { error } => "not all of it could be kept: {error}",
        OutputTruncated { kept: u64, all: u64 } => "the first {kept} of {all} bytes were kept (max_file)",

        // Collecting: what is skipped, and what fails.
        IsSymlink => "it is a symbolic link",
        IsFolder => "it is a folder",
        IsFifo => "it is a FIFO",
        IsDevice => "it is a device",
        IsNotRegular => "it is no regular file",
        StaleFile { time } => "it is of an earlier run: last changed {time}",
        WentAway => "it went away before it was copied",
        FileTooLarge { file, bytes: u64, key, limit: u64 } => "{file}: its {bytes} bytes are beyond {key} ({limit})",
        RaiseLimit => "raise the limit in [collect], or fetch it by hand",
        NoFile { globs } => "no file of this run matches {globs}",
        NoFileButSkipped { globs, skipped: usize } => "no file of this run matches {globs}; {skipped} were left, see skipped",
        DidItWriteElsewhere => "did the script write elsewhere? required = false allows none",

        // What a check notes of a host that is ready, and its clock.
        MasterAdopted => "your live master is used",
        CheckedWithoutSftp => "no sftp: a command channel will do",
        ClockDiffers { seconds: i64 } => "its clock differs by {seconds} s",
        ClockUnreadable { said } => "its clock cannot be read: date +%s says \"{said}\"",
        DateIsNeeded => "the job needs date +%s there",
    }
}
