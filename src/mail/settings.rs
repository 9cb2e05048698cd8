//! What `[mail]` of a job comes to: how, from whom, to whom, how large.
//!
//! Plain values, checked by [`Settings::validate`] before any host is touched. Reads no file and no environment.

use std::fmt;

use lettre::message::Mailbox;
use thiserror::Error;

use super::transport::{Security, Transport};
use crate::escape::escape;

/// Where and how to send.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The way out.
    pub transport: Transport,
    /// The sender: of the header, and of the envelope, where refusals by later servers come back to.
    pub from: Mailbox,
    /// The recipients, all named in the header.
    pub to: Vec<Mailbox>,
    /// The subject the job asks for.
    pub subject: String,
    /// The text the job asks for.
    pub body: String,
    /// The largest message, in bytes as sent.
    pub max_size: u64,
    /// Who logs in at the SMTP server; nobody does where it is left out.
    pub user: Option<String>,
    /// That user's password; without a user it is not used.
    pub password: Option<Password>,
}

/// A password, which no `{:?}` prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// The password in a file's text: without the line end that editors put.
    pub fn new(text: &str) -> Self {
        Self(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The password itself, for the login and nothing else.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// `to` is empty.
    #[error("mail: nobody to send to: name at least one address in to")]
    NoRecipient,
    /// Credentials would cross the network in clear.
    #[error(
        "mail: user is set, but {transport} would carry the password in clear: write smtp+starttls:// or smtps://, or leave user out"
    )]
    PlainCredentials {
        /// The transport asked for.
        transport: String,
    },
    /// Nobody logs in there.
    #[error("mail: user is set, but nobody logs in at {transport}: leave user out")]
    UselessCredentials {
        /// The transport asked for.
        transport: String,
    },
    /// No password came with the user.
    #[error("mail: user is set without a password: name a password_file, or set RECOLTE_SMTP_PASSWORD")]
    NoPassword,
    /// A NUL byte, which the login cannot carry.
    #[error("mail: user or password holds a NUL byte, which a login cannot carry: correct them")]
    BadCredentials,
    /// A control character in an address or in the name beside it.
    #[error("mail: an address or its name holds a control character: {}: correct it", escape(.0.as_bytes()))]
    BadAddress(String),
    /// No message at all would fit.
    #[error("mail: max_size is 0, so that no message fits: raise it")]
    NoRoom,
}

impl Settings {
    /// Whether these settings can be used together.
    ///
    /// # Errors
    /// What contradicts what.
    pub fn validate(&self) -> Result<(), SettingsError> {
        if self.to.is_empty() {
            return Err(SettingsError::NoRecipient);
        }
        self.validate_addresses()?;
        if self.max_size == 0 {
            return Err(SettingsError::NoRoom);
        }
        self.user.as_deref().map_or(Ok(()), |user| self.validate_login(user))
    }

    /// Whether sender and recipients can stand in a header; the mail library panics where a name cannot.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn validate_addresses(&self) -> Result<(), SettingsError> {
        for mailbox in std::iter::once(&self.from).chain(&self.to) {
            let texts = [mailbox.name.as_deref().unwrap_or_default(), mailbox.email.as_ref()];
            if let Some(bad) = texts.into_iter().find(|text| text.chars().any(char::is_control)) {
                return Err(SettingsError::BadAddress(bad.to_owned()));
            }
        }
        Ok(())
    }

    /// Whether `user` can log in there.
    fn validate_login(&self, user: &str) -> Result<(), SettingsError> {
        let transport = self.transport.to_string();
        match &self.transport {
            Transport::Smtp(server) if server.security != Security::None => {}
            Transport::Smtp(_) => return Err(SettingsError::PlainCredentials { transport }),
            _ => return Err(SettingsError::UselessCredentials { transport }),
        }
        let Some(password) = self.password.as_ref().filter(|p| !p.0.is_empty()) else {
            return Err(SettingsError::NoPassword);
        };
        if user.contains('\0') || password.0.contains('\0') {
            return Err(SettingsError::BadCredentials);
        }
        Ok(())
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
        assert!(matches!(with("sendmail").validate(), Err(SettingsError::UselessCredentials { .. })));
        assert_eq!(with("smtps://relais").validate(), Ok(()));
        assert_eq!(with("smtp+starttls://relais").validate(), Ok(()));
        assert!(!format!("{:?}", with("smtps://relais")).contains("s3cret"));
        assert_eq!(secret.as_ref().map(Password::expose), Some("s3cret"));
    }

    #[test]
    fn a_user_needs_a_password_and_a_mail_somebody_to_go_to() {
        let user = Settings { user: Some("me".into()), ..settings("smtps://relais") };
        assert_eq!(user.validate(), Err(SettingsError::NoPassword));
        let empty = Settings { password: Some(Password::new("\n")), ..user.clone() };
        assert_eq!(empty.validate(), Err(SettingsError::NoPassword));
        let nul = Settings { password: Some(Password::new("a\0b")), ..user };
        assert_eq!(nul.validate(), Err(SettingsError::BadCredentials));
        assert_eq!(
            Settings { to: vec![], ..settings("sendmail") }.validate(),
            Err(SettingsError::NoRecipient)
        );
        assert_eq!(Settings { max_size: 0, ..settings("sendmail") }.validate(), Err(SettingsError::NoRoom));
    }
}
