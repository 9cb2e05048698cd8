//! Texts about the mail: why it did not leave, and the way out.

use super::messages;

messages! {
    /// A text about the mail.
    #[allow(rustdoc::broken_intra_doc_links, reason = "[mail] is a table of the job file")]
    MailMessage as Mail {
        // Settings that cannot be used.
        NoRecipient => "mail: nobody to send to: name at least one address in to",
        PlainCredentials { transport } => "mail: user is set, but {transport} would carry the password in clear: write smtp+starttls:// or smtps://, or leave user out",
        UselessCredentials { transport } => "mail: user is set, but nobody logs in at {transport}: leave user out",
        NoPassword => "mail: user is set without a password: name a password_file, or set RECOLTE_SMTP_PASSWORD",
        NulInCredentials => "mail: user or password holds a NUL byte, which a login cannot carry: correct them",
        ControlCharacterInAddress { text } => "mail: an address or its name holds a control character: {text}: correct it",
        MaxSizeIsZero => "mail: max_size is 0, so that no message fits: raise it",
        UnknownTransport { text } => "transport \"{text}\" is unknown: write sendmail, smtp://host:25, smtp+starttls://host:587, smtps://host:465 or file:FOLDER",
        TransportWithoutFolder => "transport \"file:\" names no folder: write file:FOLDER",
        TransportWithCredentials => "transport holds credentials: put the name in user and the password in password_file",
        InvalidHost { text } => "transport names no valid host: \"{text}\": write a name or an address, an IPv6 one in brackets",
        InvalidPort { text } => "transport names no valid port: \"{text}\": write a number from 1 to 65535",
        MoreThanHostAndPort { text } => "transport has more than host and port: \"{text}\": leave it out",
        CorrectMailTable => "correct [mail] in the job file",

        // The message.
        NoMediaType { text } => "mail: \"{text}\" is no media type",
        CannotBeMade => "mail: the message cannot be made",
        CorrectNamesOrMailTable => "correct [mail] in the job file, or the names of the files attached",
        TooLarge { bytes: u64, limit: u64 } => "mail: the message has {bytes} bytes, and max_size allows {limit}",
        RaiseMaxSize => "raise max_size, or attach less",

        // The folder of messages.
        FolderUnwritable { folder } => "mail folder {folder}: the message cannot be written",
        FolderTimedOut { folder, seconds: u64 } => "mail folder {folder}: writing did not end within {seconds} s",
        WrittenTo { path } => "written to {path}",
        CheckFolder => "see that the folder can be written and has room",

        // sendmail.
        SendmailMissing => "sendmail: not found in PATH, /usr/sbin or /usr/lib",
        SendmailNotRun { path } => "{path}: cannot be run",
        SendmailFailed { path, status: std::process::ExitStatus, stderr } => "{path}: ended with {status}: {stderr}",
        SendmailLeftInputUnread { path, stderr } => "{path}: ended without reading the whole message: {stderr}",
        SendmailTimedOut { path, seconds: u64, stderr } => "{path}: did not end within {seconds} s and was killed: {stderr}",
        SendmailPrintedNothing => "it said nothing",
        SendmailPrinted { stderr } => "sendmail said: {stderr}",
        InstallSendmail => "install a mail system, or write smtp:// as transport",
        CheckSendmailIsExecutable => "see that the command can be executed",
        CheckMailLog => "see the mail system's log, and its queue (mailq) before sending again; lower max_size where the message is too big",
        CheckMailQueue => "look in the mail queue (mailq) before sending again: it may hold the message",

        // An SMTP server: stages of a session.
        WhileConnecting => "while connecting",
        AtStartTls => "at STARTTLS",
        AtEhlo => "at EHLO",
        AtLogin => "at login",
        AtMailFrom => "at MAIL FROM",
        AtRcptTo => "at RCPT TO",
        DuringMessage => "during the message",
        AfterMessage => "after the message",

        // An SMTP server: problems.
        MailServer { server, problem } => "mail server {server}: {problem}",
        ServerUnreachable => "cannot be reached",
        ServerSilent { seconds: u64, stage: &'static MailMessage } => "silent for {seconds} s {stage}",
        ConnectionBroke { stage: &'static MailMessage } => "the connection broke {stage}",
        NoSmtpAnswer { stage: &'static MailMessage } => "no answer in SMTP {stage}",
        NoTrustworthyTls => "no trustworthy TLS connection",
        NoStartTls => "offers no STARTTLS, and nothing is sent in clear",
        NoLogin => "offers neither AUTH PLAIN nor AUTH LOGIN",
        NegativeAnswer { stage: &'static MailMessage, code: u16, text } => "answered {stage}: {code} {text}",
        OnlyAsciiAddresses { address } => "takes only plain ASCII addresses, not {address}",
        OverServerLimit { limit: u64, bytes: u64 } => "takes {limit} bytes, and the message has {bytes}",
        EveryRecipientRefused { recipients } => "refused every recipient: {recipients}",
        EveryRecipientDeferred { recipients } => "refused every recipient for now: {recipients}",
        Unconfirmed => "the message was sent whole, but not confirmed; it is not sent again, as it may have arrived",
        SentAfterRetries { attempts: usize, error } => "it took {attempts} tries, the one before failed: {error}",

        // An SMTP server: causes.
        NoAddress => "the name has no address",
        NoAnswerWithin { seconds: u64 } => "silent for {seconds} s",
        CertificatesTimedOut => "the system's certificates cannot be read in time",
        ClosedByServer => "closed by the server",
        DataNotAccepted => "DATA was not answered with 354",
        AnswerOutOfOrder => "an answer out of order",

        // An SMTP server: ways out.
        CheckAddressAndFirewall => "see that the name, the port and the firewall are right",
        CheckPortAndTls => "see that the port and the kind of TLS are right: 25 smtp, 587 smtp+starttls, 465 smtps",
        CheckPortIsMailServer => "see that the port is a mail server's, and the kind of TLS the right one",
        CheckCertificate => "the certificate must name this server and come from an authority in the system's store, or in SSL_CERT_FILE; port 465 goes with smtps, 587 with smtp+starttls",
        UseImplicitTls => "write smtps:// if it has TLS on port 465",
        LeaveUserOut => "leave user out, or ask for another login on that server",
        CheckLogin => "see that user and password are right",
        WriteDomainInAscii => "write the domain in its xn-- form, or name a server with SMTPUTF8",
        LowerMaxSize => "lower max_size, so that the archive is sent in parts",
        CheckRecipients => "see that the addresses are right and that the server relays for this machine",
        AskRecipient => "ask a recipient before sending again",
        SendAgainLater => "send it again later with recolte send",
        CheckServerLog => "see the server's log",
    }
}
