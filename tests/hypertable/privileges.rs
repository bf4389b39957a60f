//! Who may do what, and as whom it runs: nothing that a user wrote ever runs as the extension's owner, and an
//! owner who is no superuser does with a hypertable what it does with a table.

use crate::common::{Cluster, Db, exec, fails, one, rows};
use postgres::Client;

/// A role without rights, and functions that note when a superuser runs them.
const SPIES: &str = "
    CREATE ROLE mallory LOGIN; CREATE ROLE other LOGIN;
    CREATE SCHEMA m AUTHORIZATION mallory;
    CREATE TABLE public.caught (what text); GRANT ALL ON public.caught TO PUBLIC;
    SET SESSION AUTHORIZATION mallory;
    CREATE FUNCTION m.tell(what text) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
      BEGIN
        IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
          INSERT INTO public.caught VALUES (what);
        END IF;
        RETURN 0;
      END $$;
    CREATE FUNCTION m.spy(what text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN m.tell(what); END $$;
    CREATE FUNCTION m.trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM m.tell('trigger'); RETURN NEW; END $$;";

/// A table whose every expression tells who runs it.
fn table(name: &str, key: &str, from: &str) -> String {
    format!(
        "CREATE TABLE m.{name} (id bigint, {key}, e timestamptz, v int DEFAULT m.tell('default'), dev int, u uuid,
           w int GENERATED ALWAYS AS (v + m.spy('generated')) STORED, CONSTRAINT c CHECK (v > m.spy('check') - 2));
         CREATE INDEX ON m.{name} ((v + m.spy('index')));
         CREATE INDEX ON m.{name} (v) WHERE v > m.spy('predicate') - 2;
         CREATE STATISTICS m.{name}_s ON (v + m.spy('statistics')), dev FROM m.{name};
         CREATE TRIGGER trap BEFORE INSERT OR UPDATE ON m.{name} FOR EACH ROW WHEN (NEW.v > m.spy('when') - 9) EXECUTE FUNCTION m.trap();
         CREATE POLICY p ON m.{name} USING (v > m.spy('policy') - 2);
         ALTER TABLE m.{name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
         INSERT INTO m.{name} (id, ts, e, v, dev, u)
           SELECT i, {from}, '2030-01-01', i, i % 3, ('018cc251-f400-7000-8000-' || lpad(i::text, 12, '0'))::uuid
           FROM generate_series(1, 60) i;"
    )
}

const TIMES: &str = "'2024-01-01 00:00+00'::timestamptz + i * INTERVAL '6 hours'";

/// What mallory asks for; each of these reads or writes the table again.
const DEEDS: &[&str] = &[
    "SELECT FROM strata.create_hypertable('m.a', strata.by_range('ts', INTERVAL '7 days'), migrate_data => true, end_column => 'e', dry_run => true)",
    "SELECT FROM strata.create_hypertable('m.a', strata.by_range('ts', INTERVAL '7 days'), migrate_data => true, end_column => 'e')",
    "SET strata.move_limit = 0",
    "SELECT FROM strata.create_hypertable('m.b', strata.by_range('ts', INTERVAL '7 days'), migrate_data => true, end_column => 'e')",
    "RESET strata.move_limit",
    "CALL strata.create_hypertable_online('m.c', strata.by_range('ts', INTERVAL '7 days'))",
    "SELECT FROM strata.create_hypertable('m.d', strata.by_id('u', 'ts'), migrate_data => true)",
    "SELECT FROM strata.create_hypertable('m.f', strata.by_range('ts', INTERVAL '7 days'), migrate_data => true, on_conflicting_unique => 'widen')",
    "SELECT FROM strata.create_hypertable('m.g', strata.by_range('ts', INTERVAL '7 days'))",
    "SELECT FROM strata.premake_chunks('m.a', '2031-01-01 00:00+00', '2031-01-02 00:00+00')",
    "INSERT INTO m.a (id, ts, e, v) VALUES (1, '2032-01-01', '2033-01-01', 1)",
    "SELECT strata.reconcile_hypertable('m.a')",
    "CALL strata.split_chunk('{first}', TIMESTAMPTZ '2024-01-03 00:00+00')",
    "CALL strata.merge_chunks('{two}'::regclass[])",
    "SELECT strata.reorder_chunk('{first}', 'm.a_ts_idx')",
    "SELECT strata.freeze_chunk('{first}'), strata.unfreeze_chunk('{first}')",
    "CREATE TABLE m.old (LIKE m.a INCLUDING ALL)",
    "CALL strata.attach_chunk('m.a', 'm.old', '{\"ts\": [\"2001-01-01 00:00+00\", \"2001-02-01 00:00+00\"]}')",
    "CALL strata.detach_chunk('m.old')",
    "SELECT strata.approximate_row_count('m.a'), strata.hypertable_size('m.a')",
    "CALL strata.run_maintenance()",
    "SELECT strata.drop_chunks('m.a', older_than => TIMESTAMPTZ '2024-01-02 00:00+00')",
    "SELECT strata.drop_hypertable('m.a')",
];

/// The statement with chunks put in: CALL takes no subquery.
fn with_chunks(session: &mut Client, table: &str, sql: &str) -> String {
    if !sql.contains('{') {
        return sql.to_string();
    }
    let ask = |session: &mut Client, n| {
        one(
            session,
            &format!(
                "SELECT array_agg(c::text) FROM (SELECT c FROM strata.show_chunks('{table}') c LIMIT {n}) x"
            ),
        )
    };
    let first = ask(session, 1).trim_matches(['{', '}']).to_string();
    sql.replace("{first}", &first)
        .replace("'{two}'", &format!("'{}'", ask(session, 2)))
}

#[test]
fn nothing_of_a_user_runs_as_the_owner_of_the_extension() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "spies");
    let mut tables = String::from(SPIES);
    for name in ["a", "b", "c", "d"] {
        tables += &table(name, "ts timestamptz", TIMES);
    }
    // a key that becomes wider
    tables += &table("f", "ts timestamptz, PRIMARY KEY (id)", TIMES);
    // partitioned already, with a DEFAULT partition
    tables += "CREATE TABLE m.g (ts timestamptz, v int, CHECK (v > m.spy('check') - 2)) PARTITION BY RANGE (ts);
        CREATE INDEX ON m.g ((v + m.spy('index'))); CREATE TABLE m.g_rest PARTITION OF m.g DEFAULT;";
    db.run(&tables);
    // in force or not, nobody but the superuser itself is told on
    assert_eq!(db.one("SELECT string_agg(what, ' ') FROM caught"), "");
    let mut mallory = db.session_as("mallory");
    // with this every question about a table folds its CHECKs
    exec(&mut mallory, "SET constraint_exclusion = on");
    for deed in DEEDS {
        let deed = with_chunks(&mut mallory, "m.a", deed);
        exec(&mut mallory, &deed);
        assert_eq!(
            db.one("SELECT string_agg(DISTINCT what, ' ') FROM caught"),
            "",
            "after {deed}"
        );
    }
    assert_eq!(
        db.one("SELECT count(*) FROM m.b") + &db.one("SELECT count(*) FROM m.c"),
        "6060"
    );
}

