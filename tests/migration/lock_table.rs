//! A run that leaves little of the server's table of locks.

use crate::common::{Cluster, Db, PgConfig, Stop};
use crate::support::{one, register, run};

fn tables(prefix: &str, n: usize) -> String {
    (0..n)
        .map(|i| format!("CREATE TABLE {prefix}{i} (x int);\n"))
        .collect()
}

#[test]
fn more_than_half_of_the_table_of_locks_is_told() {
    let mut server = Cluster::builder().start();
    for name in ["lock_table", "lock_table_files"] {
        Db::new(&server, name);
    }
    // 10 for each of 32 sessions and processes; an extension takes more to be made
    let mut settings = vec![
        ("max_locks_per_transaction", "10"),
        ("max_connections", "10"),
        ("max_worker_processes", "8"),
        ("max_wal_senders", "10"),
    ];
    if PgConfig::get().major >= 18 {
        settings.push(("autovacuum_worker_slots", "3"));
    }
    server.configure(&settings);
    server.restart(Stop::Fast);
    let db = |name| Db {
        cluster: &server,
        name,
    };
    let mut s = db("lock_table").session();
    register(
        &mut s,
        &[
            ("1_few.up.sql", &tables("few", 10)),
            ("2_half.up.sql", &tables("half", 50)),
            ("3_more.up.sql", &tables("more", 50)),
            ("4_many.up.sql", &tables("many", 100)),
        ],
    );
    let told = |call: &str| {
        let output = server.psql_with("lock_table", &[], call);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        said
    };
    let said = told("SELECT strata.migrate_up(steps => 1)");
    assert!(!said.contains("WARNING"), "{said}");
    let said = told("SELECT strata.migrate_up(steps => 2)");
    let warning = "WARNING:  more than half of the table of locks is used: ";
    assert!(said.contains(warning), "{said}");
    assert!(
        said.contains("max_locks_per_transaction, which is 10, to 1"),
        "{said}"
    );
    assert!(said.contains("CALL strata.migrate_deploy()"), "{said}");
    // the procedure gives them back after each file, which may still be too many
    let said = told("CALL strata.migrate_deploy()");
    assert!(said.contains(warning), "{said}");
    assert!(!said.contains("gives the locks back"), "{said}");
    assert_eq!(one(&mut s, "SELECT strata.migrate_version()"), "4");
    assert_eq!(run(&mut s, "migrate_up()"), "");
    let said = told("SELECT strata.migrate_up()");
    assert!(!said.contains("WARNING"), "{said}");
    // file by file, the same tables are no matter
    let mut s = db("lock_table_files").session();
    register(
        &mut s,
        &[
            ("2_half.up.sql", &tables("half", 50)),
            ("3_more.up.sql", &tables("more", 50)),
        ],
    );
    let output = server.psql_with("lock_table_files", &[], "CALL strata.migrate_deploy()");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("applied 3_more.up.sql") && !said.contains("WARNING"),
        "{said}"
    );
}
