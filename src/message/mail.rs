//! Texts about the mail: why it did not leave, and the way out.

use super::messages;

messages! {
    /// A text about the mail.
    MailMessage as Mail {
        TooLarge { bytes: u64, limit: u64 } => "mail: the message has {bytes} bytes, and max_size allows {limit}",
    }
}
