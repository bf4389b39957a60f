//! File names with a letter before the version: Flyway's and refinery's, and `V1.title.up.sql`.
//!
//! The letters are upper case, as in both tools.

use super::name::{Direction, Kind, Lateness, Name, form_of, paired};
use super::style::Style;
use super::version::Version;

/// Reads a name without folders in style `flyway`, `refinery` or `auto`.
pub(super) fn parse(base: &str, style: Style) -> Option<Name> {
    if style == Style::Refinery {
        return refinery(base);
    }
    let stem = without_extension(base)?;
    let (letter, rest) = cut_letter(stem)?;
    match letter {
        'R' => repeatable(rest, style),
        _ => separated(letter, rest, style).or_else(|| dotted(letter, rest, style)),
    }
}

/// Flyway compares its suffix without regard to case (ResourceNameParser.java, stripSuffix).
fn without_extension(base: &str) -> Option<&str> {
    let at = base.len().checked_sub(".sql".len())?;
    let (stem, extension) = base.split_at_checked(at)?;
    extension.eq_ignore_ascii_case(".sql").then_some(stem)
}

fn cut_letter(stem: &str) -> Option<(char, &str)> {
    let letter = stem.chars().next()?;
    let rest = stem.strip_prefix(['V', 'U', 'R', 'B'])?;
    Some((letter, rest))
}

/// `R__title.sql`. A title is needed: it is all that tells one repeatable from another.
fn repeatable(rest: &str, style: Style) -> Option<Name> {
    let title = rest.strip_prefix("__")?;
    if title.is_empty() || (style == Style::Auto && paired(title).is_some()) {
        return None;
    }
    let style = form_of(style, Style::Flyway);
    Some(Name::up(style, Kind::Repeatable, title))
}

/// `V1.2__title.sql`; title and separator may be missing. In `auto`, where files of several tools may lie together,
/// `V1__title.down.sql` is a down and not a title with a dot.
fn separated(letter: char, rest: &str, style: Style) -> Option<Name> {
    let (number, title) = rest.split_once("__").unwrap_or((rest, ""));
    let version = Version::parse_flyway(number)?;
    let written = number.replace('_', ".");
    if let Some(title) = title.strip_suffix(".verify") {
        let name = Name::up(style, Kind::Verify, title);
        return (letter == 'V').then(|| name.of(version, &written));
    }
    if style == Style::Auto
        && let Some((title, direction)) = paired(title)
    {
        let name = Name::up(style, Kind::Versioned, title).going(direction);
        return (letter == 'V').then(|| name.of(version, &written));
    }
    let (kind, direction) = match letter {
        'V' => (Kind::Versioned, Direction::Up),
        'U' => (Kind::Versioned, Direction::Down),
        'B' => (Kind::Baseline, Direction::Up),
        _ => return None,
    };
    let style = form_of(style, Style::Flyway);
    Some(
        Name::up(style, kind, title)
            .going(direction)
            .of(version, &written),
    )
}

/// `V0001.title.up.sql`: the version is all leading numbers, and a title must follow.
fn dotted(letter: char, rest: &str, style: Style) -> Option<Name> {
    if letter != 'V' || style != Style::Auto {
        return None;
    }
    let (kind, (rest, direction)) = match rest.strip_suffix(".verify") {
        Some(rest) => (Kind::Verify, (rest, Direction::Up)),
        None => (Kind::Versioned, paired(rest)?),
    };
    let is_number = |p: &&str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit());
    let numbers: Vec<&str> = rest.split('.').take_while(is_number).collect();
    let number = numbers.join(".");
    let title = rest.strip_prefix(number.as_str())?.strip_prefix('.')?;
    if title.is_empty() {
        return None;
    }
    let name = Name::up(style, kind, title).going(direction);
    Some(name.of(Version::parse(&number)?, &number))
}

/// `V1__title.sql` and `U1__title.sql`: letters, digits and `_` in the title, whole numbers that fit `int8`.
fn refinery(base: &str) -> Option<Name> {
    let stem = base.strip_suffix(".sql")?;
    let (stem, kind) = match stem.strip_suffix(".verify") {
        Some(stem) => (stem, Kind::Verify),
        None => (stem, Kind::Versioned),
    };
    let (letter, rest) = cut_letter(stem)?;
    let (number, title) = rest.split_once("__")?;
    let lateness = match letter {
        'V' => Lateness::AsAsked,
        'U' => Lateness::Allowed,
        _ => return None,
    };
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if title.is_empty() || !title.chars().all(is_word) || number.contains('.') {
        return None;
    }
    let version = Version::parse(number).filter(|v| v.as_bigint().is_some())?;
    let name = Name::up(Style::Refinery, kind, title).of(version, number);
    Some(Name { lateness, ..name })
}

#[cfg(test)]
#[path = "name_prefix_tests.rs"]
mod tests;