#[test]
fn names_and_options_are_never_commands() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "names");
    db.run(SPIES);
    let mut mallory = db.session_as("mallory");
    let superuser = "SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'";
    // an option of CREATE TABLE is kept for chunks
    let _ = mallory.batch_execute(
        "CREATE TABLE m.w (ts timestamptz NOT NULL)
         WITH (tsdb.hypertable, \"autovacuum_enabled) ; ALTER ROLE mallory SUPERUSER; --\" = true)",
    );
    assert_eq!(db.one(superuser), "f");
    // an index whose name looks like the rest of its definition, for reconcile and split_chunk
    exec(
        &mut mallory,
        "CREATE TABLE m.r (ts timestamptz NOT NULL);
         SELECT FROM strata.create_hypertable('m.r', strata.by_range('ts', INTERVAL '7 days'), create_default_indexes => false);
         CREATE INDEX \" ON ONLY m.r USING hash(ts);ALTER USER mallory SUPERUSER--\" ON ONLY m.r (ts)",
    );
    assert_eq!(
        one(
            &mut mallory,
            "SELECT count(*) FROM strata.reconcile_hypertable('m.r') WHERE action = 'create index'"
        ),
        "3"
    );
    assert_eq!(db.one(superuser), "f");
    assert_eq!(
        one(
            &mut mallory,
            "SELECT count(*) FROM strata.reconcile_hypertable('m.r')"
        ),
        "0"
    );
    exec(
        &mut mallory,
        "DO $$ DECLARE c regclass; BEGIN SELECT strata.show_chunks('m.r') LIMIT 1 INTO c;
           EXECUTE format('CREATE INDEX %I ON %s (ts)', ' ON ' || c || ' (ts);ALTER USER mallory SUPERUSER--', c); END $$;",
    );
    exec(
        &mut mallory,
        "DO $$ DECLARE c regclass; BEGIN SELECT strata.show_chunks('m.r') LIMIT 1 INTO c; CALL strata.split_chunk(c); END $$",
    );
    assert_eq!(db.one(superuser), "f");
    // a separator inside of a name, and statistics of an index expression
    exec(
        &mut mallory,
        "CREATE TABLE m.\"s;t\" (ts timestamptz NOT NULL, \"v;w\" int, t text);
         CREATE INDEX \"i;j\" ON m.\"s;t\" (lower(t), (\"v;w\" + 1)); ALTER INDEX m.\"i;j\" ALTER COLUMN 1 SET STATISTICS 7;
         ALTER INDEX m.\"i;j\" ALTER COLUMN 2 SET STATISTICS 8;
         SELECT FROM strata.create_hypertable('m.\"s;t\"', strata.by_range('ts'))",
    );
    assert_eq!(
        rows(
            &mut mallory,
            "SELECT attstattarget FROM pg_attribute WHERE attrelid = 'm.\"i;j\"'::regclass ORDER BY attnum"
        ),
        "7\n8"
    );
}

