//! How bad a finding is.

use super::set::words;

words! {
    /// `severity` of `migrate_lint`; later ones are worse.
    Severity {
        Info = "info",
        Warning = "warning",
        Error = "error",
    }
}

/// How large a relation is; a partitioned one with all its partitions, a schema with all its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// of its main fork, without indexes and TOAST
    pub pages: u64,
    /// estimated, but 0 only where there is no row
    pub rows: u64,
    /// with indexes and TOAST
    pub bytes: u64,
}

/// 10 MB, 100 MB and 1 GB in pages of 8 kB: about what a scan, a rewrite, an index build do in a tenth of a second, a
/// second, ten seconds.
pub const TENTH_OF_A_SECOND: u64 = 1_280;
pub const A_SECOND: u64 = 12_800;
pub const TEN_SECONDS: u64 = 131_072;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Nobody writes while it works: info below 10 MB, error from 1 GB on.
    Writes,
    /// Nobody reads or writes while it works: warning, error from 100 MB on.
    All,
    /// The lock is short, but it waits behind whoever is there, and all others behind it: info, warning from 1 GB on.
    Moment,
    /// Rows are lost: info where the table counts as small, else warning, error from 100 MB on.
    Loss,
    /// Programs stop working whatever the size: info where the table counts as small, else warning.
    Clients,
    /// Not as it could be: info where the table counts as small, else warning.
    Design,
}

/// `lint_pages`: up to that many pages a table counts as small.
#[must_use]
pub fn grade(harm: Harm, pages: u64, lint_pages: u64) -> Severity {
    let small = pages <= lint_pages;
    match harm {
        Harm::Writes if pages >= TEN_SECONDS => Severity::Error,
        Harm::Writes if pages >= TENTH_OF_A_SECOND => Severity::Warning,
        Harm::All | Harm::Loss if pages >= A_SECOND => Severity::Error,
        Harm::Moment if pages >= TEN_SECONDS => Severity::Warning,
        Harm::All => Severity::Warning,
        Harm::Loss | Harm::Clients | Harm::Design if !small => Severity::Warning,
        _ => Severity::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grades(harm: Harm) -> [Severity; 8] {
        [0, 128, 129, 1_279, 1_280, 12_799, 12_800, 131_071].map(|pages| grade(harm, pages, 128))
    }

    #[test]
    fn severity_grows_with_size() {
        use Severity::{Error as E, Info as I, Warning as W};
        for (harm, by_size, huge) in [
            (Harm::Writes, [I, I, I, I, W, W, W, W], E),
            (Harm::All, [W, W, W, W, W, W, E, E], E),
            (Harm::Moment, [I, I, I, I, I, I, I, I], W),
            (Harm::Loss, [I, I, W, W, W, W, E, E], E),
            (Harm::Clients, [I, I, W, W, W, W, W, W], W),
            (Harm::Design, [I, I, W, W, W, W, W, W], W),
        ] {
            assert_eq!(grades(harm), by_size, "{harm:?}");
            assert_eq!(grade(harm, TEN_SECONDS, 128), huge, "{harm:?}");
        }
        assert!(I < W && W < E);
    }

    #[test]
    fn small_is_what_the_setting_says() {
        assert_eq!(grade(Harm::Clients, 5, 4), Severity::Warning);
        assert_eq!(grade(Harm::Clients, 5, 5), Severity::Info);
        // what is large is never info for loss
        assert_eq!(grade(Harm::Loss, A_SECOND, u64::MAX), Severity::Error);
    }
}
