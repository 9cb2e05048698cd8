//! Every text that people read, as data: an enum whose variants carry what their texts name.
//!
//! [`messages!`] puts each variant beside its text, so that a text is found by the variant's name and the variant by
//! a piece of its text. The files below hold the texts of one part of the program each; [`Message`] is any of them.
//! Limits: the names of steps, causes and outcomes are data of `report.json` and stand in `outcome`; the help of the
//! command line stands in `cli`, where clap reads it. Nothing is escaped here: text from hosts, files and servers is
//! escaped before it becomes a field.

mod inventory;
mod job;
mod mail;
mod report;
mod run;
mod visit;

pub use inventory::InventoryMessage;
pub use job::JobMessage;
pub use mail::MailMessage;
pub use report::ReportMessage;
pub use run::RunMessage;
pub use visit::VisitMessage;

/// A language that texts are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    /// English.
    En,
}

/// The type of a message's field: a string unless the message says otherwise.
macro_rules! field_type {
    () => {
        String
    };
    ($type:ty) => {
        $type
    };
}

/// Defines an enum of messages. Each variant names its fields and gives its text as a format string over them.
///
/// The enum is also an error type, for errors whose message is all there is to say: it has no `source()`.
macro_rules! messages {
    ($(#[$doc:meta])* $name:ident as $part:ident { $($variant:ident $({ $($field:ident $(: $type:ty)?),+ })? => $en:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[error("{}", self.text($crate::message::Lang::En))]
        #[allow(missing_docs, reason = "a field is what stands in its place in the text")]
        pub enum $name { $(#[doc = concat!("```text\n", $en, "\n```")] $variant $({ $($field: $crate::message::field_type!($($type)?)),+ })?,)+ }

        impl $name {
            /// Returns the message in a language.
            pub fn text(&self, lang: $crate::message::Lang) -> String {
                match (self, lang) { $((Self::$variant $({ $($field),+ })?, $crate::message::Lang::En) => format!($en),)+ }
            }
        }

        impl From<$name> for $crate::message::Message {
            fn from(message: $name) -> Self {
                Self::$part(message)
            }
        }
    };
}
use {field_type, messages};

/// Any text that people read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text(Lang::En))]
pub enum Message {
    /// Of the hosts that are visited: names, lists, register, ssh_config.
    Inventory(InventoryMessage),
    /// Of the job file.
    Job(JobMessage),
    /// Of the mail.
    Mail(MailMessage),
    /// Of reports and progress.
    Report(ReportMessage),
    /// Of a run on the gateway: its folder, its lock, its notes.
    Run(RunMessage),
    /// Of a host that is visited: what went wrong there, and what to do.
    Visit(VisitMessage),
}

impl Message {
    /// Returns the message in a language.
    pub fn text(&self, lang: Lang) -> String {
        match self {
            Self::Inventory(message) => message.text(lang),
            Self::Job(message) => message.text(lang),
            Self::Mail(message) => message.text(lang),
            Self::Report(message) => message.text(lang),
            Self::Run(message) => message.text(lang),
            Self::Visit(message) => message.text(lang),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_what_its_fields_hold() {
        let message = InventoryMessage::TooManyHosts { count: 7, max: 5 };
        let text = "7 hosts are named, more than 5; visit them in several runs";
        assert_eq!(message.text(Lang::En), text);
        assert_eq!(Message::from(message).to_string(), text);
    }
}
