//! Folds a list of names into one short line, `machine[1-3],test2`; [`expand_ranges`](super::expand_ranges) undoes
//! it.
//!
//! Pure. Each name counts once, in natural order (`n9` before `n10`); padding is kept. Limits: only consecutive
//! numbers are joined, no steps, and only the last few numbers of a name are looked at.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap};

use super::{is_padded, parse_number};

/// The most numbers of a name, from its end, that are folded. It bounds the cost of names with many numbers.
const FOLDED_NUMBERS: usize = 4;

/// Folds names into one line, in natural order and each once: `machine[1-3],test2`.
///
/// [`super::split_list`] and [`super::expand_ranges`] give the names back, unless one holds brackets, commas or
/// blanks itself, which no [`super::HostName`] does.
pub fn fold_names<S: Borrow<str>>(names: &[S]) -> String {
    let names: BTreeSet<NameParts> = names.iter().map(|name| NameParts::new(name.borrow())).collect();
    let mut names: Vec<NameParts> = names.into_iter().collect();
    // From the last number to the first: a folded number is plain text for the next pass, so r1n[1-4] and r2n[1-4]
    // differ in one number only and fold to r[1-2]n[1-4].
    for nth in 0..FOLDED_NUMBERS {
        names = fold_number(names, nth);
    }
    names.iter().map(NameParts::text).collect::<Vec<_>>().join(",")
}

/// The pieces of a name, texts and numbers in alternation. Compares in natural order: `n9` before `n10`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct NameParts(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Piece {
    Text(String),
    /// The value, then the digits: 1 and 01 are two numbers.
    Number(u64, String),
    /// Several numbers that [`fold_number`] joined; empty where it has taken the number out.
    Folded(String),
}

impl NameParts {
    fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            // One of the two is 0: the other is the length of the piece.
            let (piece, next) = rest.split_at_checked(digits.max(letters)).unwrap_or((rest, ""));
            pieces.push(Piece::new(piece));
            rest = next;
        }
        Self(pieces)
    }

    /// Returns the index of the `nth` number from the end, folded ones included.
    fn number_index(&self, nth: usize) -> Option<usize> {
        let numbers = self.0.iter().enumerate().rev().filter(|(_, piece)| !matches!(piece, Piece::Text(_)));
        numbers.map(|(index, _)| index).nth(nth)
    }

    fn text(&self) -> String {
        self.0.iter().map(Piece::text).collect()
    }
}

impl Piece {
    fn new(text: &str) -> Self {
        match parse_number(text) {
            Ok(value) => Self::Number(value, text.to_owned()),
            Err(_) => Self::Text(text.to_owned()),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(_, text) | Self::Folded(text) => text,
        }
    }
}

/// Joins the names that differ only in their `nth` number from the end.
fn fold_number(names: Vec<NameParts>, nth: usize) -> Vec<NameParts> {
    let mut indexes: HashMap<NameParts, usize> = HashMap::new();
    let mut groups: Vec<(NameParts, Vec<Piece>)> = Vec::new();
    for mut name in names {
        let slot = name.number_index(nth).and_then(|index| name.0.get_mut(index));
        let number = slot.map(|piece| std::mem::replace(piece, Piece::Folded(String::new())));
        let at = *indexes.entry(name.clone()).or_insert_with(|| {
            groups.push((name, Vec::new()));
            groups.len() - 1
        });
        if let Some((_, numbers)) = groups.get_mut(at) {
            numbers.extend(number);
        }
    }
    groups.into_iter().map(|(name, numbers)| insert_numbers(name, numbers)).collect()
}

/// Puts all numbers of a group where [`fold_number`] took them out.
fn insert_numbers(mut name: NameParts, mut numbers: Vec<Piece>) -> NameParts {
    let open = name.0.iter_mut().find(|piece| matches!(piece, Piece::Folded(text) if text.is_empty()));
    if let Some(open) = open {
        *open = if numbers.len() > 1 { Piece::Folded(fold_runs(numbers)) } else { numbers.remove(0) };
    }
    name
}

