use super::*;
use proptest::prelude::*;

fn at(text: &str, part: &str) -> (usize, usize) {
    let place = Lines::of(text, text.find(part).expect("a part of it"));
    (place.line, place.column)
}

#[test]
fn lines_and_columns_count_from_one() {
    assert_eq!(at("a", "a"), (1, 1));
    assert_eq!(at("a\nbc", "c"), (2, 2));
    assert_eq!(at("\n\nx", "x"), (3, 1));
}

#[test]
fn columns_count_characters() {
    assert_eq!(at("é漢😀x", "x"), (1, 4));
    assert_eq!(at("größe\n\t\tx", "x"), (2, 3));
    // within a character: its first byte
    assert_eq!(Lines::of("a漢b", 2), Position { line: 1, column: 2 });
}

#[test]
fn crlf_is_one_line_end_and_cr_is_none() {
    assert_eq!(at("a\r\nb\r\nc", "c"), (3, 1));
    assert_eq!(at("a\rb\nc", "b"), (1, 3));
    assert_eq!(at("a\rb\nc", "c"), (2, 1));
    let ends = [1, 2].map(|offset| Lines::of("a\r\nb", offset));
    assert_eq!(ends, [Position { line: 1, column: 2 }; 2]);
}

#[test]
fn a_byte_order_mark_has_no_column() {
    assert_eq!(at("\u{feff}a", "a"), (1, 1));
    assert_eq!(at("\u{feff}a\nbc", "c"), (2, 2));
    assert_eq!(Lines::of("\u{feff}a", 0), Position { line: 1, column: 1 });
    // elsewhere it is a character
    assert_eq!(at("x\n\u{feff}a", "a"), (2, 2));
}

#[test]
fn behind_the_end_is_the_end() {
    assert_eq!(Lines::of("ab", 99), Position { line: 1, column: 3 });
    assert_eq!(Lines::of("ab\n", 99), Position { line: 2, column: 1 });
    assert_eq!(Lines::of("", 0), Position { line: 1, column: 1 });
}

#[test]
fn ends_of_lines() {
    assert_eq!(line_end(b"ab\ncd", 0), (2, 3));
    assert_eq!(line_end(b"ab\ncd", 3), (5, 5));
    assert_eq!(line_end(b"", 0), (0, 0));
}

proptest! {
    /// Against counting by hand, and in any order.
    #[test]
    fn places_are_right(
        text in "(\u{feff})?[aé漢\t\r\n]{0,40}",
        offsets in prop::collection::vec(0..60_usize, 1..8),
    ) {
        let mut lines = Lines::new(&text);
        for offset in offsets {
            let mut wanted = Position { line: 1, column: 1 };
            for (n, c) in text.char_indices().filter(|(n, c)| n + c.len_utf8() <= offset) {
                if c == '\n' {
                    wanted = Position { line: wanted.line + 1, column: 1 };
                } else if !(c == '\u{feff}' || text[n..].starts_with("\r\n")) {
                    wanted.column += 1;
                }
            }
            prop_assert_eq!(lines.at(offset), wanted);
            prop_assert_eq!(Lines::of(&text, offset), wanted);
        }
    }
}
