//! Lines of text of a given width: truncated, wrapped and indented by the columns that a terminal gives each
//! character.
//!
//! Pure. Wide characters take two columns and are never split; combining characters take none and stay with the
//! character before them. Columns of a table are in `columns`.

use std::iter;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Returns `text` in at most `max` columns, ended by an ellipsis where it is longer.
pub(crate) fn truncate(text: &str, max: usize) -> String {
    if text.width() <= max {
        return text.to_owned();
    }
    let (start, _) = split_at_column(text, max.saturating_sub(1));
    format!("{start}…")
}

/// Wraps `text` to lines of at most `max` columns, broken at blanks.
pub(crate) fn wrap(text: &str, max: usize) -> Vec<String> {
    fill_lines(text.split_inclusive(' '), max)
}

/// Wraps a folded list of hosts to lines of at most `max` columns, broken after commas outside brackets.
pub(crate) fn wrap_hosts(list: &str, max: usize) -> Vec<String> {
    let mut in_brackets = false;
    let names = list.split_inclusive(move |c: char| {
        in_brackets = (in_brackets || c == '[') && c != ']';
        c == ',' && !in_brackets
    });
    fill_lines(names, max)
}

/// Puts `marker` before the first line and as many blanks before each of the others.
pub(crate) fn hanging_indent(marker: &str, lines: &[String]) -> Vec<String> {
    let blanks = " ".repeat(marker.width());
    let markers = iter::once(marker).chain(iter::repeat(blanks.as_str()));
    markers.zip(lines).map(|(marker, line)| format!("{marker}{line}")).collect()
}

/// Wraps `text` to lines of at most `max` columns, `marker` before the first and as many blanks before the others.
pub(crate) fn wrap_indented(marker: &str, text: &str, max: usize) -> Vec<String> {
    hanging_indent(marker, &wrap(text, max.saturating_sub(marker.width())))
}

/// Keeps at most `max` lines; an ellipsis on the last one stands for those left out.
pub(crate) fn limit_lines(mut lines: Vec<String>, max: usize) -> Vec<String> {
    if lines.len() > max {
        lines.truncate(max.saturating_sub(1));
        lines.push("…".to_owned());
    }
    lines
}

/// Joins lines to a text in which each of them ends with a line feed.
pub(crate) fn join_lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Fills lines with as many words as fit; a word that is longer than a line is broken where the line ends.
fn fill_lines<'a>(words: impl Iterator<Item = &'a str>, max: usize) -> Vec<String> {
    // A character may take two columns: on a narrower line it would never fit, and the inner loop would not end.
    let max = max.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words {
        if !line.is_empty() && line.width() + word.trim_end().width() > max {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        line.push_str(word);
        while line.trim_end().width() > max {
            let (start, remaining) = split_at_column(&line, max);
            lines.push(start.to_owned());
            line = remaining.to_owned();
        }
    }
    lines.extend(Some(line.trim_end().to_owned()).filter(|line| !line.is_empty()));
    lines
}

/// Splits `text` before the character that would pass column `max`.
fn split_at_column(text: &str, max: usize) -> (&str, &str) {
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
        assert_eq!(truncate("日本語テキスト", 8), "日本語…");
        assert_eq!(truncate("日本語", 6), "日本語");
        assert_eq!(wrap("日本語テキスト", 5), ["日本", "語テ", "キス", "ト"]);
    }

    #[test]
    fn text_breaks_at_blanks_and_lists_at_commas() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("", 7), Vec::<String>::new());
        assert_eq!(wrap_hosts("m[1-3,7,9],test2,x", 12), ["m[1-3,7,9],", "test2,x"]);
        assert_eq!(hanging_indent("- ", &wrap("one two three", 7)), ["- one two", "  three"]);
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide_and_no_character_is_lost(text in "[ a-z日é,\\[\\]]{0,80}", max in 2_usize..30) {
            let without_blanks = |text: &str| text.replace(' ', "");
            for lines in [wrap(&text, max), wrap_hosts(&text, max)] {
                prop_assert!(lines.iter().all(|line| line.width() <= max));
                prop_assert_eq!(without_blanks(&lines.concat()), without_blanks(&text));
            }
            prop_assert!(truncate(&text, max).width() <= max);
        }
    }
}
