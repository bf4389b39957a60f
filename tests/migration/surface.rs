//! The functions of migrations and tasks, as users call them: names, arguments, defaults, columns and volatility.

use crate::support::{database, rows};

/// One a line, as the server writes them; the contract, so it is changed by hand only.
const SURFACE: &str = include_str!("surface.txt");

#[test]
fn functions_have_the_arguments_that_were_promised() {
    let db = database("surface");
    let mut s = db.session();
    let sql = "SELECT p.proname || '(' || pg_get_function_arguments(p.oid) || ')' || CASE p.prokind WHEN 'f' THEN
            ' -> ' || pg_get_function_result(p.oid) || '  -- ' || p.provolatile::text ELSE '' END
        FROM pg_proc p WHERE p.pronamespace = 'strata'::regnamespace AND p.proname ~ '^(migrate|task)_'
        ORDER BY p.proname COLLATE \"C\"";
    let found = rows(&mut s, sql);
    // the loader's script is beyond the contract
    let found: Vec<&str> = found
        .lines()
        .filter(|l| !l.starts_with("migrate_loader("))
        .collect();
    let mut promised: Vec<&str> = SURFACE.lines().collect();
    promised.sort_by_key(|line| line.split('(').next());
    assert_eq!(found.join("\n"), promised.join("\n"));
}
