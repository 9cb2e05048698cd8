//! An email, and the message that is sent: headers, text, attachments, all of it in 7-bit characters.
//!
//! No content can add a header: whatever holds a line end or is not ASCII is encoded. Attachments are always base64,
//! so that the size of a message is known without encoding them.

use std::error::Error;

use lettre::Message;
use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{MultiPart, SinglePart};
use tokio::task::spawn_blocking;

use super::MailError;
use super::settings::Settings;
use crate::escape::escape;
use crate::message::MailMessage;

/// Characters of base64 on one line (RFC 2045).
const LINE: u64 = 76;
/// Bytes that such a line holds.
const LINE_BYTES: u64 = 57;
/// The maximum of characters of an attachment's name, below that of file systems.
const MAX_NAME: usize = 200;

/// The content of one mail; its recipients are in the [`Settings`].
#[derive(Clone)]
pub struct EmailMessage {
    /// The subject, as text.
    pub subject: String,
    /// The plain text, with line ends of either kind.
    pub body: String,
    /// The attachments, in order.
    pub attachments: Vec<Attachment>,
}

/// One attached file.
#[derive(Clone)]
pub struct Attachment {
    /// Its file name; anything that could lead out of a folder is replaced.
    pub name: String,
    /// Its media type, such as `application/gzip`.
    pub content_type: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Makes the message of `email`, on a thread where encoding may take its time.
///
/// # Errors
/// An address or a media type is invalid.
pub async fn compose(settings: &Settings, email: &EmailMessage) -> Result<Vec<u8>, MailError> {
    let (settings, email) = (settings.clone(), email.clone());
    let made = spawn_blocking(move || Ok(build_message(&settings, email)?.formatted())).await;
    // A computation, not a wait: it needs no time-out.
    made.unwrap_or_else(|panic| Err(cannot_be_made(panic)))
}

/// Returns how many bytes have at most `len` characters as base64, whose last line has no line end.
pub fn max_base64_input(len: u64) -> u64 {
    let (lines, rest) = (len / (LINE + 2), len % (LINE + 2));
    lines * LINE_BYTES + rest.min(LINE) / 4 * 3
}

/// Builds headers and parts. Expects valid settings: the library panics where a name cannot stand in a header.
///
/// # Errors
/// An address or a media type is invalid.
pub fn build_message(settings: &Settings, email: EmailMessage) -> Result<Message, MailError> {
    let auto_submitted = HeaderName::new_from_ascii_str("Auto-Submitted");
    let mut builder = Message::builder()
        .from(settings.from.clone())
        .subject(email.subject)
        .date_now()
        .message_id(Some(message_id(settings)))
        // Keeps automatic replies away (RFC 3834).
        .raw_header(HeaderValue::new(auto_submitted, "auto-generated".to_owned()));
    for to in &settings.to {
        builder = builder.to(to.clone());
    }
    let text = SinglePart::plain(email.body);
    let made = if email.attachments.is_empty() {
        builder.singlepart(text)
    } else {
        let mut parts = MultiPart::mixed().singlepart(text);
        for attachment in email.attachments {
            parts = parts.singlepart(build_part(attachment)?);
        }
        builder.multipart(parts)
    };
    made.map_err(cannot_be_made)
}

fn cannot_be_made(error: impl Error + Send + Sync + 'static) -> MailError {
    MailError::Local { kind: MailMessage::CannotBeMade, source: Some(error.into()) }
}

/// Builds the part of an attachment, in base64 whatever it holds.
fn build_part(attachment: Attachment) -> Result<SinglePart, MailError> {
    let content_type = ContentType::parse(&attachment.content_type).map_err(|error| {
        let text = escape(attachment.content_type.as_bytes());
        MailError::Local { kind: MailMessage::NoMediaType { text }, source: Some(error.into()) }
    })?;
    let part = SinglePart::builder().header(content_type).header(Disposition(attachment.name));
    Ok(part.header(ContentTransferEncoding::Base64).body(attachment.bytes))
}

/// Makes an identifier that no other message has, with the sender's domain.
fn message_id(settings: &Settings) -> String {
    let domain = Some(settings.from.email.domain()).filter(|d| d.is_ascii()).unwrap_or("localhost");
    format!("<recolte.{:032x}@{domain}>", rand::random::<u128>())
}

/// `Content-Disposition` with the file name in ASCII, and in full where it has other characters (RFC 6266).
///
/// The library's own header writes only the full form, which old mail programs do not read.
#[derive(Clone)]
struct Disposition(String);

impl Disposition {
    /// Returns the name in ASCII, which every program reads; other characters become `_`.
    fn plain(&self) -> String {
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '/') || c == ' ';
        let name: String = self.0.chars().take(MAX_NAME).map(|c| if plain(c) { c } else { '_' }).collect();
        if name.trim_matches(['.', ' ']).is_empty() { "attachment".to_owned() } else { name }
    }

    /// Returns the name in full, percent-encoded; `/` and control characters become `_` here too.
    fn full(&self) -> String {
        let safe = |c: char| if c == '/' || c.is_control() { '_' } else { c };
        let name: String = self.0.chars().take(MAX_NAME).map(safe).collect();
        let encode = |byte: u8| match char::from(byte) {
            c @ ('.' | '-' | '_' | '0'..='9' | 'A'..='Z' | 'a'..='z') => c.to_string(),
            _ => format!("%{byte:02X}"),
        };
        name.bytes().map(encode).collect()
    }
}

impl Header for Disposition {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Disposition")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        let plain = self.plain();
        let mut value = format!("attachment;\r\n filename=\"{plain}\"");
        if !self.0.is_ascii() {
            value.push_str(&format!(";\r\n filename*=utf-8''{}", self.full()));
        }
        HeaderValue::dangerous_new_pre_encoded(Self::name(), plain, value)
    }
}
