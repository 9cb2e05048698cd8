//! Patterns with `*` and `?`, as ssh_config has them.
//!
//! Pure. No brackets: those are ranges, which are expanded first. Case counts, as it does to ssh.

/// Whether `word` is a pattern rather than a name.
pub fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?'])
}

/// Whether `pattern` stands for `name`: `*` for any text, `?` for any one character.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    // Where to take up again: behind the last `*`, with what it has not swallowed yet.
    let mut retry = None;
    loop {
        let rest = name.clone();
        match (pattern.next(), name.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                retry = Some((pattern.clone(), rest.clone()));
                name = rest;
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {}
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
    fn a_pattern_stands_for_what_ssh_says() {
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
