//! Every form of dump and restore brings back the same hypertables; from PostgreSQL 15 to 18 where both are.

use crate::common::{Cluster, Db, fails, one, rows, succeeds};
use crate::life::{answers, grows, same, same_rows, source};
use std::path::Path;
use std::process::Command;

/// A program of the target's version that talks to a server, run as the server's user.
fn program(of: &Cluster, name: &str, to: &Cluster) -> Command {
    let mut command = of.program(name);
    command.env("PGHOST", to.socket()).env("PGUSER", "postgres");
    command
}

fn pg_dump(source: &Cluster, target: &Cluster, options: &[&str], file: &Path) {
    let mut command = program(target, "pg_dump", source);
    command.args(options).arg("-f").arg(file).arg("source");
    succeeds(&mut command);
}

fn psql(target: &Cluster, database: &str, file: &Path) {
    let mut command = program(target, "psql", target);
    command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-f"]);
    succeeds(command.arg(file));
}

fn pg_restore(target: &Cluster, database: &str, options: &[&str], file: &Path) {
    let mut command = program(target, "pg_restore", target);
    command
        .args(["--exit-on-error", "-d", database])
        .args(options);
    succeeds(command.arg(file));
}

const ROLES: &str = "CREATE ROLE keeper NOLOGIN; CREATE ROLE reader LOGIN";

#[test]
fn every_form_of_dump_and_restore_brings_back_the_same_hypertables() {
    let source = source(true);
    let wanted = answers(&Db {
        cluster: &source,
        name: "source",
    });
    let target = Cluster::builder().set("max_worker_processes", "16").start();
    target.psql("postgres", ROLES);
    let folder = target.sandbox().folder("dumps", 0o700);
    let check = |name: &str| {
        let db = Db {
            cluster: &target,
            name,
        };
        same(&answers(&db), &wanted, name);
    };
    let copy = |name: &'static str| Db {
        cluster: &target,
        name,
    };

    pg_dump(&source, &target, &[], &folder.join("plain"));
    target.create_database("plain");
    psql(&target, "plain", &folder.join("plain"));
    check("plain");
    grows(&copy("plain"), false);

    // rows go through the hypertable, and through our COPY where the library is loaded
    pg_dump(
        &source,
        &target,
        &["--load-via-partition-root"],
        &folder.join("root"),
    );
    for (name, library) in [("root", ""), ("root_loaded", "pg_strata")] {
        target.create_database(name);
        if !library.is_empty() {
            target.psql(
                "postgres",
                &format!("ALTER DATABASE {name} SET session_preload_libraries = '{library}'"),
            );
        }
        psql(&target, name, &folder.join("root"));
    }
    check("root");
    grows(&copy("root"), false);
    // the rows have opened closed chunks on their way
    same_rows(&answers(&copy("root_loaded")), &wanted, "root_loaded");

    pg_dump(
        &source,
        &target,
        &["--inserts", "--rows-per-insert=7"],
        &folder.join("inserts"),
    );
    target.create_database("inserts");
    psql(&target, "inserts", &folder.join("inserts"));
    check("inserts");

    pg_dump(&source, &target, &["-Fd", "-j2"], &folder.join("parallel"));
    target.create_database("parallel");
    pg_restore(&target, "parallel", &["-j2"], &folder.join("parallel"));
    check("parallel");
    grows(&copy("parallel"), false);

    pg_dump(&source, &target, &["-Fc"], &folder.join("custom"));
    target.create_database("sections");
    for section in [
        "--section=pre-data",
        "--section=data",
        "--section=post-data",
    ] {
        pg_restore(&target, "sections", &[section], &folder.join("custom"));
    }
    check("sections");
    // over itself: everything is dropped first, but for what PostgreSQL cannot drop by itself in any dump
    // of a partitioned table with a key
    let mut again = program(&target, "pg_restore", &target);
    again.args(["--clean", "--if-exists", "-d", "sections"]);
    let output = again.arg(folder.join("custom")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let errors = said.lines().filter(|line| line.contains("error:"));
    let ours: Vec<&str> = errors
        .filter(|line| !line.contains("cannot drop inherited constraint"))
        .collect();
    assert!(ours.is_empty(), "{ours:?}");
    check("sections");
    grows(&copy("sections"), false);
}