/// Folds numbers in any order to `[1-3,7]`.
fn fold_runs(mut numbers: Vec<Piece>) -> String {
    // Shorter ones first: 10 follows 9, and it follows 09 only where there is no 9.
    numbers.sort_by_key(|piece| (piece.text().len(), piece.clone()));
    let mut runs: Vec<(Piece, Piece)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((first, last)) if continues_run(first, last, &number) => *last = number,
            _ => runs.push((number.clone(), number)),
        }
    }
    let runs: Vec<String> = runs.iter().map(format_run).collect();
    format!("[{}]", runs.join(","))
}

/// Checks whether `next` continues the run from `first` to `last` as [`super::expand_ranges`] would write it.
fn continues_run(first: &Piece, last: &Piece, next: &Piece) -> bool {
    let (Piece::Number(last_value, _), Piece::Number(value, digits)) = (last, next) else { return false };
    let same_width = first.text().len() == digits.len();
    *value == last_value + 1 && (same_width || !is_padded(first.text()) && !is_padded(digits))
}

fn format_run((first, last): &(Piece, Piece)) -> String {
    let (first, last) = (first.text(), last.text());
    if first == last { first.to_owned() } else { format!("{first}-{last}") }
}

#[cfg(test)]
mod tests {
    use super::super::{expand_ranges, split_list};
    use super::*;
    use proptest::prelude::*;

    fn unfold(line: &str) -> BTreeSet<String> {
        split_list(line).flat_map(|word| expand_ranges(word).unwrap()).collect()
    }

    #[test]
    fn names_fold_to_one_line() {
        let cases: [(&[&str], &str); 11] = [
            (&["machine3", "test2", "machine1", "machine2"], "machine[1-3],test2"),
            (&["n08", "n09", "n10", "n11"], "n[08-11]"),
            (&["n8", "n9", "n10", "n11"], "n[8-11]"),
            (&["n8", "n9", "n10", "n09", "n08"], "n[8-9,08-10]"),
            (&["n99", "n100", "n9"], "n[9,99-100]"),
            (&["n99", "n100", "n098"], "n[99,098,100]"),
            (&["r1n1", "r1n2", "r2n1", "r2n2"], "r[1-2]n[1-2]"),
            (&["web1.dc2.fr", "web2.dc2.fr"], "web[1-2].dc2.fr"),
            (&["10.0.0.1", "10.0.0.2", "10.0.1.7"], "10.0.0.[1-2],10.0.1.7"),
            (&["solo", "solo"], "solo"),
            (&[], ""),
        ];
        for (names, line) in cases {
            assert_eq!(fold_names(names), line);
        }
    }

    #[test]
    fn ten_thousand_names_fold_quickly() {
        let names = expand_ranges("r[1-10]c[1-10]n[001-100]").unwrap();
        let started = std::time::Instant::now();
        assert_eq!(fold_names(&names), "r[1-10]c[1-10]n[001-100]");
        assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
    }

    proptest! {
        #[test]
        fn fold_then_expand_gives_the_same_names(
            names in prop::collection::btree_set("[a-c]{0,2}[0-9]{1,3}[.a-b-]{0,2}[0-9]{0,20}[a-b]?", 0..40)
        ) {
            let list: Vec<&str> = names.iter().map(String::as_str).collect();
            prop_assert_eq!(unfold(&fold_names(&list)), names);
        }

        #[test]
        fn dense_names_survive_as_well(names in prop::collection::btree_set("[0-1]{0,2}[0-9]-?[0-9]{1,2}", 0..200)) {
            let list: Vec<&str> = names.iter().map(String::as_str).collect();
            prop_assert_eq!(unfold(&fold_names(&list)), names);
        }

        #[test]
        fn no_name_panics(names: Vec<String>) {
            let _ = fold_names(&names);
        }
    }
}
