//! The catalog views that show a hypertable as an ordinary table with a one-column key, as SQL text.
//!
//! Their columns are those of the running server, in its order: a tool that reads `SELECT *` finds what it
//! would find in pg_catalog.

/// A column of a catalog: name and type.
pub type Column = (String, String);

/// The catalogs that have a view.
pub const CATALOGS: [&str; 3] = ["pg_class", "pg_index", "pg_constraint"];

/// What replaces a column of a row that is there.
const SHOWN: [(&str, &str, &str); 8] = [
    (
        "pg_class",
        "relkind",
        "CASE WHEN x.relation IS NOT NULL AND t.relkind OPERATOR(pg_catalog.=) 'p' THEN 'r'::pg_catalog.\"char\" ELSE t.relkind END",
    ),
    // a primary key (id, ts) whose logical key is id is shown as (id)
    (
        "pg_index",
        "indnatts",
        "CASE WHEN k.n IS NULL THEN t.indnatts ELSE 1::int2 END",
    ),
    (
        "pg_index",
        "indnkeyatts",
        "CASE WHEN k.n IS NULL THEN t.indnkeyatts ELSE 1::int2 END",
    ),
    (
        "pg_index",
        "indkey",
        "CASE WHEN k.n IS NULL THEN t.indkey ELSE t.indkey[k.n]::text::pg_catalog.int2vector END",
    ),
    (
        "pg_index",
        "indcollation",
        "CASE WHEN k.n IS NULL THEN t.indcollation ELSE t.indcollation[k.n]::text::pg_catalog.oidvector END",
    ),
    (
        "pg_index",
        "indclass",
        "CASE WHEN k.n IS NULL THEN t.indclass ELSE t.indclass[k.n]::text::pg_catalog.oidvector END",
    ),
    (
        "pg_index",
        "indoption",
        "CASE WHEN k.n IS NULL THEN t.indoption ELSE t.indoption[k.n]::text::pg_catalog.int2vector END",
    ),
    (
        "pg_constraint",
        "conkey",
        "CASE WHEN t.contype OPERATOR(pg_catalog.=) 'p' AND x.key_column OPERATOR(pg_catalog.=) ANY (t.conkey) \
         THEN ARRAY[x.key_column] ELSE t.conkey END",
    ),
];

/// What an invented row holds: the key of a table that has a logical key and no primary key.
const INVENTED: [(&str, &str, &str); 28] = [
    ("pg_index", "indrelid", "x.relation"),
    ("pg_index", "indnatts", "1::int2"),
    ("pg_index", "indnkeyatts", "1::int2"),
    ("pg_index", "indisunique", "true"),
    ("pg_index", "indisprimary", "true"),
    ("pg_index", "indimmediate", "true"),
    ("pg_index", "indisvalid", "true"),
    ("pg_index", "indisready", "true"),
    ("pg_index", "indislive", "true"),
    (
        "pg_index",
        "indkey",
        "x.key_column::text::pg_catalog.int2vector",
    ),
    ("pg_index", "indcollation", "'0'::pg_catalog.oidvector"),
    ("pg_index", "indclass", "'0'::pg_catalog.oidvector"),
    ("pg_index", "indoption", "'0'::pg_catalog.int2vector"),
    (
        "pg_constraint",
        "conname",
        "pg_catalog.concat(c.relname, '_pkey')::pg_catalog.name",
    ),
    ("pg_constraint", "connamespace", "c.relnamespace"),
    ("pg_constraint", "contype", "'p'::pg_catalog.\"char\""),
    ("pg_constraint", "conenforced", "true"),
    ("pg_constraint", "convalidated", "true"),
    ("pg_constraint", "conrelid", "x.relation"),
    ("pg_constraint", "confupdtype", "' '::pg_catalog.\"char\""),
    ("pg_constraint", "confdeltype", "' '::pg_catalog.\"char\""),
    ("pg_constraint", "confmatchtype", "' '::pg_catalog.\"char\""),
    ("pg_constraint", "conislocal", "true"),
    ("pg_constraint", "connoinherit", "true"),
    ("pg_constraint", "conkey", "ARRAY[x.key_column]"),
    // not null in every catalog: numbers and flags that say nothing
    ("pg_index", "indexrelid", "0::oid"),
    ("pg_constraint", "oid", "0::oid"),
    ("pg_constraint", "coninhcount", "NULL"),
];

