//! The range of texts that begin with the fixed part of a LIKE pattern.

/// Smallest text of the range and the first one behind it, in the order of their UTF-8 bytes; no
/// end when nothing comes behind. None when nothing is known: no fixed part, or an escape without
/// a character, which is an error in PostgreSQL.
pub fn range(text: &str, is_pattern: bool) -> Option<(String, Option<String>)> {
    let fixed = if is_pattern {
        fixed_part(text)?
    } else {
        text.to_owned()
    };
    if fixed.is_empty() {
        return None;
    }
    let end = behind(&fixed);
    Some((fixed, end))
}

/// What every match of the pattern begins with.
fn fixed_part(pattern: &str) -> Option<String> {
    let mut fixed = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' | '_' => break,
            '\\' => fixed.push(chars.next()?),
            c => fixed.push(c),
        }
    }
    Some(fixed)
}

/// The first text that is greater than all with this beginning.
fn behind(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // surrogates are no characters: the iterator jumps over them
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(text: &str, is_pattern: bool) -> Option<(String, String)> {
        range(text, is_pattern).map(|(a, b)| (a, b.unwrap_or_default()))
    }

    #[test]
    fn patterns_end_at_the_first_wildcard() {
        let both = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(pair("abc%", true), both("abc", "abd"));
        assert_eq!(pair("a_c%", true), both("a", "b"));
        assert_eq!(pair("abc", true), both("abc", "abd"));
        assert_eq!(pair(r"a\%b%", true), both("a%b", "a%c"));
        assert_eq!(pair(r"a\\%", true), both(r"a\", "a]"));
        assert_eq!(pair("a%", false), both("a%", "a&"));
        assert_eq!(pair("%a", true), None);
        assert_eq!(pair("", true), None);
        assert_eq!(pair("", false), None);
        assert_eq!(pair("a\\", true), None);
    }

    #[test]
    fn the_end_is_the_next_text_in_byte_order() {
        for prefix in [
            "a",
            "a\u{7f}",
            "\u{7ff}",
            "\u{d7ff}",
            "\u{ffff}",
            "é",
            "😀",
            "a\u{10ffff}",
        ] {
            let end = behind(prefix).expect("an end");
            assert!(end.as_str() > prefix);
            for more in ["", "a", "\u{10ffff}\u{10ffff}"] {
                assert!(format!("{prefix}{more}") < end, "{prefix:?} {more:?}");
            }
        }
        assert_eq!(behind("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(behind("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(behind("\u{10ffff}\u{10ffff}"), None);
    }
}
