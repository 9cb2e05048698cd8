//! Takes the markers of the supervisor, and of the shell around it, out of the script's output.
//!
//! A marker is random text and one of `+` (the script began), `=N;` (it ended with status N), `.N;` (the whole line
//! ended with status N). It is found wherever the stream is cut into chunks: bytes that may be the beginning of one
//! are held back until the next chunk decides. Limits: a script that knows the random text can imitate it.

use super::command::find_bytes;

/// A filter over one stream of the script.
pub struct StreamFilter {
    /// The random text that begins a marker.
    marker: String,
    /// Set once the supervisor said that the script began.
    pub began: bool,
    /// The script's status, by its supervisor.
    pub script_status: Option<i32>,
    /// The status of the whole line; what follows it in the stream is no longer the script's.
    pub line_status: Option<i32>,
    /// The bytes that were not returned yet: they may be the beginning of a marker, or follow the end of the line.
    held_back: Vec<u8>,
    /// The last bytes of the script's output.
    pub tail: Vec<u8>,
}

/// The number of the script's last bytes that are kept for messages.
const TAIL_MAX: usize = 2 * 1024;

/// The meaning of a marker.
enum Marker {
    Began,
    ScriptEnded(Option<i32>),
    LineEnded(Option<i32>),
    Unknown,
}

impl Marker {
    /// Parses what follows the random text. Returns the marker and the length of that; none if it is still
    /// incomplete.
    fn parse(text: &[u8]) -> Option<(Self, usize)> {
        match text.first()? {
            b'+' => Some((Self::Began, 1)),
            kind @ (b'=' | b'.') => {
                // A status has at most a few digits: without `;` among the next 8 bytes this is none, and only its
                // first byte is taken out, so that no script can hold the stream back.
                let end = text.iter().position(|b| *b == b';').or((text.len() > 8).then_some(0))?;
                let digits = text.get(1..end).unwrap_or_default();
                let status = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                let marker = if *kind == b'=' { Self::ScriptEnded(status) } else { Self::LineEnded(status) };
                Some((marker, end + 1))
            }
            _ => Some((Self::Unknown, 0)),
        }
    }
}

impl StreamFilter {
    /// Makes the filter of a stream of which nothing was read yet.
    pub fn new(marker: String) -> Self {
        let (held_back, tail) = (Vec::new(), Vec::new());
        Self { marker, began: false, script_status: None, line_status: None, held_back, tail }
    }

    /// Takes the next bytes of the stream. Returns what is now known to be the script's own output.
    pub fn filter(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held_back.extend_from_slice(bytes);
        let mut output = Vec::new();
        let length = self.marker.len();
        let mut found = find_bytes(&self.held_back, self.marker.as_bytes());
        while let (Some(at), None) = (found, self.line_status) {
            let text = self.held_back.get(at + length..).unwrap_or_default();
            // Incomplete: it is held back until the next chunk.
            let Some((marker, parsed)) = Marker::parse(text) else { break };
            match marker {
                Marker::Began => self.began = true,
                Marker::ScriptEnded(status) => self.script_status = status,
                Marker::LineEnded(status) => self.line_status = status,
                Marker::Unknown => {}
            }
            output.extend(self.held_back.drain(..at));
            self.held_back.drain(..length + parsed);
            found = find_bytes(&self.held_back, self.marker.as_bytes());
        }
        // After the line's end the rest is the next program's answer, see `take_rest`.
        if self.line_status.is_none() {
            let undecided = || partial_match(&self.held_back, self.marker.as_bytes());
            let decided = found.unwrap_or_else(|| self.held_back.len() - undecided());
            output.extend(self.held_back.drain(..decided));
        }
        self.remember_tail(&output);
        output
    }

    /// Takes what followed the end of the line: the beginning of the next program's answer.
    pub fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held_back)
    }

    /// Returns what was held back when the stream ended: it was no marker.
    pub fn finish(&mut self) -> Vec<u8> {
        let rest = self.take_rest();
        self.remember_tail(&rest);
        rest
    }

    fn remember_tail(&mut self, output: &[u8]) {
        self.tail.extend_from_slice(output.get(output.len().saturating_sub(TAIL_MAX)..).unwrap_or_default());
        self.tail.drain(..self.tail.len().saturating_sub(TAIL_MAX));
    }
}

/// Returns how many bytes at the end of `bytes` may be the beginning of `needle`.
fn partial_match(bytes: &[u8], needle: &[u8]) -> usize {
    let max = bytes.len().min(needle.len().saturating_sub(1));
    (1..=max).rev().find(|n| bytes.ends_with(needle.get(..*n).unwrap_or_default())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_marker_is_found_wherever_the_stream_is_cut() {
        let stream = b"profile noise\nrecolte-ab+one recolte-ax\nrecolte-ab=143;tworecolte-ab.1;next";
        for cut in 0..=stream.len() {
            let mut filter = StreamFilter::new("recolte-ab".to_owned());
            let (head, tail) = stream.split_at(cut);
            let mut output = filter.filter(head);
            output.extend(filter.filter(tail));
            assert_eq!(filter.take_rest(), b"next");
            assert_eq!(String::from_utf8(output).unwrap(), "profile noise\none recolte-ax\ntwo");
            assert_eq!((filter.began, filter.script_status, filter.line_status), (true, Some(143), Some(1)));
        }
    }

    proptest! {
        #[test]
        fn without_markers_nothing_is_taken(parts in prop::collection::vec("[recolt-]{0,12}", 0..6)) {
            let mut filter = StreamFilter::new("recolte-0".to_owned());
            let mut output: Vec<u8> = parts.iter().flat_map(|part| filter.filter(part.as_bytes())).collect();
            output.extend(filter.finish());
            prop_assert_eq!(output, parts.concat().into_bytes());
            prop_assert!(!filter.began);
        }
    }
}
