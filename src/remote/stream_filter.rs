//! The words of the supervisor and of the shell around it in the script's streams: found wherever a stream is cut, and
//! taken out.

use super::command::find;

/// Finds the words behind a mark among the script's, and takes them out.
pub struct StreamFilter {
    mark: String,
    /// Whether the script began, by its supervisor.
    pub began: bool,
    /// The status it ended with, by its supervisor.
    pub status: Option<i32>,
    /// The status of the whole line, once the stream has nothing more of it.
    pub over: Option<i32>,
    /// Bytes that may be the beginning of a mark.
    held: Vec<u8>,
    /// The last bytes of what is the script's own.
    pub tail: Vec<u8>,
}

/// How much of the script's last words is kept for messages.
const TAIL: usize = 2 * 1024;

/// What is said behind a mark.
enum Marker {
    Began,
    Ended(Option<i32>),
    Over(Option<i32>),
    None,
}

impl Marker {
    /// Reads a word, with its length; none if it is not whole yet.
    fn read(after: &[u8]) -> Option<(Self, usize)> {
        match after.first()? {
            b'+' => Some((Self::Began, 1)),
            kind @ (b'=' | b'.') => {
                let end = after.iter().position(|b| *b == b';').or((after.len() > 8).then_some(0))?;
                let digits = after.get(1..end).unwrap_or_default();
                let status = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
                let word = if *kind == b'=' { Self::Ended(status) } else { Self::Over(status) };
                Some((word, end + 1))
            }
            _ => Some((Self::None, 0)),
        }
    }
}

impl StreamFilter {
    /// Marks of a stream that is still to come.
    pub fn new(mark: String) -> Self {
        Self { mark, began: false, status: None, over: None, held: Vec::new(), tail: Vec::new() }
    }

    /// What of these bytes, and of those held back, is the script's own.
    pub fn strip(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let mut own = Vec::new();
        let length = self.mark.len();
        let mut found = find(&self.held, self.mark.as_bytes());
        while let (Some(at), None) = (found, self.over) {
            let after = self.held.get(at + length..).unwrap_or_default();
            let Some((word, said)) = Marker::read(after) else { break };
            match word {
                Marker::Began => self.began = true,
                Marker::Ended(status) => self.status = status,
                Marker::Over(status) => self.over = status,
                Marker::None => {}
            }
            own.extend(self.held.drain(..at));
            self.held.drain(..length + said);
            found = find(&self.held, self.mark.as_bytes());
        }
        if self.over.is_some() {
            // What follows is no longer of this line.
            return self.keep(own);
        }
        let certain = found.unwrap_or_else(|| self.held.len() - partial(&self.held, self.mark.as_bytes()));
        own.extend(self.held.drain(..certain));
        self.keep(own)
    }

    /// What came behind the end of the line.
    pub fn behind(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// What was held back when the stream ended.
    pub fn rest(&mut self) -> Vec<u8> {
        let rest = std::mem::take(&mut self.held);
        self.keep(rest)
    }

    fn keep(&mut self, own: Vec<u8>) -> Vec<u8> {
        let last = own.get(own.len().saturating_sub(TAIL)..).unwrap_or_default();
        self.tail.extend_from_slice(last);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
        own
    }
}

/// How many bytes at the end of `bytes` may be the beginning of `needle`.
fn partial(bytes: &[u8], needle: &[u8]) -> usize {
    let max = bytes.len().min(needle.len().saturating_sub(1));
    (1..=max).rev().find(|n| bytes.ends_with(needle.get(..*n).unwrap_or_default())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_mark_is_found_wherever_the_stream_is_cut() {
        let stream = b"profile noise\nrecolte-ab+one recolte-ax\nrecolte-ab=143;tworecolte-ab.1;next";
        for cut in 0..=stream.len() {
            let mut marks = StreamFilter::new("recolte-ab".to_owned());
            let (head, tail) = stream.split_at(cut);
            let mut own = marks.strip(head);
            own.extend(marks.strip(tail));
            assert_eq!(marks.behind(), b"next");
            assert_eq!(String::from_utf8(own).unwrap(), "profile noise\none recolte-ax\ntwo");
            assert_eq!((marks.began, marks.status, marks.over), (true, Some(143), Some(1)));
        }
    }

    proptest! {
        #[test]
        fn without_marks_nothing_is_taken(parts in prop::collection::vec("[recolt-]{0,12}", 0..6)) {
            let mut marks = StreamFilter::new("recolte-0".to_owned());
            let mut own: Vec<u8> = parts.iter().flat_map(|part| marks.strip(part.as_bytes())).collect();
            own.extend(marks.rest());
            prop_assert_eq!(own, parts.concat().into_bytes());
            prop_assert!(!marks.began);
        }
    }
}
