//! Tables of others carry code of theirs: in index expressions, in policies. Whoever reads such a table must not run it as
//! himself, and must not take hidden rows for rows that are not there.

use crate::support::{database, exec, fails, one, register, run, states};

/// `schema_migrations` of mallory, whose index calls a function of hers when a query of it is planned; the sequence counts
/// the calls that are not hers.
const TRAP: &str = "
    CREATE ROLE foreign_mallory; CREATE SCHEMA mallory AUTHORIZATION foreign_mallory;
    SET ROLE foreign_mallory;
    CREATE SEQUENCE mallory.caught;
    CREATE FUNCTION mallory.trap(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
      BEGIN
        IF current_user <> 'foreign_mallory' THEN PERFORM nextval('mallory.caught'); END IF;
        RETURN $1;
      END $$;
    CREATE TABLE mallory.schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL);
    INSERT INTO mallory.schema_migrations VALUES (2, false);
    CREATE INDEX ON mallory.schema_migrations ((version + mallory.trap(1))) WHERE mallory.trap(2) > 1;
    RESET ROLE";

const CAUGHT: &str = "SELECT is_called FROM mallory.caught";

#[test]
fn code_of_the_owner_of_a_table_runs_as_its_owner_when_the_table_is_read() {
    let db = database("foreign_code");
    let mut s = db.session();
    exec(&mut s, TRAP);
    register(
        &mut s,
        &[
            ("1_a.up.sql", "SELECT 1"),
            ("2_b.up.sql", "CREATE TABLE b ()"),
            ("2_b.down.sql", "DROP TABLE b"),
        ],
    );
    let calls = [
        "SELECT head FROM strata.migrate_detect()",
        "SELECT version FROM strata.migrate_adopt('auto', dry_run => true)",
        "SELECT verdict FROM strata.migrate_verify_down(check_rows => true)",
        "SELECT version FROM strata.migrate_adopt('auto')",
    ];
    for call in calls {
        // what one session has planned, its cache knows
        let mut fresh = db.session();
        assert_ne!(one(&mut fresh, call), "", "{call}");
        assert_eq!(one(&mut s, CAUGHT), "f", "{call}");
    }
    assert_eq!(states(&mut s), "1 applied, 2 applied");
    // the trap is one
    one(
        &mut db.session(),
        "SELECT count(*) FROM mallory.schema_migrations",
    );
    assert_eq!(one(&mut s, CAUGHT), "t");
}

#[test]
fn rows_that_a_policy_hides_do_not_count_as_reverted() {
    let db = database("foreign_policy");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE ROLE policy_runner LOGIN; GRANT CREATE ON DATABASE foreign_policy TO policy_runner; GRANT CREATE ON SCHEMA public TO policy_runner;
         CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL);
         GRANT ALL ON schema_migrations TO policy_runner",
    );
    let mut runner = db.session_as("policy_runner");
    register(
        &mut runner,
        &[("1_a.up.sql", "SELECT 1"), ("2_b.up.sql", "SELECT 2")],
    );
    one(
        &mut runner,
        "SELECT strata.migrate_mirror('golang-migrate')",
    );
    assert_eq!(run(&mut runner, "migrate_up()"), "1 applied, 2 applied");
    exec(
        &mut s,
        "ALTER TABLE schema_migrations ENABLE ROW LEVEL SECURITY",
    );
    for call in ["SELECT strata.migrate_up()", "CALL strata.migrate_deploy()"] {
        fails(
            &mut runner,
            call,
            "42501",
            &["row-level security", "schema_migrations"],
        );
        assert_eq!(states(&mut runner), "1 applied, 2 applied");
    }
    let note = "SELECT note FROM strata.migrate_detect()";
    assert!(one(&mut runner, note).contains("row-level security"));
    exec(
        &mut s,
        "ALTER TABLE schema_migrations DISABLE ROW LEVEL SECURITY; REVOKE ALL ON schema_migrations FROM policy_runner",
    );
    fails(
        &mut runner,
        "SELECT strata.migrate_up()",
        "42501",
        &["permission denied", "schema_migrations"],
    );
    assert!(one(&mut runner, note).contains("permission denied"));
}
