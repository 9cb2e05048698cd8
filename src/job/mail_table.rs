//! Builds the settings of the mail from `[mail]`, the environment and this machine's name.
//!
//! Limits: nothing is sent and no server is reached.

use std::fs;
use std::path::Path;

use super::file::{Address, MailTable, Parsed};
use super::source::JobSource;
use crate::located::Located;
use crate::mail::{Mailbox, Password, Settings, Transport};
use crate::message::JobMessage;

/// The variable that holds the password of the mail server.
const PASSWORD: &str = "RECOLTE_SMTP_PASSWORD";

/// The old script's subject, with the `$U` that its shell replaced by nothing.
const SUBJECT: &str = "Résultat $U du script";

/// The old script's text.
const BODY: &str = "Vous trouverez ci-joint les fichiers comprenant les retours de chaque serveur \
                    après le lancement du script.";

impl JobSource<'_> {
    pub(super) fn build_mail(&self, mail: MailTable) -> Result<Settings, Located> {
        self.check("mail.to", mail.to.is_empty().then_some(JobMessage::RecipientsEmpty))?;
        let password = match &mail.password_file {
            Some(file) => Some(self.read_password(file)?),
            None => std::env::var(PASSWORD).ok().map(|text| Password::new(&text)),
        };
        let from = mail.from.map_or_else(default_sender, |Parsed(Address(from))| Ok(from));
        let settings = Settings {
            transport: match mail.transport.0 {
                Transport::File(folder) => Transport::File(self.resolve_path(&folder)),
                other => other,
            },
            from: from.map_err(|kind| self.error_at("mail", kind))?,
            to: mail.to.into_iter().map(|Parsed(Address(mailbox))| mailbox).collect(),
            subject: mail.subject.unwrap_or_else(|| SUBJECT.to_owned()),
            body: mail.body.unwrap_or_else(|| BODY.to_owned()),
            max_size: mail.max_size,
            password: password.filter(|_| mail.user.is_some()),
            user: mail.user,
        };
        let fault = settings.validate().err();
        self.check("mail", fault.map(|error| JobMessage::MailInvalid { error: error.to_string() }))?;
        Ok(settings)
    }

    fn read_password(&self, file: &Path) -> Result<Password, Located> {
        const KEY: &str = "mail.password_file";
        let path = self.resolve_readable(KEY, file)?;
        let text = fs::read_to_string(&path).map_err(|error| self.unreadable(KEY, &path, error))?;
        Ok(Password::new(&text))
    }
}

/// Returns the sender where the job names none: this user at this machine, as `mailx` has it.
fn default_sender() -> Result<Mailbox, JobMessage> {
    let user =
        std::env::var("LOGNAME").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "root".to_owned());
    let host = nix::unistd::gethostname()
        .map_err(|error| JobMessage::MachineUnnamed { error: error.to_string() })?;
    let address = format!("{user}@{}", host.to_string_lossy());
    match address.parse::<Mailbox>() {
        Ok(sender) => Ok(sender),
        Err(error) => Err(JobMessage::SenderInvalid { address, error: error.to_string() }),
    }
}
