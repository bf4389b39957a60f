//! Statements and their answers: what must be equal where two heaps agree, and what may differ.

/// A statement of PostgreSQL's regression tests, with the file it stands in.
pub struct Question {
    pub file: String,
    pub sql: String,
}

impl Question {
    /// True when its answer is what counts; the others make what is asked about, or set how.
    pub fn asks(&self) -> bool {
        let start = self.sql.trim_start_matches(['(', ' ', '\n']);
        let word: String = start
            .chars()
            .take_while(char::is_ascii_alphabetic)
            .collect();
        let word = word.to_ascii_lowercase();
        ["select", "with", "values", "table", "execute"].contains(&word.as_str())
    }
}

/// The statements of a file: empty lines part them.
pub fn questions(file: &str, text: &str) -> Vec<Question> {
    let statements = text.split("\n\n").map(str::trim);
    let statements = statements.filter(|sql| !sql.is_empty() && !sql.starts_with("--"));
    let questions = statements.map(|sql| Question {
        file: file.to_owned(),
        sql: sql.to_owned(),
    });
    questions.collect()
}

type Row = Vec<Option<String>>;

/// What the server said.
#[derive(Debug, PartialEq, Clone)]
pub enum Answer {
    Rows(Vec<Row>),
    /// SQLSTATE and message
    Error(String),
    /// not asked in this pass
    Skipped,
}

/// How far an answer was compared.
#[derive(Debug, PartialEq, Clone, Copy)]
pub enum Verdict {
    /// row by row, or the text of the error
    Ordered,
    /// the rows, in any order
    Set,
    /// the number of rows, and those columns that the heaps agree in
    Part,
    /// nothing: the heaps themselves do not agree
    Open,
}

/// Compares a cold answer with those of heaps whose rows lie in different orders.
///
/// * All heaps give one error: so must the files. Some of them give an error: nothing is said.
/// * ORDER BY at the end and all heaps give one order: so must the files.
/// * All heaps give the same rows in whatever order: so must the files.
/// * All give as many rows: so must the files, and columns with the same values in all have them, too. This
///   is the rule for windows, LIMIT and DISTINCT ON over rows that the statement does not tell apart, and for
///   sums of floats.
pub fn judge(ordered: bool, heaps: &[&Answer], cold: &Answer) -> Result<Verdict, String> {
    let same = heaps.iter().all(|answer| *answer == heaps[0]);
    let rows = heaps.iter().map(|answer| match answer {
        Answer::Rows(rows) => Some(rows),
        _ => None,
    });
    let Some(heaps) = rows.collect::<Option<Vec<&Vec<Row>>>>() else {
        return match heaps[0] {
            _ if !same => Ok(Verdict::Open),
            Answer::Skipped => Ok(Verdict::Open),
            error if error == cold => Ok(Verdict::Ordered),
            error => Err(difference(error, cold)),
        };
    };
    let Answer::Rows(rows) = cold else {
        return Err(difference(&Answer::Rows(heaps[0].clone()), cold));
    };
    if ordered && same {
        return told(heaps[0] == rows, Verdict::Ordered, heaps[0], rows);
    }
    let sorted = |rows: &Vec<Row>| {
        let mut rows = rows.clone();
        rows.sort();
        rows
    };
    let heaps: Vec<Vec<Row>> = heaps.into_iter().map(sorted).collect();
    let (heap, rows) = (&heaps[0], sorted(rows));
    if heaps.iter().all(|other| other == heap) {
        return told(*heap == rows, Verdict::Set, heap, &rows);
    }
    if heaps.iter().any(|other| other.len() != heap.len()) {
        return Ok(Verdict::Open);
    }
    let column = |rows: &[Row], n: usize| {
        let mut values: Vec<Option<String>> = rows.iter().map(|row| row[n].clone()).collect();
        values.sort();
        values
    };
    let equal = heap.len() == rows.len()
        && (0..heap.first().map_or(0, Vec::len)).all(|n| {
            let values = column(heap, n);
            let open = heaps.iter().any(|other| column(other, n) != values);
            open || values == column(&rows, n)
        });
    told(equal, Verdict::Part, heap, &rows)
}

fn told(equal: bool, verdict: Verdict, heap: &[Row], cold: &[Row]) -> Result<Verdict, String> {
    if equal {
        return Ok(verdict);
    }
    let rows = |rows: &[Row]| Answer::Rows(rows.to_vec());
    Err(difference(&rows(heap), &rows(cold)))
}

/// The first rows that differ.
fn difference(heap: &Answer, cold: &Answer) -> String {
    let line = |answer: &Answer, n: usize| match answer {
        Answer::Rows(rows) => match rows.get(n) {
            Some(row) => {
                let values = row.iter().map(|v| v.as_deref().unwrap_or("NULL"));
                values.collect::<Vec<_>>().join("|")
            }
            None => "(no row)".to_owned(),
        },
        other => format!("{other:?}"),
    };
    let size = |answer: &Answer| match answer {
        Answer::Rows(rows) => rows.len(),
        _ => 1,
    };
    let most = size(heap).max(size(cold));
    let unequal = (0..most).filter(|&n| line(heap, n) != line(cold, n));
    let shown = unequal
        .take(3)
        .map(|n| format!("row {n}: hot {} cold {}", line(heap, n), line(cold, n)));
    format!(
        "{} rows hot, {} cold; {}",
        size(heap),
        size(cold),
        shown.collect::<Vec<_>>().join("; ")
    )
}

