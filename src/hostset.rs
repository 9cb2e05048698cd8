//! Ranges of host names: `srv[01-12]` to its names. [`fold()`] is the way back.
//!
//! Pure. One name holds as many brackets as wished, each a list of numbers and ranges; the last varies fastest. A
//! word gives at most [`MAX_NAMES`] names of at most [`MAX_NAME`] bytes. Brackets hold numbers only: no letters, no
//! nesting. The one exception is an IPv6 address, `[2001:db8::1]`, whose brackets are taken off as ssh wants it bare.

mod fold;
mod host_name;
pub mod pattern;

use std::net::Ipv6Addr;

pub use self::fold::fold;
pub use self::host_name::{HostName, NameError, list_names};
use crate::escape::escape;

/// The most names that one word may stand for.
pub const MAX_NAMES: u64 = 100_000;

/// The longest name of a host, in bytes, a user before it included.
pub const MAX_NAME: usize = 255;

/// The longest number in a name that counts as one, in digits: what surely fits an `u64`.
const MAX_DIGITS: usize = 18;

/// A word that is no range, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word}: {kind}")]
pub struct RangeError {
    /// The word, fit for a terminal, cut where it is long.
    word: String,
    /// What is wrong with it.
    kind: RangeErrorKind,
}

/// What can be wrong with a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum RangeErrorKind {
    #[error("a `[` is never closed; write a range as `name[1-3]`")]
    Unclosed,
    #[error("a `]` stands where no `[` is open; write a range as `name[1-3]`")]
    Stray,
    #[error("brackets do not nest; write `name[1-3,7]`, or `r[1-2]n[1-4]` for two numbers")]
    Nested,
    #[error("`[{body}]` lacks a number; write a range as `name[1-3]` or `name[1-3,7]`")]
    Empty { body: String },
    #[error("`{found}` is not a number; brackets hold digits only, as in `name[1-3,7]`")]
    NotANumber { found: String },
    #[error("`{found}` has more than {MAX_DIGITS} digits; take the fixed ones out of the brackets")]
    LongNumber { found: String },
    #[error("the range {first}-{last} runs backwards; write {last}-{first}")]
    Backwards { first: String, last: String },
    #[error("{first}-{last} mixes paddings; write both numbers with as many digits, as in `[001-100]`")]
    Padding { first: String, last: String },
    #[error("a step of 0 never ends; write a step from 1 on, as in `[0-10/2]`")]
    ZeroStep,
    #[error("`{item}` has a step but no range; write it as in `[0-10/2]`")]
    LoneStep { item: String },
    #[error("gives {names} names, more than {MAX_NAMES}; use a smaller range, or several words")]
    TooMany { names: u64 },
    #[error("gives names of {bytes} bytes, but a host's name has at most {MAX_NAME}")]
    TooLong { bytes: usize },
}

/// A piece of a word: fixed text, or what a pair of brackets holds.
enum Part<'a> {
    Text(&'a str),
    Numbers(Vec<NumberRange>),
}

/// `first-last/step`, written with at least `width` digits.
struct NumberRange {
    first: u64,
    last: u64,
    step: u64,
    width: usize,
}

/// The names that `word` stands for, in the order written; the word itself where it holds no brackets.
///
/// A number written twice gives its name twice. Fails on brackets that hold anything but numbers and ranges, and
/// beyond [`MAX_NAMES`] and [`MAX_NAME`], before any memory is spent on the names.
pub fn expand(word: &str) -> Result<Vec<String>, RangeError> {
    if let Some(address) = bracketed_address(word) {
        return Ok(vec![address]);
    }
    expand_parts(word).map_err(|kind| RangeError { word: excerpt(word), kind })
}

/// The words of a list, split on commas and blanks that stand outside brackets.
pub fn split(list: &str) -> impl Iterator<Item = &str> {
    let mut open = false;
    list.split(move |c: char| {
        open = (open || c == '[') && c != ']';
        !open && (c == ',' || c.is_whitespace())
    })
    .filter(|word| !word.is_empty())
}

/// A foreign word, escaped, and cut where it would fill the screen.
pub fn excerpt(word: &str) -> String {
    const SHOWN: usize = 80;
    let head: String = word.chars().take(SHOWN).collect();
    let cut = if head.len() < word.len() { "…" } else { "" };
    format!("{}{cut}", escape(head.as_bytes()))
}

/// `[address]` or `user@[address]` without its brackets, where they hold an IPv6 address.
fn bracketed_address(word: &str) -> Option<String> {
    let (user, address) = word.strip_suffix(']')?.split_once('[')?;
    let (digits, _zone) = address.split_once('%').unwrap_or((address, ""));
    digits.parse::<Ipv6Addr>().ok()?;
    (user.is_empty() || user.ends_with('@')).then(|| format!("{user}{address}"))
}

fn expand_parts(word: &str) -> Result<Vec<String>, RangeErrorKind> {
    let parts = parts(word)?;
    check_size(&parts)?;
    Ok(parts.iter().fold(vec![String::new()], |names, part| match part {
        Part::Text(text) => names.into_iter().map(|name| name + text).collect(),
        Part::Numbers(spans) => names
            .iter()
            .flat_map(|name| {
                spans.iter().flat_map(NumberRange::numbers).map(move |number| format!("{name}{number}"))
            })
            .collect(),
    }))
}

