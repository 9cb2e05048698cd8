//! The parts of a job that name hosts and people: `[targets]` and `[mail]`.

use std::fs;
use std::path::PathBuf;

use toml::Spanned;

use super::build::Builder;
use super::{JobError, Overrides, file};
use crate::inventory::register::Register;
use crate::inventory::{self, Selection};
use crate::mail::{self, Mailbox, Password, Transport};

/// The variable that carries the password of the mail server.
const PASSWORD: &str = "RECOLTE_SMTP_PASSWORD";

impl Builder<'_> {
    pub(super) fn targets(
        &self,
        targets: file::TargetsTable,
        config: Option<Spanned<PathBuf>>,
        over: &Overrides,
    ) -> Result<Selection, JobError> {
        let mut exclude = self.words(targets.exclude)?;
        exclude.extend(over.exclude.iter().cloned());
        let here = self.words(targets.hosts)?;
        let register = targets.register.map(|r| self.register(r)).transpose()?;
        Ok(Selection {
            register: register.filter(|_| over.hosts.is_none()),
            hosts: over.hosts.clone().unwrap_or(here),
            exclude,
            only: over.only.clone(),
            config: over.config.clone().or(config.map(|c| self.path(c.get_ref()))),
        })
    }

    /// Words that choose hosts, each one that can be read.
    fn words(&self, words: Vec<Spanned<String>>) -> Result<Vec<String>, JobError> {
        let read = |word: Spanned<String>| {
            inventory::check(word.get_ref())
                .map_err(|error| self.source.wrong(&word.span(), error.to_string()))?;
            Ok(word.into_inner())
        };
        words.into_iter().map(read).collect()
    }

    fn register(&self, register: file::RegisterTable) -> Result<Register, JobError> {
        Ok(Register {
            file: self.named("targets.register.file", &register.file)?,
            sheet: register.sheet,
            host: register.host,
            filters: register.wanted.into_iter().collect(),
        })
    }

    pub(super) fn mail(&self, mail: Spanned<file::MailTable>) -> Result<mail::Settings, JobError> {
        let place = mail.span();
        let mail = mail.into_inner();
        if mail.to.get_ref().is_empty() {
            return Err(self
                .source
                .wrong(&mail.to.span(), "mail.to is empty; name who shall get the archive"));
        }
        let password = match &mail.password_file {
            Some(file) => Some(self.password(file)?),
            None => std::env::var(PASSWORD).ok().map(|text| Password::new(&text)),
        };
        let settings = mail::Settings {
            transport: match mail.transport {
                Transport::File(folder) => Transport::File(self.path(&folder)),
                other => other,
            },
            from: mail.from.map_or_else(sender, Ok).map_err(|why| self.source.wrong(&place, why))?,
            to: mail.to.into_inner().into_iter().map(|file::Parsed(mailbox)| mailbox).collect(),
            subject: mail.subject,
            body: mail.body,
            max_size: mail.max_size,
            password: password.filter(|_| mail.user.is_some()),
            user: mail.user,
        };
        settings.validate().map_err(|error| self.source.wrong(&place, format!("[mail]: {error}")))?;
        Ok(settings)
    }

    fn password(&self, file: &Spanned<PathBuf>) -> Result<Password, JobError> {
        let named = self.named("mail.password_file", file)?;
        let line = self.source.line(&file.span());
        let text = fs::read_to_string(&named).map_err(|source| JobError::Named {
            file: self.source.file.to_owned(),
            line,
            key: "mail.password_file",
            named,
            source,
        })?;
        Ok(Password::new(text.trim_end_matches(['\n', '\r'])))
    }
}

/// The sender where the job names none: this user at this machine, as `mailx` has it.
fn sender() -> Result<Mailbox, String> {
    let user =
        std::env::var("LOGNAME").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "root".to_owned());
    let host = nix::unistd::gethostname().map_err(|error| format!("this machine has no name: {error}"))?;
    let address = format!("{user}@{}", host.to_string_lossy());
    address
        .parse()
        .map_err(|error| format!("mail.from is left out and {address} is no address ({error}); set it"))
}