#[test]
fn a_dump_of_the_whole_server_brings_back_roles_and_clients() {
    let source = source(true);
    let wanted = answers(&Db {
        cluster: &source,
        name: "source",
    });
    let target = Cluster::builder().set("max_worker_processes", "16").start();
    let file = target.sandbox().folder("dumps", 0o700).join("all");
    let mut command = program(&target, "pg_dumpall", &source);
    succeeds(command.arg("-f").arg(&file));
    // the role that runs it is there already
    let output = target.psql_with("postgres", &[], &std::fs::read_to_string(&file).unwrap());
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let errors: Vec<&str> = errors
        .lines()
        .filter(|l| l.contains("ERROR") && !l.contains("role \"postgres\" already exists"))
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let db = Db {
        cluster: &target,
        name: "source",
    };
    same(&answers(&db), &wanted, "pg_dumpall");
    grows(&db, true);
}

#[test]
fn a_dump_of_one_hypertable_needs_no_extension() {
    let source = source(true);
    let target = Cluster::builder().start();
    target.psql("postgres", ROLES);
    let folder = target.sandbox().folder("dumps", 0o700);
    let mut here = source.client("source");
    let content = "SELECT md5(string_agg(z::text, ',' ORDER BY z.id)), count(*) FROM z";
    let bounds = "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                  WHERE i.inhparent = 'z'::regclass ORDER BY 1";
    let mut forms = vec![("chosen", vec!["-t", "z", "-t", "strata_chunks.z_h5_*"])];
    if target.postgres().major >= 16 {
        forms.push(("children", vec!["--table-and-children=z"]));
    }
    for (name, options) in forms {
        pg_dump(&source, &target, &options, &folder.join(name));
        target.create_database(name);
        target.psql(
            name,
            "CREATE SCHEMA strata_chunks; GRANT USAGE ON SCHEMA strata_chunks TO PUBLIC",
        );
        psql(&target, name, &folder.join(name));
        let mut there = target.client(name);
        for sql in [content, bounds] {
            assert_eq!(rows(&mut there, sql), rows(&mut here, sql), "{name}: {sql}");
        }
        // readable and writable, without us; a closed chunk keeps its CHECK
        let late = "INSERT INTO z (ts, n) VALUES ('2024-02-02 00:00+00', 120) RETURNING n";
        assert_eq!(one(&mut there, &late.replace("120", "63")), "63");
        fails(&mut there, late, "23514", &["strata_zone"]);
        let leaves = "DELETE FROM z WHERE n = 60 RETURNING n";
        assert_eq!(one(&mut there, leaves), "60");
        // taken up by an extension that comes later
        let db = Db {
            cluster: &target,
            name,
        };
        db.run("CREATE EXTENSION pg_strata; SELECT FROM strata.create_hypertable('z', strata.by_range('ts', INTERVAL '1 week'), if_not_exists => true);
                SELECT count(*) FROM strata.premake_chunks('z', '2024-04-01 00:00+00', '2024-05-01 00:00+00')");
        assert_eq!(one(&mut there, late), "120");
    }
}

#[test]
fn without_the_extension_late_rows_are_ordinary_rows() {
    let cluster = source(false);
    let db = Db {
        cluster: &cluster,
        name: "source",
    };
    let content = "SELECT md5(string_agg(z::text, ',' ORDER BY z.id)), count(*) FROM z";
    let before = db.one(content);
    db.run("BEGIN; DROP EXTENSION pg_strata; ROLLBACK");
    assert_eq!(
        db.one("SELECT count(*) FROM strata.chunks WHERE state = 'closed'"),
        "7"
    );
    db.run("DROP EXTENSION pg_strata");
    let mut session = db.session();
    assert_eq!(one(&mut session, content), before);
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM pg_constraint WHERE conname = 'strata_zone'"
        ),
        "0"
    );
    let late = "INSERT INTO z (ts, n) VALUES ('2024-02-02 00:00+00', 120) RETURNING n";
    assert_eq!(one(&mut session, late), "120");
    // a frozen chunk is frozen by what PostgreSQL has
    fails(
        &mut session,
        "DELETE FROM z WHERE n = 30",
        "22P02",
        &["frozen"],
    );
    db.run("CREATE EXTENSION pg_strata; SELECT FROM strata.create_hypertable('z', strata.by_range('ts', INTERVAL '1 week'), if_not_exists => true)");
    assert_eq!(one(&mut session, "SELECT count(*) FROM z"), "101");
}