fn parts(word: &str) -> Result<Vec<Part<'_>>, RangeErrorKind> {
    let mut parts = Vec::new();
    let mut rest = word;
    while let Some((text, opened)) = rest.split_once('[') {
        let (body, next) = opened.split_once(']').ok_or(RangeErrorKind::Unclosed)?;
        if body.contains('[') {
            return Err(RangeErrorKind::Nested);
        }
        parts.push(Part::Text(text));
        parts.push(Part::Numbers(
            body.split(',').map(|item| span(item.trim(), body)).collect::<Result<_, _>>()?,
        ));
        rest = next;
    }
    parts.push(Part::Text(rest));
    let stray = parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains(']')));
    if stray { Err(RangeErrorKind::Stray) } else { Ok(parts) }
}

/// One item of the brackets that hold `body`.
fn span(item: &str, body: &str) -> Result<NumberRange, RangeErrorKind> {
    let (bounds, step) = item.split_once('/').map_or((item, None), |(bounds, step)| (bounds, Some(step)));
    let (first, last) = bounds.split_once('-').unwrap_or((bounds, bounds));
    if first.is_empty() || last.is_empty() || step == Some("") {
        return Err(RangeErrorKind::Empty { body: excerpt(body) });
    }
    let (low, high) = (number(first)?, number(last)?);
    let step_by = step.map_or(Ok(1), number)?;
    let kind = match () {
        () if step_by == 0 => RangeErrorKind::ZeroStep,
        () if step.is_some() && !bounds.contains('-') => RangeErrorKind::LoneStep { item: item.to_owned() },
        () if (padded(first) || padded(last)) && first.len() != last.len() => {
            RangeErrorKind::Padding { first: first.to_owned(), last: last.to_owned() }
        }
        () if low > high => RangeErrorKind::Backwards { first: first.to_owned(), last: last.to_owned() },
        () => {
            let width = if padded(first) { first.len() } else { 1 };
            return Ok(NumberRange { first: low, last: high, step: step_by, width });
        }
    };
    Err(kind)
}

fn number(text: &str) -> Result<u64, RangeErrorKind> {
    if text.len() > MAX_DIGITS && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(RangeErrorKind::LongNumber { found: excerpt(text) });
    }
    // `parse` alone would take "+1".
    let digits = text.bytes().all(|b| b.is_ascii_digit()).then_some(text);
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| RangeErrorKind::NotANumber { found: excerpt(text) })
}

fn padded(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0')
}

fn check_size(parts: &[Part<'_>]) -> Result<(), RangeErrorKind> {
    let names = parts.iter().map(Part::count).fold(1, u64::saturating_mul);
    let bytes = parts.iter().map(Part::longest).sum();
    if names > MAX_NAMES {
        return Err(RangeErrorKind::TooMany { names });
    }
    if bytes > MAX_NAME { Err(RangeErrorKind::TooLong { bytes }) } else { Ok(()) }
}

impl Part<'_> {
    fn count(&self) -> u64 {
        match self {
            Part::Text(_) => 1,
            Part::Numbers(spans) => spans.iter().map(NumberRange::count).fold(0, u64::saturating_add),
        }
    }

    /// The length in bytes of the longest text it gives.
    fn longest(&self) -> usize {
        match self {
            Part::Text(text) => text.len(),
            Part::Numbers(spans) => spans.iter().map(|span| span.write(span.last).len()).max().unwrap_or(0),
        }
    }
}

impl NumberRange {
    fn count(&self) -> u64 {
        // Never overflows: the bounds have at most MAX_DIGITS digits, and the step is at least 1.
        (self.last - self.first) / self.step + 1
    }

    fn numbers(&self) -> impl Iterator<Item = String> {
        (0..self.count()).map(|nth| self.write(self.first + nth * self.step))
    }

    fn write(&self, number: u64) -> String {
        format!("{number:0width$}", width = self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(word: &str) -> String {
        expand(word).unwrap().join(" ")
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
        assert!(expand("[::1]:22").is_err());
    }

    #[test]
    fn a_bad_range_is_named_with_the_way_out() {
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
            let error = expand(word).unwrap_err().to_string();
            assert!(error.contains(said), "{word:?}: {error}");
        }
        let long = "x".repeat(300);
        assert!(expand(&long).unwrap_err().to_string().contains("names of 300 bytes"));
        assert!(expand(&"[1]".repeat(300)).unwrap_err().to_string().contains("names of 300 bytes"));
    }

    #[test]
    fn a_list_is_split_outside_brackets() {
        let words: Vec<_> = split(" a,b[1,2] c[3, 4]\t,,d\n").collect();
        assert_eq!(words, ["a", "b[1,2]", "c[3, 4]", "d"]);
    }

    proptest! {
        #[test]
        fn no_word_panics(word in "\\PC*|[\\[\\]0-9,/a-]{0,20}") {
            let _ = (expand(&word), split(&word).count());
        }
    }
}
