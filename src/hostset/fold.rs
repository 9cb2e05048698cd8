//! Folds a list of names into one short line, `machine[1-3],test2`: what [`expand`](super::expand) undoes.
//!
//! Pure. Each name counts once, in natural order (`n9` before `n10`); padding is kept. Only runs of neighbours are
//! joined, no steps, and only the last few numbers of a name are looked at.

use std::collections::{BTreeSet, HashMap};

use super::{number, padded};

/// How many numbers of a name, from its end, [`fold`] looks at: it bounds its cost on odd names.
const FOLDED_NUMBERS: usize = 4;

/// `names` on one line, in natural order and each once: `machine[1-3],test2`. What [`super::split`] and [`super::expand`] undo.
///
/// Names that hold brackets, commas or blanks themselves come out unchanged in sense but not reversibly; no name of
/// a host that passed validation does.
pub fn fold<S: AsRef<str>>(names: &[S]) -> String {
    let names: BTreeSet<NameParts> = names.iter().map(|name| NameParts::new(name.as_ref())).collect();
    let mut names: Vec<NameParts> = names.into_iter().collect();
    // From the last number to the first: what was folded before is mere text for the next, so that
    // r1n[1-4] and r2n[1-4] meet in r[1-2]n[1-4].
    for nth in 0..FOLDED_NUMBERS {
        names = fold_number(names, nth);
    }
    names.iter().map(NameParts::text).collect::<Vec<_>>().join(",")
}

/// A name taken apart for folding: texts and numbers by turns. Ordered as people order names: `n9` before `n10`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct NameParts(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Piece {
    Text(String),
    /// Its value, then its digits: what tells 1 from 01.
    Number(u64, String),
    /// What [`fold_number`] made of several numbers; and the place of the one it is at work on.
    Folded(String),
}

impl NameParts {
    fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let mail_parts = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            // One of the two is 0: the cut falls where digits and the rest meet.
            let (piece, next) = rest.split_at_checked(digits.max(mail_parts)).unwrap_or((rest, ""));
            pieces.push(Piece::new(piece));
            rest = next;
        }
        Self(pieces)
    }

    /// The place of the `nth` number from the end, counting what was folded.
    fn place(&self, nth: usize) -> Option<usize> {
        let numbers = self.0.iter().enumerate().rev().filter(|(_, piece)| !matches!(piece, Piece::Text(_)));
        numbers.map(|(place, _)| place).nth(nth)
    }

    fn text(&self) -> String {
        self.0.iter().map(Piece::text).collect()
    }
}

impl Piece {
    fn new(text: &str) -> Self {
        match number(text) {
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

/// Joins the names that differ in their `nth` number from the end alone.
fn fold_number(names: Vec<NameParts>, nth: usize) -> Vec<NameParts> {
    let mut places: HashMap<NameParts, usize> = HashMap::new();
    let mut groups: Vec<(NameParts, Vec<Piece>)> = Vec::new();
    for mut name in names {
        let slot = name.place(nth).and_then(|place| name.0.get_mut(place));
        let number = slot.map(|piece| std::mem::replace(piece, Piece::Folded(String::new())));
        let at = *places.entry(name.clone()).or_insert_with(|| {
            groups.push((name, Vec::new()));
            groups.len() - 1
        });
        if let Some((_, numbers)) = groups.get_mut(at) {
            numbers.extend(number);
        }
    }
    groups.into_iter().map(|(name, numbers)| put_back(name, numbers)).collect()
}

/// Fills the place that [`fold_number`] left open with all that stood there.
fn put_back(mut name: NameParts, mut numbers: Vec<Piece>) -> NameParts {
    let open = name.0.iter_mut().find(|piece| matches!(piece, Piece::Folded(text) if text.is_empty()));
    if let Some(open) = open {
        *open = if numbers.len() > 1 { Piece::Folded(runs(numbers)) } else { numbers.remove(0) };
    }
    name
}

/// `[1-3,7]` of numbers in any order.
fn runs(mut numbers: Vec<Piece>) -> String {
    // Shorter ones first: 9 and 10 are neighbours, 09 belongs with 10 alone where there is no 9.
    numbers.sort_by_key(|piece| (piece.text().len(), piece.clone()));
    let mut runs: Vec<(Piece, Piece)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((first, last)) if follows(first, last, &number) => *last = number,
            _ => runs.push((number.clone(), number)),
        }
    }
    let runs: Vec<String> = runs.iter().map(run).collect();
    format!("[{}]", runs.join(","))
}

/// Whether `next` carries on the run from `first` to `last` as [`super::expand`] would write it.
fn follows(first: &Piece, last: &Piece, next: &Piece) -> bool {
    let (Piece::Number(last_value, _), Piece::Number(value, digits)) = (last, next) else { return false };
    let same_width = first.text().len() == digits.len();
    *value == last_value + 1 && (same_width || !padded(first.text()) && !padded(digits))
}

fn run((first, last): &(Piece, Piece)) -> String {
    let (first, last) = (first.text(), last.text());
    if first == last { first.to_owned() } else { format!("{first}-{last}") }
}

#[cfg(test)]
mod tests {
    use super::super::{expand, split};
    use super::*;
    use proptest::prelude::*;

    fn unfold(line: &str) -> BTreeSet<String> {
        split(line).flat_map(|word| expand(word).unwrap()).collect()
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
            assert_eq!(fold(names), line);
        }
    }

    #[test]
    fn ten_thousand_names_fold_at_once() {
        let names = expand("r[1-10]c[1-10]n[001-100]").unwrap();
        let started = std::time::Instant::now();
        assert_eq!(fold(&names), "r[1-10]c[1-10]n[001-100]");
        assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
    }

    proptest! {
        #[test]
        fn fold_then_expand_gives_the_same_names(
            names in prop::collection::btree_set("[a-c]{0,2}[0-9]{1,3}[.a-b-]{0,2}[0-9]{0,20}[a-b]?", 0..40)
        ) {
            let list: Vec<&String> = names.iter().collect();
            prop_assert_eq!(unfold(&fold(&list)), names);
        }

        #[test]
        fn dense_names_survive_as_well(names in prop::collection::btree_set("[0-1]{0,2}[0-9]-?[0-9]{1,2}", 0..200)) {
            let list: Vec<&String> = names.iter().collect();
            prop_assert_eq!(unfold(&fold(&list)), names);
        }

        #[test]
        fn no_name_panics(names: Vec<String>) {
            let _ = fold(&names);
        }
    }
}
