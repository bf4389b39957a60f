//! In which orders a file can be read without sorting: by rowid, and by its indexes, both ways.

use super::manifest::{FileIndex, Manifest};
use super::mapping::quote_name;

/// One column of an ORDER BY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    pub attnum: i16,
    pub descending: bool,
    pub nulls_first: bool,
    /// OID of the collation that the rows of the heap are sorted by
    pub collation: u32,
}

/// SQLite sorts NULL below everything.
fn natural_nulls_first(key: &Key) -> bool {
    !key.descending
}

fn has_nulls(manifest: &Manifest, attnum: i16) -> bool {
    manifest.column(attnum).is_none_or(|c| c.has_nulls)
}

/// Which way of reading serves the longest beginning of an ORDER BY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// how many keys, from the first on
    pub keys: usize,
    /// which index; none: the rows as they lie
    pub index: Option<usize>,
}

/// None: the file serves not even the first key. `fixed`: columns that the conditions hold at one
/// value.
#[must_use]
pub fn served(manifest: &Manifest, wanted: &[Key], fixed: &[i16]) -> Option<Served> {
    let ascending = |key: &Key| manifest.column(key.attnum).is_some_and(|c| c.ascending);
    let mut best = wanted.first().is_some_and(ascending).then_some(Served {
        keys: 1,
        index: None,
    });
    for (n, index) in manifest.indexes.iter().enumerate() {
        let forward = matching(manifest, index, wanted, fixed, false);
        let keys = forward.max(matching(manifest, index, wanted, fixed, true));
        if keys > best.map_or(0, |b| b.keys) {
            let index = Some(n);
            best = Some(Served { keys, index });
        }
    }
    best
}

fn matching(
    manifest: &Manifest,
    index: &FileIndex,
    wanted: &[Key],
    fixed: &[i16],
    backward: bool,
) -> usize {
    let mut served = 0;
    for (attnum, descending) in &index.columns {
        let Some(key) = wanted.get(served) else {
            break;
        };
        if key.attnum == *attnum {
            // SQLite puts NULLs on the other side for the first column only
            let nulls_fit = served == 0
                || key.nulls_first == natural_nulls_first(key)
                || !has_nulls(manifest, *attnum);
            if key.descending != (*descending != backward) || !nulls_fit {
                break;
            }
            served += 1;
        } else if !fixed.contains(attnum) {
            break;
        }
    }
    served
}

/// The clause for SQLite, beginning with a space; empty for no order. `filter` is the statement's
/// own: with a condition on the column an index on it reads less than the whole file.
pub(super) fn order_by(manifest: &Manifest, order: &[Key], filter: &str) -> String {
    let mut list = Vec::with_capacity(order.len());
    for key in order {
        let Some(physical) = manifest
            .column(key.attnum)
            .and_then(|c| c.physical.as_deref())
        else {
            continue;
        };
        let name = quote_name(physical);
        let direction = if key.descending { "DESC" } else { "ASC" };
        let nulls = match has_nulls(manifest, key.attnum) {
            true if key.nulls_first != natural_nulls_first(key) => {
                if key.nulls_first {
                    " NULLS FIRST"
                } else {
                    " NULLS LAST"
                }
            }
            _ => "",
        };
        let by_rowid = order.len() == 1
            && manifest.column(key.attnum).is_some_and(|c| c.ascending)
            && !(filter.contains(&name) && leads_an_index(manifest, key.attnum));
        if by_rowid {
            let rowid = quote_name(&manifest.rowid_name);
            list.push(format!("{rowid} {direction}"));
        } else {
            list.push(format!("{name} {direction}{nulls}"));
        }
    }
    if list.is_empty() {
        return String::new();
    }
    format!(" ORDER BY {}", list.join(", "))
}

