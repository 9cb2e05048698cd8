//! A builder for a job file and the command line that uses it.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::gateway::SCRIPT;

/// The supplied script, unless a test sets another one: writes its host's name and first argument into a file.
pub const WRITE_ONE_FILE: &str = "#!/bin/sh\necho \"$(hostname) $1\" >/tmp/fichier_log.txt\n";

/// The servers of the old script.
pub const OLD_SCRIPT_HOSTS: [&str; 12] = [
    "exemple1", "exemple2", "exemple3", "machine1", "machine2", "machine3", "test1", "test2", "test3",
    "serveur1", "serveur2", "serveur3",
];

/// An argument that no shell may change.
pub const ODD_ARGUMENT: &str = "a b  c'd\"e$HOME*?;|&<>(){}[]\\ `id` !x ~\n#é\u{20ac}\t$(id)";

/// A script that writes its arguments into a file, each ended by a NUL.
pub const WRITE_ARGUMENTS: &str = "#!/bin/sh\nprintf '%s\\0' \"$@\" >/tmp/fichier_log.txt\n";

/// A job file, and the arguments, environment and stdin of recolte.
pub struct Job {
    folder: PathBuf,
    table: Table,
    subcommand: String,
    raw_args: Option<Vec<String>>,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    stdin: Option<String>,
}

impl Job {
    /// Makes a job with every key that a job needs; its files are in `folder`.
    pub fn new(folder: &Path, hosts: &[&str]) -> Self {
        let job = Self {
            folder: folder.to_owned(),
            table: Table::new(),
            subcommand: "run".to_owned(),
            raw_args: None,
            options: Vec::new(),
            environment: Vec::new(),
            stdin: None,
        };
        job.script(WRITE_ONE_FILE)
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

    /// Writes the supplied script.
    pub fn script(self, text: impl AsRef<[u8]>) -> Self {
        fs::write(self.folder.join(SCRIPT), text).unwrap();
        self
    }

    /// Sets a key of the job file, like `script.args`.
    pub fn set(mut self, key: &str, value: impl IntoValue) -> Self {
        let (table, key) = self.table_of(key);
        table.insert(key, value.into_value());
        self
    }

    /// Removes a key.
    pub fn without(mut self, key: &str) -> Self {
        let (table, key) = self.table_of(key);
        table.remove(&key);
        self
    }

    /// Returns the table that holds a dotted key, and the last part of the key.
    fn table_of(&mut self, key: &str) -> (&mut Table, String) {
        let mut table = &mut self.table;
        let mut parts: Vec<&str> = key.split('.').collect();
        let last = parts.pop().unwrap();
        for part in parts {
            let entry = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
            table = entry.as_table_mut().unwrap();
        }
        (table, last.to_owned())
    }

    /// Sets another subcommand than `run`.
    pub fn subcommand(mut self, name: &str) -> Self {
        name.clone_into(&mut self.subcommand);
        self
    }

    /// Calls recolte with these arguments alone: no job file is written.
    pub fn raw_args(mut self, args: &[&str]) -> Self {
        self.raw_args = Some(args.iter().map(|arg| (*arg).to_owned()).collect());
        self
    }

    /// Adds options after the job file.
    pub fn options(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets what recolte reads on its stdin.
    pub fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    /// Returns the folder of the job file and the script.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the path of the job file.
    pub fn file(&self) -> PathBuf {
        self.folder.join("JGE.toml")
    }

    /// Returns the output folder.
    pub fn output(&self) -> PathBuf {
        let output = self.table.get("output").and_then(Value::as_str);
        output.map_or_else(|| self.folder.join("no-output"), |path| self.folder.join(path))
    }

    /// Returns the text of the job file.
    pub fn text(&self) -> String {
        toml::to_string(&self.table).unwrap()
    }

    /// Writes the job file, and returns the arguments of recolte.
    pub fn arguments(&self) -> Vec<String> {
        if let Some(args) = &self.raw_args {
            return args.clone();
        }
        fs::write(self.file(), self.text()).unwrap();
        let mut all = vec![self.subcommand.clone(), self.file().to_str().unwrap().to_owned()];
        all.extend(self.options.iter().cloned());
        all
    }

    /// Returns the variables that are added to the environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.environment.clone()
    }

    /// Returns what recolte reads on its stdin.
    pub fn stdin_text(&self) -> Option<&str> {
        self.stdin.as_deref()
    }
}

/// A value that a key of a job file can be set to.
pub trait IntoValue {
    /// Converts it to TOML.
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
