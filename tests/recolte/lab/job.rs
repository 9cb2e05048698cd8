//! A job file in the making, and the command line that runs it.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::gateway::SCRIPT;

/// What the supplied script does unless a test says otherwise.
pub const WRITES_ONE_FILE: &str = "#!/bin/sh\necho \"$(hostname) $1\" >/tmp/fichier_log.txt\n";

/// A job, and how recolte is called with it.
pub struct Job {
    folder: PathBuf,
    table: Table,
    command: Vec<String>,
    words: Option<Vec<String>>,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    stdin: Option<String>,
}

impl Job {
    /// A job with what every job needs; its files are in `folder`.
    pub fn new(folder: &Path, hosts: &[&str]) -> Self {
        let job = Self {
            folder: folder.to_owned(),
            table: Table::new(),
            command: vec!["run".to_owned()],
            words: None,
            options: Vec::new(),
            environment: Vec::new(),
            stdin: None,
        };
        job.script(WRITES_ONE_FILE)
            .set("name", "JGE")
            .set("output", folder.join("runs").to_str().unwrap())
            .set("targets.hosts", hosts)
            .set("ssh.connect_timeout", "60s")
            .set("script.file", SCRIPT)
            .set("script.args", ["SOC_PRODUCTION"].as_slice())
            .set("script.install", "/home/User_VIP/script")
            .set("script.run_as", "User_DollarU")
            .set("collect.files", ["/tmp/fichier_*log.txt"].as_slice())
    }

    /// What the supplied script says.
    pub fn script(self, text: impl AsRef<[u8]>) -> Self {
        fs::write(self.folder.join(SCRIPT), text).unwrap();
        self
    }

    /// Sets a key of the job file, like `script.args`.
    pub fn set(mut self, key: &str, value: impl IntoValue) -> Self {
        let (table, key) = self.at(key);
        table.insert(key, value.into_value());
        self
    }

    /// Leaves a key out.
    pub fn without(mut self, key: &str) -> Self {
        let (table, key) = self.at(key);
        table.remove(&key);
        self
    }

    /// The table that holds a key, and the key's last word.
    fn at(&mut self, key: &str) -> (&mut Table, String) {
        let mut table = &mut self.table;
        let mut words: Vec<&str> = key.split('.').collect();
        let last = words.pop().unwrap();
        for word in words {
            let entry = table.entry(word).or_insert_with(|| Value::Table(Table::new()));
            table = entry.as_table_mut().unwrap();
        }
        (table, last.to_owned())
    }

    /// Does another thing than `run` with the job.
    pub fn command(mut self, command: &str) -> Self {
        self.command = vec![command.to_owned()];
        self
    }

    /// Calls recolte with just these words.
    pub fn words(mut self, words: &[&str]) -> Self {
        self.words = Some(words.iter().map(|word| (*word).to_owned()).collect());
        self
    }

    /// Adds options.
    pub fn options(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What recolte can read on its stdin.
    pub fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    /// The folder of its files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The job file.
    pub fn file(&self) -> PathBuf {
        self.folder.join("JGE.toml")
    }

    /// Where its runs live.
    pub fn output(&self) -> PathBuf {
        let output = self.table.get("output").and_then(Value::as_str);
        output.map_or_else(|| self.folder.join("no-output"), |path| self.folder.join(path))
    }

    /// The job file's text.
    pub fn text(&self) -> String {
        toml::to_string(&self.table).unwrap()
    }

    /// The command line; the job file is written by this.
    pub fn arguments(&self) -> Vec<String> {
        if let Some(words) = &self.words {
            return words.clone();
        }
        fs::write(self.file(), self.text()).unwrap();
        let mut all = self.command.clone();
        all.push(self.file().to_str().unwrap().to_owned());
        all.extend(self.options.iter().cloned());
        all
    }

    /// Variables of its environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.environment.clone()
    }

    /// What it can read.
    pub fn input(&self) -> Option<&str> {
        self.stdin.as_deref()
    }
}

/// What a key can be set to.
pub trait IntoValue {
    /// As TOML has it.
    fn into_value(self) -> Value;
}

impl IntoValue for &str {
    fn into_value(self) -> Value {
        Value::from(self)
    }
}

impl IntoValue for &Path {
    fn into_value(self) -> Value {
        Value::from(self.to_str().unwrap())
    }
}

impl IntoValue for bool {
    fn into_value(self) -> Value {
        Value::from(self)
    }
}

impl IntoValue for i64 {
    fn into_value(self) -> Value {
        Value::from(self)
    }
}

impl IntoValue for &[&str] {
    fn into_value(self) -> Value {
        Value::Array(self.iter().map(|text| Value::from(*text)).collect())
    }
}

impl<const N: usize> IntoValue for &[&str; N] {
    fn into_value(self) -> Value {
        self.as_slice().into_value()
    }
}
