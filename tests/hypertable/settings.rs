//! What the catalog holds about a hypertable survives dump and restore and goes with the table.

use crate::common::{Cluster, Db, one};

#[test]
fn dropping_a_hypertable_takes_its_dimensions_along() {
    let cluster = Cluster::builder().start();
    let db = Db::new(&cluster, "settings");
    db.run(
        "CREATE TABLE t (ts timestamptz NOT NULL, device int);
         SELECT FROM strata.create_hypertable('t', strata.by_range('ts'));
         INSERT INTO strata.dimension (hypertable_id, column_name, number_partitions)
         SELECT id, 'device', 4 FROM strata.hypertable;
         DROP TABLE t",
    );
    let left =
        "SELECT (SELECT count(*) FROM strata.hypertable) + (SELECT count(*) FROM strata.dimension)
                + (SELECT count(*) FROM strata.chunk)";
    assert_eq!(one(&mut db.session(), left), "0");
}
