//! Takes one stream of a channel apart: messages, data and text, wherever the stream is cut.
//!
//! Limits: the buffer is bounded by its reader, which reads one chunk and then takes every complete piece out of it.

use bytes::{Buf as _, Bytes, BytesMut};

use super::{Marker, Message};
use crate::remote::command::find_bytes;

/// The beginning of the launcher's first line. In its own text a `$` stands where digits stand in its output.
const READY: &[u8] = b"recolte-ready-";

/// The longest message, behind its marker, in bytes.
const MAX_MESSAGE: usize = 100;

/// A piece of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Bytes between messages.
    Text(Bytes),
    /// The launcher's first line: the number of its protocol, and how many arguments it was given.
    Ready(u32, usize),
    /// A message.
    Message(Message),
    /// Data of the last message.
    Data(Bytes),
    /// The data of the last message ended before its length: the file was cut short while it was sent.
    DataCutShort,
}

/// The place of a parser in the frame of some data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    /// Between frames.
    Outside,
    /// So many bytes are still to come.
    Data(u64),
    /// The newline behind the data is still to come.
    Newline,
}

/// Takes one stream of a channel apart, wherever it is cut.
#[derive(Debug)]
pub struct Parser {
    marker: Vec<u8>,
    /// Bytes that came and were not returned yet. Readers append to it.
    pub buffer: BytesMut,
    frame: Frame,
    /// Set while the launcher's first line is looked for.
    pub awaits_ready: bool,
}

impl Parser {
    /// Makes a parser of a stream that has not begun.
    pub fn new(marker: &Marker) -> Self {
        let marker = format!("{}:", marker.0).into_bytes();
        Self { marker, buffer: BytesMut::new(), frame: Frame::Outside, awaits_ready: false }
    }

    /// Returns the next piece, if one is complete.
    pub fn next(&mut self) -> Option<Item> {
        match self.frame {
            Frame::Data(missing) => self.next_data(missing),
            Frame::Newline => {
                let byte = *self.buffer.first()?;
                self.frame = Frame::Outside;
                // Where one byte of a file was missing, the newline was taken for it.
                if byte != b'\n' {
                    return Some(Item::DataCutShort);
                }
                self.buffer.advance(1);
                self.next()
            }
            Frame::Outside => self.next_outside(),
        }
    }

    /// Notes that the data that follows is read by somebody else: only the newline behind it is expected.
    pub fn skip_data(&mut self) {
        self.frame = Frame::Newline;
    }

    /// Returns what was held back when the stream ended.
    pub fn finish(&mut self) -> Option<Item> {
        self.text(self.buffer.len())
    }

    fn text(&mut self, length: usize) -> Option<Item> {
        (length > 0).then(|| Item::Text(self.buffer.split_to(length).freeze()))
    }

    /// Returns data up to its end, or up to a message, which ends it early.
    fn next_data(&mut self, missing: u64) -> Option<Item> {
        let wanted = usize::try_from(missing).unwrap_or(usize::MAX);
        let message = find_bytes(&self.buffer, &self.marker);
        let certain =
            message.unwrap_or_else(|| self.buffer.len() - partial_length(&self.buffer, &self.marker));
        let length = certain.min(wanted);
        if length == wanted {
            self.frame = Frame::Newline;
        } else if length == 0 && message.is_some() {
            self.frame = Frame::Outside;
            return Some(Item::DataCutShort);
        } else {
            self.frame = Frame::Data(missing - length as u64);
        }
        (length > 0).then(|| Item::Data(self.buffer.split_to(length).freeze()))
    }

    fn next_outside(&mut self) -> Option<Item> {
        let message = find_bytes(&self.buffer, &self.marker);
        let ready = if self.awaits_ready { find_bytes(&self.buffer, READY) } else { None };
        match (ready, message) {
            (Some(at), message) if message.is_none_or(|message| at < message) => self.next_ready(at),
            (_, Some(at)) => self.next_message(at),
            _ => {
                let ready = if self.awaits_ready { partial_length(&self.buffer, READY) } else { 0 };
                let held = ready.max(partial_length(&self.buffer, &self.marker));
                self.text(self.buffer.len() - held)
            }
        }
    }

    fn next_ready(&mut self, at: usize) -> Option<Item> {
        if at > 0 {
            return self.text(at);
        }
        let line = self.buffer.get(READY.len()..).unwrap_or_default();
        let Some(end) = line.iter().take(MAX_MESSAGE).position(|b| *b == b'\n') else {
            // What is longer than any first line of a launcher is text.
            return if line.len() > MAX_MESSAGE { self.text(READY.len()) } else { None };
        };
        let text = String::from_utf8_lossy(line.get(..end).unwrap_or_default()).into_owned();
        let (number, count) = text.split_once(' ').unwrap_or((&text, ""));
        match (number.parse(), count.trim_end().parse()) {
            (Ok(number), Ok(count)) => {
                self.buffer.advance(READY.len() + end + 1);
                self.awaits_ready = false;
                Some(Item::Ready(number, count))
            }
            _ => self.text(READY.len() + end),
        }
    }

    fn next_message(&mut self, at: usize) -> Option<Item> {
        if at > 0 {
            return self.text(at);
        }
        let line = self.buffer.get(self.marker.len()..).unwrap_or_default();
        let end = line.iter().take(MAX_MESSAGE).position(|b| *b == b'\n');
        let end = end.or((line.len() > MAX_MESSAGE).then_some(MAX_MESSAGE))?;
        let message = Message::parse(&String::from_utf8_lossy(line.get(..end).unwrap_or_default()));
        self.buffer.advance((self.marker.len() + end + 1).min(self.buffer.len()));
        self.frame = match message.data() {
            None => Frame::Outside,
            Some(0) => Frame::Newline,
            Some(bytes) => Frame::Data(bytes),
        };
        Some(Item::Message(message))
    }
}

/// Returns how many bytes at the end of `bytes` may be the beginning of `needle`.
fn partial_length(bytes: &[u8], needle: &[u8]) -> usize {
    let max = bytes.len().min(needle.len().saturating_sub(1));
    (1..=max).rev().find(|n| bytes.ends_with(needle.get(..*n).unwrap_or_default())).unwrap_or(0)
}
