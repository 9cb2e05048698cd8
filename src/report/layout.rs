//! Lines of a given width: cut, filled and wrapped by the columns a terminal gives each character.
//!
//! Pure. Wide characters take two columns and are never split; what takes none stays with its neighbour.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns `text` takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// `text` in at most `max` columns; where it is longer, an ellipsis ends it.
pub(crate) fn cut(text: &str, max: usize) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    let (head, _) = split(text, max.saturating_sub(1));
    format!("{head}…")
}

/// `text` followed by blanks up to `columns`.
pub(crate) fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// `text` preceded by blanks up to `columns`.
pub(crate) fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// `text` on lines of at most `max` columns, broken at blanks.
pub(crate) fn wrap(text: &str, max: usize) -> Vec<String> {
    pack(text.split_inclusive(' '), max)
}

/// A folded list of hosts on lines of at most `max` columns, broken after commas that stand outside brackets.
pub(crate) fn wrap_hosts(list: &str, max: usize) -> Vec<String> {
    let mut open = false;
    let words = list.split_inclusive(move |c: char| {
        open = (open || c == '[') && c != ']';
        c == ',' && !open
    });
    pack(words, max)
}

/// Each of `lines` behind `first`, the later ones behind as many blanks.
pub(crate) fn hang(first: &str, lines: Vec<String>) -> impl Iterator<Item = String> {
    let blanks = " ".repeat(width(first));
    let first = first.to_owned();
    lines.into_iter().enumerate().map(move |(nth, line)| {
        let lead = if nth == 0 { &first } else { &blanks };
        format!("{lead}{line}")
    })
}

/// Words put on lines, as many as fit; a word longer than a line is broken where the line ends.
fn pack<'a>(words: impl Iterator<Item = &'a str>, max: usize) -> Vec<String> {
    let max = max.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words {
        if !line.is_empty() && width(&line) + width(word.trim_end()) > max {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        line.push_str(word);
        while width(line.trim_end()) > max {
            let (head, tail) = split(&line, max);
            lines.push(head.to_owned());
            line = tail.to_owned();
        }
    }
    lines.extend(Some(line.trim_end().to_owned()).filter(|line| !line.is_empty()));
    lines
}

/// `text` split where `max` columns are full.
fn split(text: &str, max: usize) -> (&str, &str) {
    let mut columns = 0;
    let end = text.char_indices().find(|(_, c)| {
        columns += c.width().unwrap_or(0);
        columns > max
    });
    text.split_at_checked(end.map_or(text.len(), |(at, _)| at)).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wide_characters_are_never_split() {
        assert_eq!(cut("日本語テキスト", 8), "日本語…");
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(wrap("日本語テキスト", 5), ["日本", "語テ", "キス", "ト"]);
        assert_eq!(width(&left("語", 6)), 6);
        assert_eq!(right("é", 3), "  é");
    }

    #[test]
    fn text_breaks_at_blanks_and_lists_at_commas() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("", 7), Vec::<String>::new());
        assert_eq!(wrap_hosts("m[1-3,7,9],test2,x", 12), ["m[1-3,7,9],", "test2,x"]);
        assert_eq!(hang("- ", wrap("one two three", 7)).collect::<Vec<_>>(), ["- one two", "  three"]);
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide_and_no_letter_lost(text in "[ a-z日é,\\[\\]]{0,80}", max in 2_usize..30) {
            let mail_parts = |text: &str| text.replace(' ', "");
            for lines in [wrap(&text, max), wrap_hosts(&text, max)] {
                prop_assert!(lines.iter().all(|line| width(line) <= max));
                prop_assert_eq!(mail_parts(&lines.concat()), mail_parts(&text));
            }
            prop_assert!(width(&cut(&text, max)) <= max);
        }
    }
}
