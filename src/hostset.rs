//! Ranges of host names: expands `srv[01-12]` to its names. [`fold_names`] does the reverse.
//!
//! Pure. A name holds any number of brackets, each a list of numbers and ranges; the last one varies fastest. Limits:
//! a word gives at most [`MAX_NAMES`] names of at most [`MAX_NAME_BYTES`] bytes, and brackets hold numbers only: no
//! letters, no nesting. The one exception is an IPv6 address, `[2001:db8::1]`: ssh takes it without its brackets.

mod fold;
mod host_name;
pub mod pattern;
mod spelling;

use std::net::Ipv6Addr;

pub use self::fold::fold_names;
pub use self::host_name::HostName;
pub use self::spelling::check_spelling;
use crate::escape::escape_head;
use crate::located::Located;
use crate::message::InventoryMessage;

/// The most names that one word may stand for.
pub const MAX_NAMES: u64 = 100_000;

/// The longest name of a host, in bytes, with its user.
const MAX_NAME_BYTES: usize = 255;

/// The most digits of a number in a name: any number of 18 digits fits an `u64`.
const MAX_DIGITS: usize = 18;

/// A piece of a word.
enum Part<'a> {
    /// Text outside brackets.
    Text(&'a str),
    /// The items of a pair of brackets.
    Numbers(Vec<NumberRange>),
}

/// `first-last/step`, written with at least `width` digits.
struct NumberRange {
    first: u64,
    last: u64,
    step: u64,
    width: usize,
}

/// Expands a word to the names that it stands for, in the order written. A word without brackets is its own name, and
/// a number written twice gives its name twice.
///
/// # Errors
/// The brackets hold anything but numbers and ranges, or the names are more than [`MAX_NAMES`] or longer than
/// [`MAX_NAME_BYTES`]. The limits are checked before memory is taken for the names.
pub fn expand_ranges(word: &str) -> Result<Vec<String>, Located> {
    if let Some(address) = unbracket_address(word) {
        return Ok(vec![address]);
    }
    expand_parts(word).map_err(|kind| Located::new(escape_head(word), kind))
}

/// Splits a list at commas and blanks that stand outside brackets, also those of `n{1,2}`, which is refused later.
pub fn split_list(list: &str) -> impl Iterator<Item = &str> {
    let mut open = false;
    list.split(move |c: char| {
        open = (open || matches!(c, '[' | '{')) && !matches!(c, ']' | '}');
        !open && (c == ',' || c.is_whitespace())
    })
    .filter(|word| !word.is_empty())
}

/// Takes the brackets off `[address]` or `user@[address]` where they hold an IPv6 address.
fn unbracket_address(word: &str) -> Option<String> {
    let (user, address) = word.strip_suffix(']')?.split_once('[')?;
    let (digits, _zone) = address.split_once('%').unwrap_or((address, ""));
    digits.parse::<Ipv6Addr>().ok()?;
    (user.is_empty() || user.ends_with('@')).then(|| format!("{user}{address}"))
}

fn expand_parts(word: &str) -> Result<Vec<String>, InventoryMessage> {
    let parts = parse_parts(word)?;
    check_size(&parts)?;
    Ok(parts.iter().fold(vec![String::new()], |names, part| match part {
        Part::Text(text) => names.into_iter().map(|name| name + text).collect(),
        Part::Numbers(ranges) => {
            let numbers: Vec<String> = ranges.iter().flat_map(NumberRange::numbers).collect();
            names
                .iter()
                .flat_map(|name| numbers.iter().map(move |number| format!("{name}{number}")))
                .collect()
        }
    }))
}

