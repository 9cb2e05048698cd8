//! Samples of what programs say, each with its cause and a piece of its way out.
//!
//! Each names the program that says it; `untried` marks a sample that was written from the program's source, and
//! not seen on a host.

use super::*;
use Cause::*;

/// A sample: who says it · what is said · the cause · a piece of the hint.
type Sample = (&'static str, &'static str, Cause, &'static str);

/// Samples of ssh about a connection to `h1`; the last column tells whether another attempt is made.
#[rustfmt::skip]
const CONNECTIONS: [(Sample, bool); 47] = [
    (("OpenSSH 9.2, untried", "Certificate invalid: expired\r\nNo ED25519 host key is known for h and you have requested strict checking.\r\nHost key verification failed.\r\n", HostKeyUnknown, "certificate"), false),
    (("OpenSSH 8.7 under a strict crypto policy, untried", "ssh_dispatch_run_fatal: Connection to 10.0.0.1 port 22: error in libcrypto\r\n", NoCommonAlgorithm, "ssh -v h1 true"), false),
    (("OpenSSH 9.2", "ssh: connect to host 10.77.1.2 port 22: Connection refused\r\n", Refused, "sshd"), true),
    (("OpenSSH 9.2", "ssh: Could not resolve hostname nowhere: Name or service not known\r\n", Unresolved, "HostName"), false),
    (("OpenSSH 9.2", "ssh: Could not resolve hostname n: Temporary failure in name resolution\r\n", Unresolved, "name server"), true),
    (("OpenSSH 10, untried", "hostname contains invalid characters\r\n", Unresolved, "check the name"), false),
    (("OpenSSH 9.2", "ssh: connect to host 10.9.9.9 port 22: Connection timed out\r\n", ConnectTimeout, "firewall"), true),
    (("OpenSSH 9.2", "Connection timed out during banner exchange\r\nConnection to 10.0.0.1 port 22 timed out\r\n", ConnectTimeout, "overloaded"), true),
    (("OpenSSH 9.2", "ssh: connect to host 10.9.9.9 port 22: No route to host\r\n", Refused, "network"), true),
    (("OpenSSH 9.2", "ssh: connect to host 10.9.9.9 port 22: Network is unreachable\r\n", Refused, "network"), true),
    (("OpenSSH 9.2, untried", "ssh: connect to host 10.9.9.9 port 22: Permission denied\r\n", Refused, "firewall of this machine"), false),
    (("OpenSSH 9.2", "User_VIP@10.77.1.2: Permission denied (publickey).\r\n", AuthDenied, "authorized_keys"), false),
    (("OpenSSH 7.4, untried", "Permission denied (publickey,gssapi-keyex,gssapi-with-mic).\r\n", AuthDenied, "authorized_keys"), false),
    (("OpenSSH 9.2", "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\r\n", AuthDenied, "IdentitiesOnly"), false),
    (("OpenSSH 9.2", "@@@@@@@\r\n@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @\r\n@@@@@@@\r\nPermissions 0644 for '/home/op/.ssh/id' are too open.\r\nIt is required that your private key files are NOT accessible by others.\r\nThis private key will be ignored.\r\nLoad key \"/home/op/.ssh/id\": bad permissions\r\nop@10.77.1.2: Permission denied (publickey).\r\n", AuthDenied, "chmod 600 /home/op/.ssh/id"), false),
    (("OpenSSH 9.2", "Warning: Identity file /home/op/none not accessible: No such file or directory.\nop@10.77.1.2: Permission denied (publickey).\r\n", AuthDenied, "/home/op/none"), false),
    (("OpenSSH 9.2", "no such identity: /home/op/none: No such file or directory\r\nop@10.77.1.2: Permission denied (publickey).\r\n", AuthDenied, "/home/op/none"), false),
    (("OpenSSH 9.2", "Load key \"/home/op/.ssh/id\": error in libcrypto\r\nop@10.77.1.2: Permission denied (publickey).\r\n", AuthDenied, "error in libcrypto"), false),
    (("OpenSSH 9.2, untried", "sign_and_send_pubkey: signing failed for ED25519 \"op\" from agent: agent refused operation\r\nop@h: Permission denied (publickey).\r\n", AuthDenied, "agent refused"), false),
    (("OpenSSH 9.2: a missing key is no cause where another one fits", "Warning: Identity file /home/op/none not accessible: No such file or directory.\nssh: connect to host 10.77.1.2 port 22: Connection refused\r\n", Refused, "sshd"), true),
    (("OpenSSH 9.2", "No ED25519 host key is known for 10.77.1.2 and you have requested strict checking.\r\nHost key verification failed.\r\n", HostKeyUnknown, "ssh h1 true"), false),
    (("OpenSSH 9.2", "Host key verification failed.\r\n", HostKeyUnknown, "ssh h1 true"), false),
    (("OpenSSH 9.2 of Debian", "@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n@@@@@\r\nIT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\r\nAdd correct host key in /home/op/kh to get rid of this message.\r\nOffending ED25519 key in /home/op/kh:3\r\n  remove with:\r\n  ssh-keygen -f \"/home/op/kh\" -R \"[10.77.1.2]:2222\"\r\nHost key for [10.77.1.2]:2222 has changed and you have requested strict checking.\r\nHost key verification failed.\r\n", HostKeyChanged, "ssh-keygen -f /home/op/kh -R '[10.77.1.2]:2222'"), false),
    (("OpenSSH 7.4, untried", "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nOffending RSA key in /etc/ssh/ssh_known_hosts:12\r\nRSA host key for old.example has changed and you have requested strict checking.\r\nHost key verification failed.\r\n", HostKeyChanged, "ssh-keygen -f /etc/ssh/ssh_known_hosts -R old.example"), false),
    (("OpenSSH 9.2", "@       WARNING: REVOKED HOST KEY DETECTED!               @\r\nThe ED25519 host key for 10.77.1.2 is marked as revoked.\r\nThis could mean that a stolen key is being used to impersonate this host.\r\nED25519 host key for 10.77.1.2 was revoked and you have requested strict checking.\r\nHost key verification failed.\r\n", HostKeyRevoked, "do not connect"), false),
    (("OpenSSH 9.2, untried", "Host key ED25519 SHA256:abc revoked by file /etc/ssh/revoked\r\nHost key verification failed.\r\n", HostKeyRevoked, "do not connect"), false),
    (("OpenSSH 9.2", "Unable to negotiate with 10.77.1.2 port 22: no matching host key type found. Their offer: ssh-rsa,ssh-dss\r\n", NoCommonAlgorithm, "Host h1, HostKeyAlgorithms +ssh-rsa"), false),
    (("OpenSSH 9.2", "Unable to negotiate with 10.77.1.2 port 22: no matching key exchange method found. Their offer: diffie-hellman-group1-sha1\r\n", NoCommonAlgorithm, "KexAlgorithms +diffie-hellman-group1-sha1"), false),
    (("OpenSSH 9.2", "Unable to negotiate with 10.77.1.2 port 22: no matching cipher found. Their offer: aes128-cbc,3des-cbc\r\n", NoCommonAlgorithm, "Ciphers +aes128-cbc"), false),
    (("OpenSSH 9.2", "Unable to negotiate with 10.77.1.2 port 22: no matching MAC found. Their offer: hmac-md5\r\n", NoCommonAlgorithm, "MACs +hmac-md5"), false),
    (("OpenSSH 9.2 with an RSA key, sshd 7.4, untried", "sign_and_send_pubkey: no mutual signature supported\r\nop@h: Permission denied (publickey).\r\n", NoCommonAlgorithm, "PubkeyAcceptedAlgorithms +ssh-rsa"), false),
    (("OpenSSH 9.2, untried", "Bad server host key: Invalid key length\r\n", NoCommonAlgorithm, "too short"), false),
    (("OpenSSH 7.4, untried", "Protocol major versions differ: 2 vs. 1\r\n", NoCommonAlgorithm, "update its ssh"), false),
    (("OpenSSH 9.2", "/tmp/c: line 1: Bad configuration option: foo\r\n/tmp/c: terminating, 1 bad configuration options\r\n", Other, "ssh_config"), false),
    (("OpenSSH 9.2", "Bad owner or permissions on /home/op/.ssh/config\r\n", Other, "chmod go-w"), false),
    (("OpenSSH 9.2", "unix_listener: path \"/run/x\" too long for Unix domain socket\r\n", Other, "TMPDIR"), false),
    (("OpenSSH 9.2", "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by 10.0.0.1 port 22\r\n", ConnectionLost, "MaxStartups"), true),
    (("OpenSSH 10, untried", "Connection closed by 10.0.0.1 port 22\r\n", ConnectionLost, "MaxStartups"), true),
    (("OpenSSH 7.4, untried", "ssh_exchange_identification: Connection closed by remote host\r\n", ConnectionLost, "MaxStartups"), true),
    (("OpenSSH 9.2", "kex_exchange_identification: read: Connection reset by peer\r\n", ConnectionLost, "MaxStartups"), true),
    (("OpenSSH 9.2", "kex_exchange_identification: banner line contains invalid characters\r\nbanner exchange: Connection to 10.0.0.1 port 22: invalid format\r\n", ConnectionLost, "no sshd"), false),
    (("PAM of Debian 12, /etc/nologin", "\r\nSystem maintenance until 18:00\r\n\r\nConnection closed by 10.77.1.2 port 22\r\n", LoginRefused, "/etc/nologin"), false),
    (("PAM of Debian 12, chage -E", "Your account has expired; please contact your system administrator.\r\n\r\nConnection closed by 10.77.1.2 port 22\r\n", AccountLocked, "chage -E"), false),
    (("PAM in French, untried", "Votre compte a expir\u{e9} ; veuillez contacter votre administrateur syst\u{e8}me.\r\nConnection closed by 10.77.1.2 port 22\r\n", AccountLocked, "chage -E"), false),
    (("OpenSSH 10.1, untried: its warning is not the host's", "** WARNING: connection is not using a post-quantum key exchange algorithm.\r\nConnection closed by 10.77.1.2 port 22\r\n", ConnectionLost, "MaxStartups"), true),
    (("no rule", "percent_expand: unknown key %q\r\n", ConnectionLost, "ssh -v h1 true"), false),
    (("nothing", "", ConnectionLost, "ssh -v h1 true"), false),
];

#[test]
fn what_ssh_says_of_a_connection_leads_to_its_cause() {
    for ((from, said, cause, hint), transient) in CONNECTIONS {
        let known = Evidence { host: "h1", ssh: said.as_bytes(), ..Evidence::default() };
        let diagnosis = diagnose(Step::Connect, &known);
        assert_eq!((diagnosis.cause, diagnosis.transient), (cause, transient), "{from}: {said}");
        assert!(diagnosis.hint.to_string().contains(hint), "{from}: {}", diagnosis.hint);
        let words = diagnosis.words.to_string();
        assert!(
            !words.is_empty() && !words.contains(['\r', '\n']) && !words.starts_with('@'),
            "{from}: {words}"
        );
    }
}

/// The text of the outer ssh when its proxy ended.
const PROXY_ENDED: &str = "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by UNKNOWN port 65535\r\n";

/// Samples of the ssh of a jump host.
#[rustfmt::skip]
const JUMPS: [(Sample, bool); 18] = [
    (("PAM of Debian 12, /etc/nologin", "Back at 18:00\r\nConnection closed by 10.77.1.9 port 22\r\n", JumpFailed, "/etc/nologin"), false),
    (("OpenSSH 9.2", "op@10.77.1.9: Permission denied (publickey).\r\n", JumpFailed, "ssh gate true"), false),
    (("OpenSSH 9.2", "Host key verification failed.\r\n", JumpFailed, "ssh gate true"), false),
    (("OpenSSH 9.2", "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nOffending RSA key in /k:1\r\nHost key for g has changed and you have requested strict checking.\r\nHost key verification failed.\r\n", JumpFailed, "ssh-keygen -f /k -R g"), false),
    (("OpenSSH 9.2", "ssh: Could not resolve hostname gate: Name or service not known\r\n", JumpFailed, "check the name"), false),
    (("OpenSSH 9.2", "ssh: connect to host 10.77.1.9 port 22: Connection refused\r\n", JumpFailed, "sshd"), false),
    (("OpenSSH 9.2", "Connection timed out during banner exchange\r\n", JumpFailed, "overloaded"), true),
    (("OpenSSH 9.2", "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by 10.77.1.9 port 22\r\n", JumpFailed, "MaxStartups"), true),
    (("OpenSSH 9.2", "Unable to negotiate with 10.77.1.9 port 22: no matching host key type found. Their offer: ssh-rsa\r\n", JumpFailed, "Host gate, HostKeyAlgorithms"), false),
    (("dash, a ProxyCommand", "sh: 1: exec: corkscrew: not found\n", JumpFailed, "ProxyCommand"), false),
    (("OpenSSH 9.2", "channel 0: open failed: administratively prohibited: open failed\r\nstdio forwarding failed\r\n", JumpFailed, "AllowTcpForwarding"), false),
    (("OpenSSH 9.2", "channel 0: open failed: connect failed: Connection refused\r\nstdio forwarding failed\r\n", Refused, "sshd"), true),
    (("OpenSSH 9.2", "channel 0: open failed: connect failed: Name or service not known\r\nstdio forwarding failed\r\n", Unresolved, "jump host must know"), false),
    (("OpenSSH 9.2, untried", "channel 0: open failed: connect failed: Temporary failure in name resolution\r\nstdio forwarding failed\r\n", Unresolved, "jump host must know"), true),
    (("OpenSSH 9.2, untried", "channel 0: open failed: connect failed: Connection timed out\r\nstdio forwarding failed\r\n", ConnectTimeout, "jump host cannot"), true),
    (("OpenSSH 9.2, untried", "channel 0: open failed: connect failed: No route to host\r\nstdio forwarding failed\r\n", Refused, "jump host cannot"), true),
    (("a banner alone: nobody knows", "Authorised use only\r\n", ConnectionLost, "MaxStartups"), true),
    (("nothing", "", ConnectionLost, "MaxStartups"), true),
];

#[test]
fn what_a_jump_host_says_is_told_as_its_own() {
    for ((from, said, cause, hint), transient) in JUMPS {
        let known = Evidence {
            host: "h1",
            jump: Some("gate"),
            stderr: said.as_bytes(),
            ssh: PROXY_ENDED.as_bytes(),
            ..Evidence::default()
        };
        let diagnosis = diagnose(Step::Connect, &known);
        assert_eq!((diagnosis.cause, diagnosis.transient), (cause, transient), "{from}: {said}");
        assert!(diagnosis.hint.to_string().contains(hint), "{from}: {}", diagnosis.hint);
        let named = diagnosis.words.to_string().contains("jump host gate");
        assert_eq!(named, cause == JumpFailed && !said.contains("open failed"), "{from}");
    }
}

#[test]
fn a_jump_host_that_bans_this_machine_is_quoted() {
    let known = Evidence {
        jump: Some("gate"),
        stdout: b"Not allowed at this time\r\n",
        stderr: b"kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 10.0.0.1 port 22\r\n",
        ssh: PROXY_ENDED.as_bytes(),
        ..Evidence::default()
    };
    let Diagnosis { cause, words, hint, transient } = diagnose(Step::Connect, &known);
    assert_eq!((cause, transient), (JumpFailed, false));
    assert!(
        words.to_string().contains("Not allowed at this time")
            && hint.to_string().contains("PerSourcePenalty")
    );
}

#[test]
fn the_hosts_own_words_outweigh_the_banner_of_a_jump_host() {
    let ssh = b"op@10.77.1.2: Permission denied (publickey).\r\n";
    let known = Evidence {
        jump: Some("gate"),
        stderr: b"Connection closed by nobody\r\n",
        ssh,
        ..Evidence::default()
    };
    assert_eq!(diagnose(Step::Connect, &known).cause, AuthDenied);
}

#[test]
fn of_several_jump_hosts_none_is_blamed() {
    let stderr = b"op@10.77.1.9: Permission denied (publickey).\r\n";
    let known = Evidence {
        host: "h1",
        jump: Some("a,b"),
        stderr,
        ssh: PROXY_ENDED.as_bytes(),
        ..Evidence::default()
    };
    assert!(diagnose(Step::Connect, &known).hint.to_string().contains("ssh -v h1 true"));
}

#[test]
fn a_port_that_speaks_tells_why_it_closed() {
    let ssh = b"kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 10.0.0.1 port 22\r\n";
    for (from, said, cause, hint, transient) in [
        (
            "OpenSSH 9.8, untried",
            "Not allowed at this time\r\n",
            SourceBanned,
            "PerSourcePenaltyExemptList",
            false,
        ),
        ("OpenSSH 9.2", "Exceeded MaxStartups\r\n", ConnectionLost, "raise its MaxStartups", true),
        ("OpenSSH 9.2: it lets us in again", "SSH-2.0-OpenSSH_9.2p1\r\n", ConnectionLost, "hosts.deny", true),
        ("an HTTP server", "HTTP/1.0 400 Bad Request\r\n", ConnectionLost, "no sshd", false),
    ] {
        let diagnosis =
            diagnose(Step::Connect, &Evidence { stdout: said.as_bytes(), ssh, ..Evidence::default() });
        assert_eq!((diagnosis.cause, diagnosis.transient), (cause, transient), "{from}");
        assert!(diagnosis.hint.to_string().contains(hint), "{from}: {}", diagnosis.hint);
    }
}

/// Samples of what the login user meets in place of a shell.
#[rustfmt::skip]
const LOGINS: [Sample; 9] = [
    ("sshd 9.2 without PAM", "WARNING: Your password has expired.\nPassword change required but no TTY available.\n", PasswordExpired, "chage -M -1"),
    ("PAM of Debian 12", "You are required to change your password immediately (administrator enforced).\n", PasswordExpired, "chage -M -1"),
    ("PAM in French, untried", "Vous devez changer votre mot de passe imm\u{e9}diatement (demand\u{e9} par l'administrateur).\n", PasswordExpired, "chage"),
    ("nologin of Debian 12", "This account is currently not available.\n", LoginRefused, "nologin"),
    ("nologin in French", "Ce compte est actuellement indisponible.\n", LoginRefused, "nologin"),
    ("sshd 9.2, /etc/nologin", "Back at 18:00\n", LoginRefused, "/etc/nologin"),
    ("a forced command", "Only git here.\n", LoginRefused, "forced command"),
    ("pam_limits", "Too many logins for 'op'.\n", LoginFailed, "maxlogins"),
    ("nothing: false as its shell", "", LoginRefused, "false as its shell"),
];

#[test]
fn a_login_that_runs_nothing_has_its_words_told() {
    for (from, said, cause, hint) in LOGINS {
        let known = Evidence { status: Some(1), stderr: said.as_bytes(), ..Evidence::default() };
        let diagnosis = diagnose(Step::Upload, &known);
        assert_eq!(diagnosis.cause, cause, "{from}: {said}");
        assert!(diagnosis.hint.to_string().contains(hint), "{from}: {}", diagnosis.hint);
        let first = said.lines().next().unwrap_or("no word was said");
        assert!(diagnosis.words.to_string().contains(first), "{from}: {}", diagnosis.words);
    }
}

/// Samples of what is said before the launcher is ready.
#[rustfmt::skip]
const LAUNCHES: [(i32, Sample); 53] = [
    (254, ("bash under nproc", "-bash: fork: retry: Resource temporarily unavailable\n-bash: fork: Resource temporarily unavailable\n", LoginFailed, "nproc")),
    (1, ("sudo 1.9 in French", "sudo: /usr/bin/sudo doit \u{ea}tre la propri\u{e9}t\u{e9} du uid 0 et avoir le bit setuid mis\n", SudoDenied, "set-user-ID")),
    (1, ("sudo 1.9 in French", "sudo: Le fichier /etc/sudoers est ouvert en \u{e9}criture pour tous\n", SudoDenied, "visudo -c")),
    (1, ("sudo 1.9 in French, untried", "sudo: Le compte ou le mot de passe a expir\u{e9}, r\u{e9}initialisez votre mot de passe puis r\u{e9}essayez de vous connecter\n", PasswordExpired, "login user")),
    (1, ("su of util-linux in French, PAM", "su: \u{c9}chec de l\u{2019}authentification\n", LoginFailed, "/etc/pam.d/su")),
    (1, ("nologin of Debian 12 in French", "Ce compte n\u{2019}est actuellement pas disponible.\n", AccountLocked, "usermod")),
    (1, ("nologin of busybox", "This account is not available\n", AccountLocked, "usermod")),
    (126, ("su of util-linux under nproc 0", "su: failed to execute /bin/bash: Resource temporarily unavailable\n", LoginFailed, "nproc")),
    (1, ("sudo 1.9", "sudo: /etc/sudoers is world writable\nsudo: error initializing audit plugin sudoers_audit\n", SudoDenied, "visudo -c")),
    (1, ("sudo 1.9, untried", "sudo: /etc/sudoers.d/vip is owned by uid 7701, should be 0\n", SudoDenied, "visudo -c")),
    (1, ("sudo 1.8, untried: a warning alone", "sudo: problem with defaults entries\n", LoginFailed, "profile")),
    (1, ("sudo 1.9", "sudo: a password is required\n", SudoDenied, "recolte sudoers")),
    (1, ("sudo 1.9", "sudo: sorry, you must have a tty to run sudo\n", SudoDenied, "requiretty")),
    (1, ("sudo 1.9 in French", "sudo: d\u{e9}sol\u{e9}, vous devez avoir un tty pour ex\u{e9}cuter sudo\n", SudoDenied, "requiretty")),
    (1, ("sudo 1.9", "Sorry, user User_VIP is not allowed to execute '/usr/bin/su - User_DollarU -c x' as root on h1.\n", SudoDenied, "recolte sudoers")),
    (1, ("sudo 1.9 in French", "D\u{e9}sol\u{e9}, l'utilisateur User_VIP n'est pas autoris\u{e9} \u{e0} ex\u{e9}cuter \u{ab} su \u{bb} en tant que root sur h1.\n", SudoDenied, "recolte sudoers")),
    (1, ("sudo 1.8", "User_VIP is not in the sudoers file.  This incident will be reported.\n", SudoDenied, "recolte sudoers")),
    (1, ("sudo 1.9 in French, untried", "sudo: il est n\u{e9}cessaire de saisir un mot de passe\n", SudoDenied, "recolte sudoers")),
    (1, ("sudo-rs, untried", "sudo-rs: I'm sorry User_VIP. I'm afraid I can't do that\n", SudoDenied, "recolte sudoers")),
    (1, ("sudo-rs, untried", "sudo-rs: interactive authentication is required\n", SudoDenied, "recolte sudoers")),
    (1, ("sudo 1.9", "sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set\n", SudoDenied, "set-user-ID")),
    (1, ("sudo 1.9, untried", "sudo: effective uid is not 0, is /usr/bin/sudo on a file system with the 'nosuid' option set?\n", SudoDenied, "nosuid")),
    (1, ("sudo 1.9", "/etc/sudoers:3:10: syntax error\nsudo: no valid sudoers sources found, quitting\n", SudoDenied, "visudo -c")),
    (1, ("sudo 1.8, untried", ">>> /etc/sudoers: syntax error near line 3 <<<\nsudo: parse error in /etc/sudoers near line 3\n", SudoDenied, "visudo -c")),
    (1, ("sudo 1.9, untried", "sudo: Account or password is expired, reset your password and try again\n", PasswordExpired, "login user")),
    (1, ("sudo 1.9, untried", "sudo: account validation failure, is your account locked?\n", AccountLocked, "login user")),
    (127, ("dash", "sh: 1: sudo: not found\n", SudoDenied, "install sudo")),
    (127, ("bash", "sh: line 1: sudo: command not found\n", SudoDenied, "install sudo")),
    (127, ("bash in French", "sh: ligne 1: sudo : commande introuvable\n", SudoDenied, "install sudo")),
    (127, ("mksh", "sh: sudo: inaccessible or not found\n", SudoDenied, "install sudo")),
    (1, ("su of util-linux", "su: user User_DollarU does not exist or the user entry does not contain all the required fields\n", NoSuchUser, "create User_DollarU")),
    (1, ("su of util-linux in French", "su: l'utilisateur User_DollarU n'existe pas ou l'entr\u{e9}e utilisateur ne contient pas tous les champs requis\n", NoSuchUser, "create")),
    (1, ("su of shadow, untried", "su: user User_DollarU does not exist\n", NoSuchUser, "create")),
    (1, ("su of shadow 4.8, untried", "No passwd entry for user 'User_DollarU'\nsu: No passwd entry for user 'User_DollarU'\n", NoSuchUser, "create")),
    (1, ("su of busybox", "su: unknown user User_DollarU\n", NoSuchUser, "create")),
    (1, ("id of GNU", "id: \u{2018}User_DollarU\u{2019}: no such user\n", NoSuchUser, "create")),
    (1, ("su of util-linux, PAM", "su: Authentication failure\n", LoginFailed, "/etc/pam.d/su")),
    (1, ("su of util-linux, pam_wheel", "su: Permission denied\n", LoginFailed, "/etc/pam.d/su")),
    (1, ("su of util-linux, PAM, untried", "su: cannot open session: Permission denied\n", LoginFailed, "/etc/pam.d/su")),
    (126, ("su of util-linux under noexec", "su: failed to execute /bin/bash: Permission denied\n", SudoDenied, "EXEC:")),
    (127, ("su of util-linux", "su: failed to execute /bin/zsh: No such file or directory\n", LoginFailed, "usermod -s")),
    (127, ("su of util-linux in French", "su: \u{e9}chec d'ex\u{e9}cution de /bin/zsh: Aucun fichier ou dossier de ce type\n", LoginFailed, "usermod -s")),
    (127, ("su of busybox", "su: can't execute '/bin/zsh': No such file or directory\n", LoginFailed, "usermod -s")),
    (1, ("PAM", "Your account has expired; please contact your system administrator.\nsu: User account has expired\n", AccountLocked, "chage -E")),
    (1, ("PAM", "You are required to change your password immediately (administrator enforced).\nChanging password for User_DollarU.\nCurrent password: ", PasswordExpired, "chage -M -1 -d -1 User_DollarU")),
    (1, ("PAM in French", "Vous devez changer votre mot de passe imm\u{e9}diatement (demand\u{e9} par l'administrateur).\nMot de passe actuel : ", PasswordExpired, "chage -M -1")),
    (1, ("nologin", "This account is currently not available.\n", AccountLocked, "usermod")),
    (1, ("nologin in French", "Ce compte est actuellement indisponible.\n", AccountLocked, "usermod")),
    (126, ("the launcher's folder is closed", "-bash: line 1: /home/User_VIP/script/.recolte-run-1: Permission denied\n", NotExecutable, "noexec")),
    (126, ("rbash", "rbash: line 1: /home/User_VIP/script/.recolte-run-1: restricted: cannot specify `/' in command names\n", LoginFailed, "sudo su - User_DollarU")),
    (1, ("pam_limits", "Too many logins for 'User_DollarU'.\nsu: cannot open session: Permission denied\n", LoginFailed, "maxlogins")),
    (1, ("sudo's warning alone", "sudo: unable to resolve host h1: Name or service not known\n", LoginFailed, "profile")),
    (1, ("nothing", "", LoginFailed, "profile")),
];

#[test]
fn what_is_said_before_the_launcher_is_ready_leads_to_its_cause() {
    for (status, (from, said, cause, hint)) in LAUNCHES {
        for both in [[said, ""], ["", said]] {
            let [stdout, stderr] = both.map(str::as_bytes);
            let known = Evidence {
                user: "User_DollarU",
                status: Some(status),
                stdout,
                stderr,
                ..Evidence::default()
            };
            let diagnosis = diagnose(Step::Execute, &known);
            assert_eq!(diagnosis.cause, cause, "{from}: {said}");
            assert!(diagnosis.hint.to_string().contains(hint), "{from}: {}", diagnosis.hint);
        }
    }
}

#[test]
fn the_words_are_one_line_without_the_banner() {
    let ssh = b"@@@@\r\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\n@@@@\r\nHost key verification failed.\r\n\x1b[2J";
    let diagnosis = diagnose(Step::Connect, &Evidence { host: "h1", ssh, ..Evidence::default() });
    assert_eq!(diagnosis.words.to_string(), "Host key verification failed. · \\x1b[2J");
    assert!(diagnosis.hint.to_string().contains("ssh-keygen -R h1"));
}
