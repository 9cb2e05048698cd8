//! A letter, and the message it becomes on the wire: headers, text, attachments, all in 7-bit characters.
//!
//! No content can add a header: whatever holds a line end or is not ASCII is encoded. Attachments are always base64,
//! so that the size of a message is known without making it.

use lettre::{
    Message,
    message::{
        Body, MultiPart, SinglePart,
        header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue},
    },
};
use thiserror::Error;

use super::{
    CauseText,
    settings::{Settings, SettingsError},
};
use crate::escape::escape;

/// Characters of base64 on one line (RFC 2045).
const LINE: u64 = 76;
/// The bytes that such a line holds.
const LINE_BYTES: u64 = 57;
/// Characters of an attachment's name at most, as file systems have it.
const NAME: usize = 200;

/// What one mail says and carries; who gets it is in the [`Settings`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmailMessage {
    /// The subject, as text.
    pub subject: String,
    /// The text, plain; line ends of either kind.
    pub body: String,
    /// What is attached, in order.
    pub attachments: Vec<Attachment>,
}

/// One attached file.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its file name; anything that could lead out of a folder is replaced.
    pub name: String,
    /// Its media type, such as `application/gzip`.
    pub content_type: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attachment({:?}, {}, {} bytes)", self.name, self.content_type, self.bytes.len())
    }
}

/// Why a letter makes no message.
#[derive(Debug, Error)]
pub enum ComposeError {
    /// Not `type/subtype`.
    #[error("mail: \"{}\" is no media type", escape(.content_type.as_bytes()))]
    ContentType {
        /// What was given.
        content_type: String,
        /// The parser's words.
        #[source]
        source: CauseText,
    },
    /// An address that no header can hold.
    #[error(transparent)]
    Address(#[from] SettingsError),
    /// The library refuses.
    #[error("mail: the message cannot be made")]
    Message(#[source] CauseText),
}

/// The message of `letter`, made off the async threads: encoding takes its time.
///
/// # Errors
/// See [`ComposeError`].
pub async fn compose(settings: &Settings, letter: &EmailMessage) -> Result<Vec<u8>, ComposeError> {
    let (settings, letter) = (settings.clone(), letter.clone());
    let made = tokio::task::spawn_blocking(move || Ok(message(&settings, letter)?.formatted()));
    // A computation, not a wait: it ends by itself.
    made.await.unwrap_or_else(|error| Err(ComposeError::Message(CauseText::new(error))))
}

/// The size in bytes of what [`compose`] would make.
///
/// # Errors
/// See [`ComposeError`].
pub fn encoded_size(settings: &Settings, letter: &EmailMessage) -> Result<u64, ComposeError> {
    let attachments = letter.attachments.iter().map(hollow).collect();
    let frame = EmailMessage { subject: letter.subject.clone(), body: letter.body.clone(), attachments };
    let frame = message(settings, frame)?.formatted().len() as u64;
    let attached = letter.attachments.iter().map(|a| base64_len(a.bytes.len() as u64));
    Ok(attached.fold(frame, u64::saturating_add))
}

/// An attachment's label, without its content.
fn hollow(a: &Attachment) -> Attachment {
    Attachment { name: a.name.clone(), content_type: a.content_type.clone(), bytes: Vec::new() }
}

/// The length of `bytes` bytes as base64 in lines of 76 characters, the last one without its end.
pub fn base64_len(bytes: u64) -> u64 {
    let characters = bytes.div_ceil(3).saturating_mul(4);
    characters.saturating_add(characters.saturating_sub(1) / LINE * 2)
}

/// How many bytes come to at most `len` as base64: the inverse of [`base64_len`].
pub fn base64_room(len: u64) -> u64 {
    let (lines, rest) = (len / (LINE + 2), len % (LINE + 2));
    lines * LINE_BYTES + rest.min(LINE) / 4 * 3
}

/// Headers and parts.
///
/// # Errors
/// See [`ComposeError`].
pub fn message(settings: &Settings, letter: EmailMessage) -> Result<Message, ComposeError> {
    settings.validate_addresses()?;
    let mut builder = Message::builder()
        .from(settings.from.clone())
        .subject(letter.subject)
        .date_now()
        .message_id(Some(message_id(settings)))
        .header(AutoSubmitted);
    for to in &settings.to {
        builder = builder.to(to.clone());
    }
    let text = SinglePart::plain(letter.body);
    let made = if letter.attachments.is_empty() {
        builder.singlepart(text)
    } else {
        let mut parts = MultiPart::mixed().singlepart(text);
        for attachment in letter.attachments {
            parts = parts.singlepart(part(attachment)?);
        }
        builder.multipart(parts)
    };
    made.map_err(|error| ComposeError::Message(CauseText::new(error)))
}

/// One attachment, in base64 whatever it holds.
fn part(attachment: Attachment) -> Result<SinglePart, ComposeError> {
    let content_type =
        ContentType::parse(&attachment.content_type).map_err(|error| ComposeError::ContentType {
            content_type: attachment.content_type.clone(),
            source: CauseText::new(error),
        })?;
    let body = Body::new_with_encoding(attachment.bytes, ContentTransferEncoding::Base64)
        .map_err(|_given_back| ComposeError::Message(CauseText::new("an attachment takes no base64")))?;
    let disposition = Disposition(attachment.name);
    Ok(SinglePart::builder().header(content_type).header(disposition).body(body))
}

/// A name that no other message has, with the sender's domain.
fn message_id(settings: &Settings) -> String {
    let domain = Some(settings.from.email.domain()).filter(|d| d.is_ascii()).unwrap_or("localhost");
    format!("<recolte.{:032x}@{domain}>", rand::random::<u128>())
}

/// Says to holiday notices and the like that no person waits for an answer (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// `Content-Disposition` with the name in plain ASCII, and once more in full (RFC 6266) where that takes more.
///
/// The library's own knows only the full form, which old mail programs do not read.
#[derive(Clone)]
struct Disposition(String);

impl Disposition {
    /// The name that programs of any age read: what is not plain becomes `_`.
    fn plain(&self) -> String {
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '/') || c == ' ';
        let name: String = self.0.chars().take(NAME).map(|c| if plain(c) { c } else { '_' }).collect();
        if name.trim_matches(['.', ' ']).is_empty() { "attachment".to_owned() } else { name }
    }

    /// The name in full, percent-encoded; `/` and control characters are `_` here too.
    fn full(&self) -> String {
        let safe = |c: char| if c == '/' || c.is_control() { '_' } else { c };
        let name: String = self.0.chars().take(NAME).map(safe).collect();
        name.bytes().fold(String::new(), |text, byte| match byte {
            b'.' | b'-' | b'_' => text + char::from(byte).encode_utf8(&mut [0; 4]),
            byte if byte.is_ascii_alphanumeric() => text + char::from(byte).encode_utf8(&mut [0; 4]),
            byte => text + &format!("%{byte:02X}"),
        })
    }
}

impl Header for Disposition {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Disposition")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
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