fn parse_parts(word: &str) -> Result<Vec<Part<'_>>, InventoryMessage> {
    let mut parts = Vec::new();
    let mut rest = word;
    while let Some((text, opened)) = rest.split_once('[') {
        let (body, next) = opened.split_once(']').ok_or(InventoryMessage::RangeUnclosed)?;
        if body.contains('[') {
            return Err(InventoryMessage::RangeNested);
        }
        parts.push(Part::Text(text));
        let ranges = body.split(',').map(|item| parse_range(item.trim(), body));
        parts.push(Part::Numbers(ranges.collect::<Result<_, _>>()?));
        rest = next;
    }
    parts.push(Part::Text(rest));
    let unopened = parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains(']')));
    if unopened { Err(InventoryMessage::RangeUnopened) } else { Ok(parts) }
}

/// Parses one item of the brackets that hold `body`.
fn parse_range(item: &str, body: &str) -> Result<NumberRange, InventoryMessage> {
    let (bounds, step) = item.split_once('/').map_or((item, None), |(bounds, step)| (bounds, Some(step)));
    let (first, last) = bounds.split_once('-').unwrap_or((bounds, bounds));
    if first.is_empty() || last.is_empty() || step == Some("") {
        return Err(InventoryMessage::RangeLacksNumber { body: escape_head(body) });
    }
    let (low, high) = (parse_number(first)?, parse_number(last)?);
    let step_by = step.map_or(Ok(1), parse_number)?;
    let padded = is_padded(first) || is_padded(last);
    let (first, last, width) = (first.to_owned(), last.to_owned(), first.len());
    match () {
        () if step_by == 0 => Err(InventoryMessage::RangeStepZero),
        () if step.is_some() && !bounds.contains('-') => {
            Err(InventoryMessage::RangeStepAlone { item: item.to_owned() })
        }
        () if padded && width != last.len() => Err(InventoryMessage::RangeMixedPadding { first, last }),
        () if low > high => Err(InventoryMessage::RangeBackwards { first, last }),
        () => {
            let width = if is_padded(&first) { width } else { 1 };
            Ok(NumberRange { first: low, last: high, step: step_by, width })
        }
    }
}

fn parse_number(text: &str) -> Result<u64, InventoryMessage> {
    let found = || escape_head(text);
    // `parse` alone would take "+1".
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true if text.len() > MAX_DIGITS => {
            Err(InventoryMessage::RangeNumberTooLong { found: found(), max: MAX_DIGITS })
        }
        true => text.parse().map_err(|_empty| InventoryMessage::RangeNotNumber { found: found() }),
        false => Err(InventoryMessage::RangeNotNumber { found: found() }),
    }
}

fn is_padded(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0')
}

