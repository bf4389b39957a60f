//! Identifiers as SQL text.

/// Key words that a name cannot be without quotes everywhere: all of kwlist.h of 15 to 18 but the unreserved ones
/// (quote_identifier in ruleutils.c).
const KEY_WORDS: &str = "\
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case \
    cast char character check coalesce collate collation column concurrently constraint create cross current_catalog \
    current_date current_role current_schema current_time current_timestamp current_user dec decimal default \
    deferrable desc distinct do else end except exists extract false fetch float for foreign freeze from full grant \
    greatest group grouping having ilike in initially inner inout int integer intersect interval into is isnull join \
    json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize \
    json_table json_value lateral leading least left like limit localtime localtimestamp merge_action national \
    natural nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay \
    placing position precision primary real references returning right row select session_user setof similar \
    smallint some substring symmetric system_user table tablesample then time timestamp to trailing treat trim true \
    union unique user using values varchar variadic verbose when where window with xmlattributes xmlconcat \
    xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable";

/// Longest name in bytes (NAMEDATALEN - 1); the server cuts longer ones.
pub const NAME_BYTES: usize = 63;

/// A name as SQL, in quotes where it needs them.
#[must_use]
pub fn ident(name: &str) -> String {
    let mut bytes = name.bytes();
    let starts = bytes
        .next()
        .is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    let goes_on = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if starts && goes_on && !KEY_WORDS.split(' ').any(|word| word == name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// Names parted by commas.
#[must_use]
pub fn idents(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| ident(n)).collect();
    quoted.join(", ")
}

/// The names of a list in one string, as `search_path` has it: folded where they stand without quotes.
#[must_use]
pub fn names_in(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = list.trim_start();
    while !rest.is_empty() {
        let mut name = String::new();
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = quoted;
            while let Some((inner, behind)) = rest.split_once('"') {
                name.push_str(inner);
                rest = behind;
                match rest.strip_prefix('"') {
                    Some(more) => {
                        name.push('"');
                        rest = more;
                    }
                    None => break,
                }
            }
            names.push(name);
        } else {
            let plain = rest.split(',').next().unwrap_or_default();
            name.push_str(plain.trim_end());
            if !name.is_empty() {
                names.push(name.to_lowercase());
            }
        }
        rest = rest
            .split_once(',')
            .map_or("", |(_, behind)| behind)
            .trim_start();
    }
    names
}

#[cfg(test)]
#[path = "ddl_quote_tests.rs"]
mod tests;