#[test]
fn an_ordinary_owner_changes_its_hypertable() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "owners");
    db.run(SPIES);
    db.run("CREATE SCHEMA o AUTHORIZATION other; GRANT mallory TO other");
    let mut mallory = db.session_as("mallory");
    exec(
        &mut mallory,
        "CREATE TABLE m.t (ts timestamptz NOT NULL, id int NOT NULL, n int);
         SELECT FROM strata.create_hypertable('m.t', strata.by_range('ts', INTERVAL '1 day'));
         CREATE INDEX ON m.t (n); ALTER TABLE m.t ADD PRIMARY KEY (id, ts); CREATE UNIQUE INDEX ON m.t (n, ts);
         CREATE TABLE m.child (id int, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES m.t);
         ALTER TABLE m.t ADD CHECK (n > 0), ADD COLUMN z text",
    );
    // and the next owner
    exec(&mut mallory, "RESET ROLE");
    db.run(
        "ALTER TABLE m.t OWNER TO other; GRANT ALL ON SCHEMA m TO other; REVOKE mallory FROM other",
    );
    let mut other = db.session_as("other");
    exec(
        &mut other,
        "CREATE INDEX ON m.t (z); INSERT INTO m.t VALUES ('2024-01-01', 1, 1), ('2024-01-05', 2, 2)",
    );
    assert_eq!(
        one(
            &mut other,
            "SELECT count(DISTINCT relowner) FROM pg_class WHERE oid = 'm.t'::regclass OR oid IN (SELECT strata.show_chunks('m.t'))"
        ),
        "1"
    );
    // who is not the owner is told so, whatever the function
    for call in [
        "SELECT strata.create_hypertable('m.t', strata.by_range('ts'), if_not_exists => true)",
        "CALL strata.create_hypertable_online('m.t', strata.by_range('ts'))",
        "SELECT strata.drop_hypertable('m.t')",
        "SELECT strata.alter_hypertable('m.t', premake => 3)",
        "SELECT strata.set_chunk_time_interval('m.t', INTERVAL '1 day')",
        "SELECT strata.add_dimension('m.t', strata.by_hash('id', 2))",
        "SELECT strata.enable_chunk_skipping('m.t', 'n')",
        "SELECT strata.premake_chunks('m.t', '2040-01-01 00:00+00', '2040-01-02 00:00+00')",
        "SELECT strata.drop_chunks('m.t', older_than => TIMESTAMPTZ '2030-01-01')",
        "SELECT strata.reconcile_hypertable('m.t')",
        "SELECT strata.attach_tablespace('pg_default', 'm.t')",
        "SELECT strata.add_retention_policy('m.t', INTERVAL '1 year')",
        "CALL strata.split_chunk('{first}')",
        "CALL strata.merge_chunks('{two}'::regclass[])",
        "CALL strata.detach_chunk('{first}')",
        "SELECT strata.freeze_chunk('{first}')",
        "SELECT strata.reorder_chunk('{first}', 'm.t_pkey')",
        "SELECT strata.move_chunk('{first}', 'pg_default')",
    ] {
        let call = with_chunks(&mut other, "m.t", call);
        fails(&mut mallory, &call, "42501", &[]);
    }
}

#[test]
fn forced_policies_hide_no_row_from_what_moves_rows() {
    let cluster = Cluster::builder().preload(true).start();
    let db = Db::new(&cluster, "forced");
    db.run(
        "CREATE ROLE keeper LOGIN; GRANT CREATE ON SCHEMA public TO keeper;
         CREATE TABLE t (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts);
         SELECT strata.create_hypertable('t', strata.by_range('ts', interval '1 day'));
         ALTER TABLE t OWNER TO keeper;
         INSERT INTO t SELECT '2024-01-01 00:00+00'::timestamptz + i * interval '1 hour', i FROM generate_series(0, 95) i;
         ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
         DO $$ DECLARE c regclass; BEGIN FOR c IN SELECT strata.show_chunks('t') LOOP
           EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', c); END LOOP; END $$",
    );
    let mut keeper = db.session_as("keeper");
    assert_eq!(one(&mut keeper, "SELECT count(*) FROM t"), "0");
    for deed in [
        "CALL strata.split_chunk('{first}', TIMESTAMPTZ '2024-01-01 12:00+00')",
        "CALL strata.merge_chunks('{two}'::regclass[])",
        "SELECT strata.drop_hypertable('t')",
    ] {
        let deed = with_chunks(&mut keeper, "t", deed);
        exec(&mut keeper, &deed);
        let all = "SELECT count(*) || ' ' || sum(v) FROM t";
        assert_eq!(db.one(all), "96 4560", "after {deed}");
        // what was forced is forced
        assert_eq!(
            one(&mut keeper, "SELECT count(*) FROM t"),
            "0",
            "after {deed}"
        );
    }
}