fn check_size(parts: &[Part<'_>]) -> Result<(), InventoryMessage> {
    // The number of names, and the length of the longest of them.
    let (mut names, mut bytes) = (1_u64, 0);
    for part in parts {
        match part {
            Part::Text(text) => bytes += text.len(),
            Part::Numbers(ranges) => {
                let count = ranges.iter().map(NumberRange::count).fold(0, u64::saturating_add);
                names = names.saturating_mul(count);
                bytes += ranges.iter().map(|r| r.format(r.last).len()).max().unwrap_or(0);
            }
        }
    }
    match () {
        () if names > MAX_NAMES => Err(InventoryMessage::RangeTooManyNames { names, max: MAX_NAMES }),
        () if bytes > MAX_NAME_BYTES => {
            Err(InventoryMessage::RangeNameTooLong { bytes, max: MAX_NAME_BYTES })
        }
        () => Ok(()),
    }
}

impl NumberRange {
    fn count(&self) -> u64 {
        // Never overflows: the bounds have at most MAX_DIGITS digits, and the step is at least 1.
        (self.last - self.first) / self.step + 1
    }

    fn numbers(&self) -> impl Iterator<Item = String> {
        (0..self.count()).map(|nth| self.format(self.first + nth * self.step))
    }

    fn format(&self, number: u64) -> String {
        format!("{number:0width$}", width = self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(word: &str) -> String {
        expand_ranges(word).unwrap().join(" ")
    }

    #[test]
    fn a_range_gives_its_names_in_order() {
        assert_eq!(names("serveur[1-3]"), "serveur1 serveur2 serveur3");
        assert_eq!(names("srv[08-11]"), "srv08 srv09 srv10 srv11");
        assert_eq!(names("n[1-3,7, 10-12].fr"), "n1.fr n2.fr n3.fr n7.fr n10.fr n11.fr n12.fr");
        assert_eq!(names("r[1-2]n[1-2]"), "r1n1 r1n2 r2n1 r2n2");
        assert_eq!(names("n[0-10/4]"), "n0 n4 n8");
        assert_eq!(names("n[00-10/5]"), "n00 n05 n10");
        assert_eq!(names("user@host[1-2]"), "user@host1 user@host2");
        assert_eq!(names("plain-name_1"), "plain-name_1");
        assert_eq!(names("n[1-3,007]"), "n1 n2 n3 n007");
        assert_eq!(names("web[1-2]*"), "web1* web2*");
    }

    #[test]
    fn an_ipv6_address_loses_its_brackets() {
        assert_eq!(names("[2001:db8::1]"), "2001:db8::1");
        assert_eq!(names("user@[fe80::1%eth0]"), "user@fe80::1%eth0");
        assert_eq!(names("2001:db8::[1-2]"), "2001:db8::1 2001:db8::2");
        assert!(expand_ranges("[::1]:22").is_err());
    }

    #[test]
    fn a_bad_range_is_an_error_with_a_remedy() {
        let cases = [
            ("n[1-3", "n[1-3: a `[` is never closed"),
            ("n1-3]", "n1-3]: a `]` stands where no `[` is open"),
            ("n[1]]", "a `]` stands where no `[` is open"),
            ("n[1[2]]", "brackets do not nest"),
            ("n[]", "`[]` lacks a number"),
            ("n[1-]", "`[1-]` lacks a number"),
            ("n[-3]", "`[-3]` lacks a number"),
            ("n[1,,3]", "`[1,,3]` lacks a number"),
            ("n[1-3/]", "`[1-3/]` lacks a number"),
            ("n[a-c]", "`a` is not a number"),
            ("n[1-2-3]", "`2-3` is not a number"),
            ("n[+1-3]", "`+1` is not a number"),
            ("n[1-٣]", "`٣` is not a number"),
            ("n[3-1]", "the range 3-1 runs backwards; write 1-3"),
            ("n[01-100]", "01-100 mixes paddings"),
            ("n[1-010]", "1-010 mixes paddings"),
            ("n[1-3/0]", "a step of 0 never ends"),
            ("n[5/2]", "`5/2` has a step but no range"),
            ("n[1-100001]", "gives 100001 names, more than 100000"),
            ("a[1-1000]b[1-1000]", "gives 1000000 names"),
            ("n[0-999999999999999999]", "more than 100000"),
            ("n[1-9999999999999999999]", "has more than 18 digits"),
            ("n\x1b[1-", "n\\x1b[1-: a `[` is never closed"),
        ];
        for (word, said) in cases {
            let error = expand_ranges(word).unwrap_err().to_string();
            assert!(error.contains(said), "{word:?}: {error}");
        }
        let long = "x".repeat(300);
        assert!(expand_ranges(&long).unwrap_err().to_string().contains("names of 300 bytes"));
        assert!(expand_ranges(&"[1]".repeat(300)).unwrap_err().to_string().contains("names of 300 bytes"));
    }

    #[test]
    fn a_list_is_split_outside_brackets() {
        let words: Vec<_> = split_list(" a,b[1,2] c[3, 4]\t,,d\n").collect();
        assert_eq!(words, ["a", "b[1,2]", "c[3, 4]", "d"]);
    }

    proptest! {
        #[test]
        fn no_word_panics(word in "\\PC*|[\\[\\]0-9,/a-]{0,20}") {
            let _ = (expand_ranges(&word), split_list(&word).count());
        }
    }
}