fn leads_an_index(manifest: &Manifest, attnum: i16) -> bool {
    manifest
        .indexes
        .iter()
        .any(|i| i.columns.first().is_some_and(|(a, _)| *a == attnum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cold::manifest::FileColumn;
    use crate::cold::mapping::Encoding;

    fn manifest() -> Manifest {
        let column = |attnum, name: &str, has_nulls, ascending| FileColumn {
            attnum,
            physical: Some(name.into()),
            encoding: Encoding::Int,
            has_nulls,
            ascending,
            ..FileColumn::default()
        };
        let index = |columns: &[(i16, bool)]| FileIndex {
            columns: columns.to_vec(),
            unique: false,
        };
        Manifest {
            raw_table: "m_raw".into(),
            rowid_name: "rowid".into(),
            columns: vec![
                column(1, "ts", false, true),
                column(2, "dev", false, false),
                column(3, "val", true, false),
                column(4, "other", false, false),
            ],
            indexes: vec![
                index(&[(2, false), (1, false)]),
                index(&[(3, true), (2, false)]),
                index(&[(2, false), (3, false)]),
            ],
            ..Manifest::default()
        }
    }

    fn key(attnum: i16, descending: bool, nulls_first: bool) -> Key {
        Key {
            attnum,
            descending,
            nulls_first,
            collation: 0,
        }
    }

    fn served(m: &Manifest, wanted: &[Key], fixed: &[i16]) -> usize {
        super::served(m, wanted, fixed).map_or(0, |s| s.keys)
    }

    #[test]
    fn rows_as_they_lie_are_preferred() {
        let m = manifest();
        let asc = |a| key(a, false, false);
        let of = |keys: &[Key], fixed: &[i16]| super::served(&m, keys, fixed).map(|s| s.index);
        assert_eq!(of(&[asc(1)], &[2]), Some(None));
        assert_eq!(of(&[asc(2), asc(1)], &[]), Some(Some(0)));
        assert_eq!(of(&[asc(4)], &[]), None);
    }

    #[test]
    fn indexes_serve_their_columns_both_ways() {
        let m = manifest();
        let asc = |a| key(a, false, false);
        let desc = |a| key(a, true, true);
        assert_eq!(served(&m, &[asc(2), asc(1)], &[]), 2);
        assert_eq!(served(&m, &[desc(2), desc(1)], &[]), 2);
        assert_eq!(served(&m, &[asc(2), desc(1)], &[]), 1);
        assert_eq!(served(&m, &[asc(2), asc(4)], &[]), 1);
        assert_eq!(served(&m, &[asc(4)], &[]), 0);
        assert_eq!(served(&m, &[asc(1)], &[]), 1, "by rowid");
        assert_eq!(served(&m, &[asc(1), asc(2)], &[]), 1);
        assert_eq!(served(&m, &[asc(1), asc(4)], &[2]), 1);
        assert_eq!(served(&m, &[desc(3), asc(2)], &[]), 2);
        assert_eq!(served(&m, &[asc(3), desc(2)], &[]), 2);
        assert_eq!(served(&m, &[asc(3), asc(2)], &[]), 1);
        assert_eq!(served(&m, &[], &[]), 0);
    }

    #[test]
    fn columns_held_at_one_value_are_jumped_over() {
        let m = manifest();
        let keys = [key(1, true, true)];
        let mut bare = m.clone();
        bare.columns[0].ascending = false;
        assert_eq!(served(&bare, &keys, &[]), 0);
        assert_eq!(served(&bare, &keys, &[2]), 1);
    }

    #[test]
    fn nulls_move_for_the_first_column_only() {
        let m = manifest();
        assert_eq!(served(&m, &[key(3, false, false)], &[]), 1);
        assert_eq!(served(&m, &[key(3, false, true)], &[]), 1);
        let dev = key(2, false, false);
        assert_eq!(served(&m, &[dev, key(3, false, true)], &[]), 2);
        assert_eq!(served(&m, &[dev, key(3, false, false)], &[]), 1);
    }

    #[test]
    fn writes_the_clause() {
        let m = manifest();
        let by = |keys: &[Key], filter| order_by(&m, keys, filter);
        assert_eq!(by(&[], ""), "");
        assert_eq!(by(&[key(1, true, true)], ""), " ORDER BY \"rowid\" DESC");
        assert_eq!(
            by(&[key(1, false, false)], "(\"ts\" > ?1)"),
            " ORDER BY \"rowid\" ASC",
            "no index begins with it"
        );
        assert_eq!(
            by(&[key(2, false, true), key(1, false, false)], ""),
            " ORDER BY \"dev\" ASC, \"ts\" ASC"
        );
        assert_eq!(
            by(&[key(3, false, false)], ""),
            " ORDER BY \"val\" ASC NULLS LAST"
        );
        assert_eq!(by(&[key(3, false, true)], ""), " ORDER BY \"val\" ASC");
        assert_eq!(
            by(&[key(3, true, true)], ""),
            " ORDER BY \"val\" DESC NULLS FIRST"
        );
        let mut indexed = m.clone();
        indexed.indexes.push(FileIndex {
            columns: vec![(1, false)],
            unique: false,
        });
        assert_eq!(
            order_by(&indexed, &[key(1, false, false)], "(\"ts\" > ?1)"),
            " ORDER BY \"ts\" ASC"
        );
    }
}
