//! Builds the selection of hosts from `[targets]` and the command line.
//!
//! Limits: entries are checked here, but no list, register or ssh_config is read.

use std::path::PathBuf;

use toml::Spanned;

use super::build::JobBuilder;
use super::{Overrides, file};
use crate::inventory::register::Register;
use crate::inventory::{Selection, validate_entry};
use crate::located::Located;
use crate::message::JobMessage;

impl JobBuilder<'_> {
    pub(super) fn build_targets(
        &self,
        targets: file::TargetsTable,
        config: Option<Spanned<PathBuf>>,
        over: &Overrides,
    ) -> Result<Selection, Located> {
        let mut exclude = self.check_entries(targets.exclude)?;
        exclude.extend(over.exclude.iter().cloned());
        // Checked even where the command line replaces them: a wrong job file is always refused.
        let hosts = self.check_entries(targets.hosts)?;
        let register = targets.register.map(|table| self.build_register(table)).transpose()?;
        Ok(Selection {
            register: register.filter(|_| over.hosts.is_none()),
            hosts: over.hosts.clone().unwrap_or(hosts),
            exclude,
            only: over.only.clone(),
            config: over.config.clone().or(config.map(|path| self.resolve_path(path.get_ref()))),
        })
    }

    fn check_entries(&self, entries: Vec<Spanned<String>>) -> Result<Vec<String>, Located> {
        let check = |entry: Spanned<String>| match validate_entry(entry.get_ref()) {
            Ok(()) => Ok(entry.into_inner()),
            Err(error) => {
                Err(self.source.error_at(&entry.span(), JobMessage::Refused { error: error.to_string() }))
            }
        };
        entries.into_iter().map(check).collect()
    }

    fn build_register(&self, table: file::RegisterTable) -> Result<Register, Located> {
        Ok(Register {
            file: self.resolve_readable("targets.register.file", &table.file)?,
            sheet: table.sheet,
            host: table.host,
            filters: table.filters.into_iter().collect(),
        })
    }
}
