//! Patterns with `*` and `?`, as in ssh_config. Case counts, as it does to ssh.
//!
//! Pure. Limits: brackets mean nothing here; they are ranges, which are expanded first.

/// Checks whether a word is a pattern rather than a name.
pub fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?'])
}

/// Checks whether a pattern matches a name: `*` stands for any text, `?` for any one character.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    // Where to go on after a mismatch: behind the last `*`, which then matches one character more. Earlier ones need
    // no second try, so the cost stays within the product of both lengths.
    let mut retry = None;
    loop {
        let rest = name.clone();
        match (pattern.next(), name.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                retry = Some((pattern.clone(), rest.clone()));
                name = rest;
            }
            (Some(expected), Some(found)) if expected == '?' || expected == found => {}
            _ => {
                let Some((after, left)) = &mut retry else { return false };
                if left.next().is_none() {
                    return false;
                }
                (pattern, name) = (after.clone(), left.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_as_in_ssh() {
        for (pattern, name) in
            [("*", ""), ("a*", "a"), ("a*c", "abcbc"), ("?b*", "ab"), ("*-0?", "x-0-01"), ("é?", "éà")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("", "a"), ("a?", "a"), ("a*c", "abcd"), ("A*", "abc"), ("*?", "")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_with_parts_starred_out_matches(parts in prop::collection::vec("[a-b]{0,4}", 1..5)) {
            prop_assert!(matches(&parts.join("*"), &parts.join("ab")));
            prop_assert!(matches(&parts.concat(), &parts.concat()));
        }
    }
}
