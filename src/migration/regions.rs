//! What each byte of a text belongs to, by the lexer.

use super::lexer::Tokens;
use super::sections::Region;
use super::segments::{SegmentKind, Segments};
use super::token::{Open, Strings, TokenKind};
use std::ops::Range;

/// The parts of a text that are not code, in their order.
pub struct Regions(Vec<(Range<usize>, Region)>);

impl Regions {
    /// Reads all of the text; what cannot be cut is code.
    #[must_use]
    pub fn of(text: &str, strings: Strings) -> Regions {
        let mut parts = Vec::new();
        for segment in Segments::new(text, strings, usize::MAX).map_while(Result::ok) {
            match segment.kind {
                SegmentKind::Copy { data } => parts.push((data, Region::Quoted)),
                SegmentKind::Command { .. } => {}
                SegmentKind::Sql { strings, .. } => {
                    let mut tokens = Tokens::new(text, strings);
                    tokens.seek(segment.range.start);
                    let inside = tokens.take_while(|t| t.start < segment.range.end);
                    parts.extend(inside.filter_map(|t| Some((t.range(), region(t.kind)?))));
                }
            }
        }
        Regions(parts)
    }

    /// What the byte at an offset belongs to.
    #[must_use]
    pub fn at(&self, offset: usize) -> Region {
        let before = self.0.partition_point(|(range, _)| range.start <= offset);
        match before.checked_sub(1).and_then(|n| self.0.get(n)) {
            Some((range, region)) if range.contains(&offset) => *region,
            _ => Region::Code,
        }
    }
}

fn region(kind: TokenKind) -> Option<Region> {
    match kind {
        TokenKind::LineComment => Some(Region::LineComment),
        TokenKind::BlockComment | TokenKind::Unterminated(Open::Comment) => {
            Some(Region::BlockComment)
        }
        TokenKind::String
        | TokenKind::EscapeString
        | TokenKind::UnicodeString
        | TokenKind::NationalString
        | TokenKind::BitString
        | TokenKind::HexString
        | TokenKind::Continuation
        | TokenKind::DollarString
        | TokenKind::Unterminated(_) => Some(Region::Quoted),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_comments_and_rows_are_told_from_code() {
        let text = "SELECT 'a', $$b$$ -- c\n/* d */ \"e\";COPY t FROM STDIN;\nf\n\\.\nSELECT 1";
        let regions = Regions::of(text, Strings::Standard);
        let at = |s: &str| regions.at(text.find(s).unwrap());
        assert_eq!(at("SELECT"), Region::Code);
        assert_eq!(at("a'"), Region::Quoted);
        assert_eq!(at("b$$"), Region::Quoted);
        assert_eq!(at("-- c"), Region::LineComment);
        assert_eq!(at("d */"), Region::BlockComment);
        assert_eq!(at("e\""), Region::Code);
        assert_eq!(at("f\n"), Region::Quoted);
        assert_eq!(at("1"), Region::Code);
    }
}
