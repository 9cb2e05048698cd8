//! The settings of `[mail]`: transport, sender, recipients, size.
//!
//! Plain values, checked by [`Settings::validate`] before any host is touched. Reads no file and no environment.

use std::fmt;

use lettre::message::Mailbox;

use super::transport::{Security, Transport};
use crate::escape::escape;
use crate::message::MailMessage;

/// The settings of a mail.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The transport.
    pub transport: Transport,
    /// The sender in the header, and in the envelope, to which later servers return what they refuse.
    pub from: Mailbox,
    /// The recipients, all of them named in the header.
    pub to: Vec<Mailbox>,
    /// The subject the job asks for.
    pub subject: String,
    /// The text the job asks for.
    pub body: String,
    /// The largest message, in bytes as sent.
    pub max_size: u64,
    /// The user who logs in at the SMTP server; without one nobody does.
    pub user: Option<String>,
    /// That user's password; not used without a user.
    pub password: Option<Password>,
}

/// A password, which `{:?}` does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Reads the password from a file's text, without the line end that editors add.
    pub fn new(text: &str) -> Self {
        Self(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Returns the password itself, for the login and nothing else.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Settings {
    /// Checks that these settings can be used together.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn validate(&self) -> Result<(), MailMessage> {
        if self.to.is_empty() {
            return Err(MailMessage::NoRecipient);
        }
        for mailbox in std::iter::once(&self.from).chain(&self.to) {
            // The mail library panics where a header cannot hold a name.
            let texts = [mailbox.name.as_deref().unwrap_or_default(), mailbox.email.as_ref()];
            if let Some(bad) = texts.into_iter().find(|text| text.chars().any(char::is_control)) {
                let text = escape(bad.as_bytes());
                return Err(MailMessage::ControlCharacterInAddress { text });
            }
        }
        if self.max_size == 0 {
            return Err(MailMessage::MaxSizeIsZero);
        }
        self.user.as_deref().map_or(Ok(()), |user| self.validate_login(user))
    }

    /// Checks that `user` can log in, and never in clear.
    fn validate_login(&self, user: &str) -> Result<(), MailMessage> {
        let transport = self.transport.to_string();
        match &self.transport {
            Transport::Smtp(server) if server.security != Security::None => {}
            Transport::Smtp(_) => return Err(MailMessage::PlainCredentials { transport }),
            _ => return Err(MailMessage::UselessCredentials { transport }),
        }
        match self.password.as_ref().map_or("", Password::expose) {
            "" => Err(MailMessage::NoPassword),
            password if user.contains('\0') || password.contains('\0') => Err(MailMessage::NulInCredentials),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::tests::settings;

    #[test]
    fn credentials_never_travel_in_clear() {
        let secret = Some(Password::new("s3cret\r\n"));
        let with =
            |transport| Settings { user: Some("me".into()), password: secret.clone(), ..settings(transport) };
        let error = with("smtp://relais").validate().unwrap_err().to_string();
        assert!(error.contains("smtp://relais:25 would carry the password in clear"), "{error}");
        assert!(matches!(with("sendmail").validate(), Err(MailMessage::UselessCredentials { .. })));
        assert_eq!(with("smtps://relais").validate(), Ok(()));
        assert_eq!(with("smtp+starttls://relais").validate(), Ok(()));
        assert!(!format!("{:?}", with("smtps://relais")).contains("s3cret"));
        assert_eq!(secret.as_ref().map(Password::expose), Some("s3cret"));
    }

    #[test]
    fn a_user_needs_a_password_and_a_mail_a_recipient() {
        let user = Settings { user: Some("me".into()), ..settings("smtps://relais") };
        assert_eq!(user.validate(), Err(MailMessage::NoPassword));
        let empty = Settings { password: Some(Password::new("\n")), ..user.clone() };
        assert_eq!(empty.validate(), Err(MailMessage::NoPassword));
        let nul = Settings { password: Some(Password::new("a\0b")), ..user };
        assert_eq!(nul.validate(), Err(MailMessage::NulInCredentials));
        assert_eq!(Settings { to: vec![], ..settings("sendmail") }.validate(), Err(MailMessage::NoRecipient));
        assert_eq!(
            Settings { max_size: 0, ..settings("sendmail") }.validate(),
            Err(MailMessage::MaxSizeIsZero)
        );
    }
}
