//! Rules about the way back.

use super::ask::literal;
use super::lint::{Finding, Rule, Severity};

/// A version, and what is known of its way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDown<'a> {
    /// name of the up file
    pub filename: &'a str,
    pub version: &'a str,
    /// whether the up has a statement that may change something ([`super::ddl::Ddl::changes`])
    pub up_changes: bool,
    pub down: Down<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Down<'a> {
    Missing,
    /// whether it has a statement that may change something
    Text {
        changes: bool,
    },
    /// why
    NotParsed(&'a str),
}

/// Looks at versioned files only: repeatables, hooks and checks have no way back.
#[must_use]
pub fn downs(files: &[FileDown<'_>]) -> Vec<Finding> {
    // a project that never goes back need not hear of each file
    let goes_back = files.iter().any(|f| f.down != Down::Missing);
    files.iter().filter_map(|f| down(f, goes_back)).collect()
}

fn down(file: &FileDown<'_>, goes_back: bool) -> Option<Finding> {
    let version = file.version;
    let (rule, severity, message) = match file.down {
        Down::Missing => {
            let severity = if goes_back {
                Severity::Warning
            } else {
                Severity::Info
            };
            let message = format!("version \"{version}\" has no down text: it cannot be reverted");
            (Rule::MissingDown, severity, message)
        }
        Down::Text { changes: false } if file.up_changes => {
            let message =
                format!("the down text of version \"{version}\" changes nothing, and its up does");
            (Rule::EmptyDown, Severity::Warning, message)
        }
        Down::NotParsed(why) => {
            let message = format!("the down text of version \"{version}\" does not parse: {why}");
            (Rule::DownNotParsed, Severity::Error, message)
        }
        Down::Text { .. } => return None,
    };
    let call = format!(
        "SELECT sql FROM strata.migrate_generate_down({}) ORDER BY step",
        literal(version)
    );
    Some(Finding {
        filename: file.filename.to_owned(),
        statement: None,
        line: None,
        rule,
        severity,
        object: None,
        est_rows: None,
        bytes: None,
        message,
        suggestion: Some(call),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: &'static str, up_changes: bool, down: Down<'static>) -> FileDown<'static> {
        FileDown {
            filename: "f.up.sql",
            version,
            up_changes,
            down,
        }
    }

    fn told(files: &[FileDown<'_>]) -> Vec<(Rule, Severity)> {
        downs(files).iter().map(|f| (f.rule, f.severity)).collect()
    }

    #[test]
    fn what_cannot_be_reverted_is_told() {
        let good = file("1", true, Down::Text { changes: true });
        assert_eq!(told(std::slice::from_ref(&good)), []);
        let found = downs(&[file("2", true, Down::Missing), good]);
        let [found] = found.as_slice() else { panic!() };
        assert_eq!(
            (found.rule, found.severity),
            (Rule::MissingDown, Severity::Warning)
        );
        assert_eq!(
            (found.filename.as_str(), found.statement, found.line),
            ("f.up.sql", None, None)
        );
        assert_eq!(
            found.message,
            "version \"2\" has no down text: it cannot be reverted"
        );
        assert_eq!(
            found.suggestion.as_deref(),
            Some("SELECT sql FROM strata.migrate_generate_down('2') ORDER BY step")
        );
    }

    #[test]
    fn a_project_without_any_way_back_knows_it() {
        let files = [
            file("1", true, Down::Missing),
            file("2", false, Down::Missing),
        ];
        let info = (Rule::MissingDown, Severity::Info);
        assert_eq!(told(&files), [info, info]);
        assert_eq!(told(&[]), []);
    }

    #[test]
    fn an_empty_down_is_right_for_an_up_that_does_nothing() {
        let empty = Down::Text { changes: false };
        let warning = (Rule::EmptyDown, Severity::Warning);
        assert_eq!(told(&[file("1", true, empty.clone())]), [warning]);
        assert_eq!(told(&[file("1", false, empty)]), []);
    }

    #[test]
    fn a_down_that_does_not_parse_is_an_error() {
        let found = downs(&[file("1", false, Down::NotParsed("line 3: syntax error"))]);
        assert_eq!(found[0].severity, Severity::Error);
        assert_eq!(found[0].rule, Rule::DownNotParsed);
        assert_eq!(
            found[0].message,
            "the down text of version \"1\" does not parse: line 3: syntax error"
        );
    }
}