/// The text with everything in quotes or parentheses blanked out, in lower case.
fn outline(sql: &str) -> String {
    let (mut depth, mut quote) = (0, None);
    let outer = sql.chars().map(|c| {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => (),
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            (None, c) if depth == 0 => return c.to_ascii_lowercase(),
            _ => (),
        }
        ' '
    });
    outer.collect()
}

/// True when the statement ends with an order of its rows.
pub fn has_order(sql: &str) -> bool {
    let text = outline(sql);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(2).any(|pair| pair == ["order", "by"])
}

/// The statement with parameters for the values that columns are compared with, prepared, run and forgotten;
/// `None` when it has none.
pub fn parametrised(sql: &str) -> Option<String> {
    let start = sql.trim_start().get(..6)?.to_ascii_lowercase();
    if start != "select" || sql.contains('$') {
        return None;
    }
    let mut values: Vec<&str> = Vec::new();
    let mut text = String::new();
    let mut rest = sql;
    while let Some((before, value, after)) = next_value(rest) {
        values.push(value);
        text.push_str(&format!("{before} ${}", values.len()));
        rest = after;
    }
    if values.is_empty() {
        return None;
    }
    let body = (text + rest).trim_end().trim_end_matches(';').to_owned();
    Some(format!(
        "PREPARE strata_asked AS {body}; EXECUTE strata_asked ({}); DEALLOCATE strata_asked",
        values.join(", ")
    ))
}

/// Text up to a comparison, the number or string it compares with, and the text after it.
fn next_value(sql: &str) -> Option<(&str, &str, &str)> {
    let bytes = sql.as_bytes();
    let mut at = 0;
    let mut quoted = false;
    while at < bytes.len() {
        quoted ^= bytes[at] == b'\'';
        let operator = !quoted
            && b"=<>".contains(&bytes[at])
            && (at == 0
                || b"=<> )".contains(&bytes[at - 1])
                || bytes[at - 1].is_ascii_alphanumeric());
        at += 1;
        if !operator || bytes.get(at) != Some(&b' ') {
            continue;
        }
        let value = sql[at..].trim_start();
        let from = sql.len() - value.len();
        let length = match value.as_bytes().first() {
            Some(b'0'..=b'9') => value.bytes().take_while(u8::is_ascii_digit).count(),
            Some(b'\'') => match value[1..].find('\'') {
                Some(end) => end + 2,
                None => return None,
            },
            _ => continue,
        };
        // a whole value, not the beginning of an expression
        let after = value[length..].trim_start();
        let ends = ["", ";", ")"].contains(&after.get(..after.len().min(1)).unwrap_or(""))
            || ["and ", "or ", "order ", "group ", "limit "]
                .iter()
                .any(|word| after.to_ascii_lowercase().starts_with(word));
        if ends && !value[length..].starts_with(['\'', '.', ':']) {
            return Some((&sql[..at], &value[..length], &sql[from + length..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(list: &[&str]) -> Answer {
        let rows = list
            .iter()
            .map(|row| row.split('|').map(|value| Some(value.to_owned())).collect());
        Answer::Rows(rows.collect())
    }

    #[test]
    fn only_what_two_heaps_agree_in_is_compared() {
        let ordered = has_order("SELECT a FROM (SELECT b FROM c) d ORDER BY a");
        let loose = has_order("SELECT a, rank() OVER (ORDER BY b) FROM c");
        assert_eq!((ordered, loose), (true, false));
        let (ab, ba) = (rows(&["a", "b"]), rows(&["b", "a"]));
        assert_eq!(judge(ordered, &[&ab, &ab], &ab), Ok(Verdict::Ordered));
        assert!(judge(ordered, &[&ab, &ab], &ba).is_err());
        assert_eq!(judge(ordered, &[&ab, &ba], &ba), Ok(Verdict::Set));
        assert_eq!(judge(loose, &[&ab, &ab], &ba), Ok(Verdict::Set));
        assert!(judge(loose, &[&ab, &ba], &rows(&["a", "a"])).is_err());
        // the second column depends on how the rows lie, the first does not
        let (one, two) = (rows(&["a|1", "b|2"]), rows(&["a|2", "b|2"]));
        assert_eq!(
            judge(loose, &[&one, &two], &rows(&["a|3", "b|4"])),
            Ok(Verdict::Part)
        );
        assert!(judge(loose, &[&one, &two], &rows(&["c|3", "b|4"])).is_err());
        assert!(judge(loose, &[&one, &two], &rows(&["a|1"])).is_err());
        let error = |text: &str| Answer::Error(text.to_owned());
        assert_eq!(
            judge(loose, &[&error("x"), &error("x")], &error("x")),
            Ok(Verdict::Ordered)
        );
        assert!(judge(loose, &[&error("x"), &error("x")], &ab).is_err());
        assert!(judge(loose, &[&ab, &ab], &error("x")).is_err());
        assert_eq!(judge(loose, &[&ab, &error("x")], &ba), Ok(Verdict::Open));
    }

    #[test]
    fn values_become_parameters() {
        let sql = "SELECT * FROM t WHERE a < 10 and b = 'x y' AND c >= 3 + 1;";
        assert_eq!(
            parametrised(sql).unwrap(),
            "PREPARE strata_asked AS SELECT * FROM t WHERE a < $1 and b = $2 AND c >= 3 + 1; \
             EXECUTE strata_asked (10, 'x y'); DEALLOCATE strata_asked"
        );
        assert_eq!(parametrised("SELECT 1 FROM t"), None);
        assert_eq!(parametrised("SELECT a FROM t WHERE b = 'it''s'"), None);
    }
}