fn find<'a>(rules: &'a [(&str, &str, &'a str)], catalog: &str, column: &str) -> Option<&'a str> {
    rules
        .iter()
        .find(|(t, c, _)| *t == catalog && *c == column)
        .map(|(.., expression)| *expression)
}

fn invented(catalog: &str, (name, type_name): &Column) -> String {
    match find(&INVENTED, catalog, name) {
        Some("NULL") => format!("0::{type_name}"),
        Some(expression) => expression.to_string(),
        None if type_name == "boolean" => "false".into(),
        None if type_name == "oid" => "0::oid".into(),
        None => format!("NULL::{type_name}"),
    }
}

fn list(columns: &[Column], expression: impl Fn(&Column) -> String) -> String {
    let columns = columns
        .iter()
        // names of catalog columns need no quotes, and a comma cannot occur in them
        .map(|c| format!("{} AS {}", expression(c), c.0));
    columns.collect::<Vec<_>>().join(",\n  ")
}

/// The query of the view that stands for `catalog`, whose columns on this server are given.
#[must_use]
pub fn view_query(catalog: &str, columns: &[Column]) -> String {
    let shown = list(columns, |c| {
        find(&SHOWN, catalog, &c.0).map_or_else(|| format!("t.{}", c.0), str::to_string)
    });
    let made = list(columns, |c| invented(catalog, c));
    let invent = format!(
        "\nUNION ALL\nSELECT {made}\nFROM strata_lens.exposed x \
         JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) x.relation\n\
         WHERE x.key_column IS NOT NULL AND NOT x.has_primary_key"
    );
    let exposed = |relation: &str| {
        format!("LEFT JOIN strata_lens.exposed x ON x.relation OPERATOR(pg_catalog.=) t.{relation}")
    };
    match catalog {
        "pg_class" => format!(
            "SELECT {shown}\nFROM pg_catalog.pg_class t {}",
            exposed("oid")
        ),
        "pg_index" => format!(
            "SELECT {shown}\nFROM pg_catalog.pg_index t {}\n\
             LEFT JOIN LATERAL (SELECT p.n FROM pg_catalog.generate_series(0, t.indnkeyatts OPERATOR(pg_catalog.-) 1) p (n)\n  \
             WHERE t.indisprimary AND t.indkey[p.n] OPERATOR(pg_catalog.=) x.key_column) k ON true{invent}",
            exposed("indrelid")
        ),
        // core keeps a copy of a foreign key for each partition of the referenced table
        _ => format!(
            "SELECT {shown}\nFROM pg_catalog.pg_constraint t {}\n\
             WHERE NOT (t.contype OPERATOR(pg_catalog.=) 'f' AND t.conparentid OPERATOR(pg_catalog.<>) 0::oid \
             AND EXISTS (SELECT FROM strata_lens.exposed e JOIN pg_catalog.pg_constraint q ON q.confrelid OPERATOR(pg_catalog.=) e.relation \
             WHERE q.oid OPERATOR(pg_catalog.=) t.conparentid AND q.conrelid OPERATOR(pg_catalog.=) t.conrelid)){invent}",
            exposed("conrelid")
        ),
    }
}

/// The search path that shows the lens: the role's own schemas first, so that CREATE TABLE does not land in
/// the lens, then the lens, then pg_catalog by name, because it would be searched first otherwise.
#[must_use]
pub fn path_with_lens(own: &[String]) -> Vec<String> {
    let mut path: Vec<String> = own
        .iter()
        .filter(|s| *s != "strata_lens" && *s != "pg_catalog")
        .cloned()
        .collect();
    path.push("strata_lens".into());
    path.push("pg_catalog".into());
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[(&str, &str)]) -> Vec<Column> {
        names
            .iter()
            .map(|(n, t)| ((*n).to_string(), (*t).to_string()))
            .collect()
    }

    #[test]
    fn every_column_of_the_server_is_there_in_its_order() {
        let q = view_query(
            "pg_index",
            &columns(&[
                ("indexrelid", "oid"),
                ("indnew", "text"),
                ("indnatts", "smallint"),
                ("indsoon", "boolean"),
            ]),
        );
        assert!(q.starts_with("SELECT t.indexrelid AS indexrelid,\n  t.indnew AS indnew,\n  CASE"));
        assert!(q.contains("SELECT 0::oid AS indexrelid,\n  NULL::text AS indnew,\n  1::int2 AS indnatts,\n  false AS indsoon"));
    }

    #[test]
    fn classes_are_shown_and_none_invented() {
        let q = view_query(
            "pg_class",
            &columns(&[("oid", "oid"), ("relkind", "\"char\"")]),
        );
        assert!(q.contains("AS relkind") && !q.contains("UNION"));
    }

    #[test]
    fn the_lens_comes_after_the_own_schemas_and_before_the_catalog() {
        let own = |names: &[&str]| names.iter().map(|s| (*s).to_string()).collect::<Vec<_>>();
        assert_eq!(
            path_with_lens(&own(&["$user", "public"])),
            own(&["$user", "public", "strata_lens", "pg_catalog"])
        );
        let again = path_with_lens(&own(&["app", "pg_catalog", "strata_lens"]));
        assert_eq!(again, own(&["app", "strata_lens", "pg_catalog"]));
    }
}
