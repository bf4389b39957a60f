//! The catalog lens: who may use it, what tools see that name pg_catalog, dumps, and the end of the extension.

use crate::common::{Cluster, Db, exec, fails, one, rows};

const TABLES: &str = "
    CREATE TABLE wide (id bigint, ts timestamptz NOT NULL, v float8, PRIMARY KEY (id, ts));
    CREATE TABLE \"Odd one\" (ts timestamptz NOT NULL, k int);
    SELECT FROM strata.create_hypertable('wide', strata.by_range('ts', INTERVAL '1 month'), logical_key => 'id');
    SELECT FROM strata.create_hypertable('\"Odd one\"', strata.by_range('ts', INTERVAL '1 month'), logical_key => 'k')";

/// What a client of ordinary tables asks.
const SEEN: &str = "SELECT (SELECT relkind FROM pg_class WHERE oid = 'wide'::regclass), (SELECT indnatts FROM pg_index WHERE indrelid = 'wide'::regclass AND indisprimary),
    (SELECT count(*) FROM pg_constraint WHERE conrelid = '\"Odd one\"'::regclass AND contype = 'p')";

fn dump(db: &Db) -> String {
    // what says who is exposed may differ, and the word that guards the script
    let text = db.cluster.dump(db.name);
    let mut out = String::new();
    let mut skipping = false;
    for line in text.lines() {
        skipping |= line.starts_with("COPY strata.client_exposure");
        if !skipping && !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict") {
            out.push_str(line);
            out.push('\n');
        }
        skipping &= line != "\\.";
    }
    out
}

#[test]
fn tools_that_name_the_catalog_see_the_truth_and_dumps_keep_the_lens() {
    let cluster = Cluster::builder().start();
    let db = Db::new(&cluster, "truth");
    db.run(TABLES);
    db.run("CREATE ROLE app LOGIN; GRANT ALL ON wide, \"Odd one\" TO app");
    let look = |db: &Db| {
        let described = db.run("\\d+ wide\n\\d \"Odd one\"\n\\dt *.*wide*\n\\dP");
        let plan = rows(
            &mut db.session(),
            "EXPLAIN (COSTS OFF) SELECT * FROM wide WHERE ts < '2000-01-01'",
        );
        (dump(db), described, plan)
    };
    db.run("SELECT strata.install_timescale_names()");
    let before = look(&db);
    db.run("SELECT strata.expose_to_client('postgres'), strata.expose_to_client('app', ARRAY['wide', '\"Odd one\"']::regclass[])");
    assert_eq!(rows(&mut db.session(), SEEN), "r|1|1");
    assert_eq!(rows(&mut db.session_as("app"), SEEN), "r|1|1");
    let after = look(&db);
    assert!(
        before == after,
        "a tool that names pg_catalog sees something else"
    );
    // the copy knows who sees what; the search_path is the database's
    cluster.dump_into("truth", &cluster, "copy");
    let copy = Db {
        cluster: &cluster,
        name: "copy",
    };
    let exposed =
        "SELECT role_name, relations, saved_search_path FROM strata.client_exposure ORDER BY 1";
    assert_eq!(
        rows(&mut copy.session(), exposed),
        rows(&mut db.session(), exposed)
    );
    let names = "SELECT hypertable_name FROM timescaledb_information.hypertables ORDER BY 1";
    assert_eq!(rows(&mut copy.session(), names), "Odd one\nwide");
    let mut session = copy.session_as("app");
    assert_eq!(rows(&mut session, SEEN), "p|2|0");
    exec(
        &mut session,
        "SET search_path = public, strata_lens, pg_catalog",
    );
    assert_eq!(rows(&mut session, SEEN), "r|1|1");
    copy.run("SELECT strata.expose_to_client('app')");
    assert_eq!(rows(&mut copy.session_as("app"), SEEN), "r|1|1");
}

#[test]
fn nobody_gains_a_right_by_the_lens() {
    let cluster = Cluster::builder().start();
    let db = Db::new(&cluster, "rights");
    db.run(TABLES);
    db.run(
        "CREATE ROLE app LOGIN; CREATE ROLE other LOGIN; GRANT SELECT ON wide TO app;
         ALTER ROLE other SET search_path = mine, public",
    );
    let paths = "SELECT string_agg(format('%s %s', setrole::regrole, setconfig), ', ' ORDER BY setrole::regrole::text)
                 FROM pg_db_role_setting WHERE setdatabase <> 0";
    let mut app = db.session_as("app");
    // another role's sessions are not the caller's to change; one's own are
    fails(
        &mut app,
        "SELECT strata.expose_to_client('other')",
        "42501",
        &[],
    );
    fails(
        &mut app,
        "SELECT strata.expose_to_client('postgres')",
        "42501",
        &[],
    );
    assert_eq!(db.one(paths), "");
    exec(&mut app, "SELECT strata.expose_to_client('app')");
    db.run("SELECT strata.expose_to_client('other', ARRAY['wide']::regclass[])");
    fails(
        &mut app,
        "SELECT strata.unexpose_from_client('other')",
        "42501",
        &[],
    );
    let set = db.one(paths);
    assert_eq!(
        set,
        "app {\"search_path=\\\"$user\\\", public, strata_lens, pg_catalog\"}, other {\"search_path=mine, public, strata_lens, pg_catalog\"}"
    );
    // a drop that is refused changes nobody's path, also where the error is caught
    fails(&mut app, "DROP EXTENSION pg_strata CASCADE", "42501", &[]);
    exec(
        &mut app,
        "DO $$ BEGIN DROP EXTENSION pg_strata; EXCEPTION WHEN OTHERS THEN NULL; END $$",
    );
    exec(
        &mut app,
        "DROP EXTENSION IF EXISTS plpython3u; DROP SCHEMA IF EXISTS nothing",
    );
    assert_eq!(db.one(paths), set);
    // of others a role sees nothing, whatever function it asks with
    exec(
        &mut app,
        "CREATE FUNCTION pg_temp.tells(oid) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS
         $$ BEGIN RAISE EXCEPTION 'saw %', $1::regclass; END $$",
    );
    let mut other = db.session_as("other");
    exec(&mut app, "SELECT strata.unexpose_from_client('app')");
    assert_eq!(
        one(
            &mut app,
            "SELECT count(*) FROM strata_lens.exposed WHERE pg_temp.tells(relation)"
        ),
        "0"
    );
    assert_eq!(
        one(&mut other, "SELECT count(*) FROM strata_lens.exposed"),
        "1"
    );
    fails(
        &mut other,
        "CREATE TABLE strata_lens.pg_proc (a int)",
        "42501",
        &[],
    );
    fails(
        &mut other,
        "CREATE OR REPLACE VIEW strata_lens.pg_class AS SELECT 1",
        "42501",
        &[],
    );
    // the extension goes, and with it the path
    db.run("DROP EXTENSION pg_strata");
    assert_eq!(db.one(paths), "");
    assert_eq!(
        one(&mut db.session_as("other"), "SHOW search_path"),
        "mine, public"
    );
}
