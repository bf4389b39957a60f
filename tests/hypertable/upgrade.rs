//! pg_upgrade to the tested PostgreSQL from an older one: hypertables, their settings, cold chunks.

use crate::common::{Cluster, Db, PgConfig, Stop, exec, one, rows, succeeds, try_one};
use crate::life::{answers, grows, same, source, unmark};

const COLD: &str = "
    CREATE TABLE m (gone int, id bigint, ts timestamptz NOT NULL, val float8, PRIMARY KEY (id, ts));
    INSERT INTO m SELECT 1, g, '2025-01-01 00:00+00'::timestamptz + g * interval '1 hour', g / 4.0 FROM generate_series(0, 2159) g;
    SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true);
    ALTER TABLE m DROP COLUMN gone; CREATE INDEX ON m (val);
    CREATE TABLE child (n int, id bigint, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES m (id, ts));
    INSERT INTO child SELECT 1, id, ts FROM m WHERE id = 5;
    CALL strata.tier_chunks('m', older_than => timestamptz '2025-03-01 00:00+00');
    ALTER TABLE m ADD COLUMN extra numeric DEFAULT 1.10";

const HASH: &str = "SELECT md5(string_agg(m::text, ',' ORDER BY id)) || ' ' || count(*) FROM m";

#[test]
fn pg_upgrade_keeps_hypertables_and_cold_chunks() {
    let Some(older) = PgConfig::older() else {
        return;
    };
    let mut old = source(true);
    assert_eq!(old.postgres().program, older.program);
    let (wanted, hash) = {
        let db = Db {
            cluster: &old,
            name: "source",
        };
        let wanted = answers(&db);
        db.cluster.create_database("cold");
        let cold = Db {
            cluster: &old,
            name: "cold",
        };
        cold.run("CREATE EXTENSION pg_strata");
        cold.run(COLD);
        assert_eq!(
            cold.one("SELECT count(*) FROM strata.chunks WHERE state = 'cold'"),
            "2"
        );
        unmark(&cold);
        (wanted, cold.one(HASH))
    };
    old.stop(Stop::Fast);

    let mut new = Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "32")
        .create();
    let folder = new.sandbox().folder("upgrade", 0o700);
    let mut upgrade = new.program("pg_upgrade");
    upgrade
        .current_dir(&folder)
        .args([
            "--username=postgres",
            "--no-sync",
            "--jobs=2",
            "--socketdir",
        ])
        .arg(&folder)
        .arg("--old-bindir")
        .arg(&older.bin)
        .arg("--new-bindir")
        .arg(&new.postgres().bin)
        .arg("--old-datadir")
        .arg(old.data())
        .arg("--new-datadir")
        .arg(new.data());
    succeeds(&mut upgrade);
    new.start();

    let db = Db {
        cluster: &new,
        name: "source",
    };
    same(&answers(&db), &wanted, "pg_upgrade");
    grows(&db, true);
    // no job of a copy runs before somebody says so
    assert_eq!(
        db.one("SELECT active FROM strata.jobs WHERE application_name = 'Tick'"),
        "f"
    );
    db.run("SELECT strata.start_workers()");
    assert_eq!(db.one("SELECT bool_and(active) FROM strata.jobs"), "t");

    // the built-in store lies in the data directory: an error until it is copied, never fewer rows
    let cold = Db {
        cluster: &new,
        name: "cold",
    };
    let mut session = cold.session();
    let error = try_one(&mut session, HASH).unwrap_err();
    assert!(
        error.as_db_error().unwrap().message().contains("m_h1_2025"),
        "{error:?}"
    );
    succeeds(
        new.program("/bin/cp")
            .arg("-a")
            .arg(old.data().join("strata_cold"))
            .arg(new.data()),
    );
    assert_eq!(one(&mut session, HASH), hash);
    assert_eq!(
        rows(
            &mut session,
            "SELECT state, count(*) FROM strata.chunks WHERE state = 'cold' GROUP BY 1"
        ),
        "cold|2"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM strata.cold_check(deep => true) WHERE status = 'ok'"
        ),
        "2"
    );
    cold.run("INSERT INTO m VALUES (9000, '2026-01-01 00:00+00', 1); DELETE FROM m WHERE id = 9000; VACUUM ANALYZE; VACUUM (FREEZE) m");
    assert_eq!(
        one(
            &mut session,
            "INSERT INTO child VALUES (2, 6, '2025-01-01 06:00+00') RETURNING id"
        ),
        "6"
    );
    // all ways on: the next chunk goes cold, an old one comes back, a dump, the way out
    exec(
        &mut session,
        "CALL strata.tier_chunks('m', older_than => timestamptz '2025-04-01 00:00+00')",
    );
    assert_eq!(one(&mut session, HASH), hash);
    new.dump_into("cold", &new, "cold_copy");
    assert_eq!(
        Db {
            cluster: &new,
            name: "cold_copy"
        }
        .one(HASH),
        hash
    );
    exec(&mut session, "CALL strata.untier_chunks('m')");
    assert_eq!(one(&mut session, HASH), hash);
    exec(&mut session, "DROP EXTENSION pg_strata");
    assert_eq!(one(&mut session, HASH), hash);
}
