//! Texts about the job file: what is wrong in it, and the way out.

use super::messages;

messages! {
    /// A text about the job file.
    JobMessage as Job {
        // Files.
        JobFileUnreadable => "the job file cannot be read; name another one, or see the README for a first job",
        JobFileNotUtf8 => "is not UTF-8 text; save it as UTF-8",
        FileUnreadable { key, file } => "{key} {file} cannot be read; correct the path or the rights",
        FileNotRegular => "it is not a regular file",
        FileTooLarge { max_mib: u64 } => "it is larger than {max_mib} MiB",

        // Values as they are written.
        Refused { error } => "{error}",
        EntryRefused { key, error } => "{key}: {error}",
        TextExpected => "a text in quotes",
        TextInvalid { text, error } => "\"{text}\" is not valid: {error}",
        AddressInvalid { error } => "{error}; write one address in each string, like \"name@example.fr\"",
        AddressLacksDomain { user } => "it has no domain; write \"{user}@\" and the domain: \"{user}@localhost\" is the mailbox on this machine",
        SeveralAddresses { listed } => "it holds several addresses; write {listed}",
        ListExpected { key, listed } => "{key} takes a list; write {listed}",
        NumberExpected => "expected a whole number, like 8",
        DurationTooShort => "at least \"1s\" is needed",
        DurationInvalid { error } => "{error}; write it like \"30s\" or \"2h\"",
        SizeInvalid { error } => "{error}; write it like \"10MiB\"",
        MaxFailuresExpected => "a count like 5 or a share like \"20%\"",
        MaxFailuresInvalid { value } => "max_failures {value} is neither a count like 5 nor a share like \"20%\"",

        // Values as this machine can check them.
        ParallelIsZero => "parallel must be at least 1",
        NameInvalid { name } => "name {name:?} names a folder: use letters, digits and dashes, at most 100, and no slash",
        ScriptUnreadable { error } => "script.file: {error}",
        ScriptEmpty { file } => "script.file: {file} is empty; write the commands into it, or name another file",
        ScriptHasWindowsLines { file } => "script.file: {file} has lines that end with a carriage return, as Windows writes them; convert it: sed -i 's/\\r$//; s/\\r/\\n/g' {file}",
        ScriptHasBom { file } => "script.file: {file} begins with a byte order mark, so that no host finds its `#!`; remove it: sed -i '1s/^\\xEF\\xBB\\xBF//' {file}",
        ScriptIsUtf16 { file, encoding } => "script.file: {file} is UTF-16, which no shell reads; convert it: iconv -f {encoding} -t UTF-8 {file} > NEW, and name NEW",
        ScriptIsArchive { file, what } => "script.file: {file} is {what}, not a script; unpack it and name the script in it",
        ScriptNameNotUtf8 => "script.file: its name is no UTF-8; rename it",
        ModeInvalid { mode } => "script.mode \"{mode}\" is no mode; write three or four octal digits, like \"775\"",
        UserInvalid { user } => "script.run_as {user:?} is no user name",
        ArgumentHasNul { key } => "{key}: no command line can carry a NUL",
        PathNotAbsolute { key, path } => "{key} {path:?} must be an absolute path on the hosts, on one line",
        ArgumentsTooLong => "script.args are too long for one command line on the hosts; put them into a file",
        GlobNotExpanded { glob, text } => "collect.files {glob:?}: {text} is not expanded; write a glob of its own for each",
        NoSudoNeeded => "script.run_as is left out: the script runs as the login user, without sudo",
        SudoersTitle => "printed by recolte sudoers, for a file in /etc/sudoers.d (visudo -f). Where su is not in /usr/bin, correct its path. Of several Defaults that fit, the last one counts.",
        NotInSudoers { text } => "script.args: sudoers cannot express a newline, nor a blank at the end: {text:?}",
        NoSessionToReadIn => "collect.as = \"run_as\" needs supervise = true; without it the login user collects",
        CollectEmpty => "collect.files is empty; name what comes back, like \"/tmp/fichier_*log.txt\"",
        RecipientsEmpty => "mail.to is empty; name who shall get the archive",
        MachineUnnamed { error } => "this machine has no name: {error}",
        SenderInvalid { address, error } => "mail.from is left out and {address} is no address ({error}); set it",
        MailInvalid { error } => "[mail]: {error}",
    }
}
