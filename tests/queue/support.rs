//! Servers that the tests of the queue share.

use crate::common::Cluster;
pub use crate::common::{Db, exec, one, rows};
use std::sync::OnceLock;

/// A server that has loaded the library at its start: hints are shared.
pub fn preloaded() -> &'static Cluster {
    static SERVER: OnceLock<Cluster> = OnceLock::new();
    SERVER.get_or_init(|| {
        Cluster::builder()
            .preload(true)
            .set("max_connections", "100")
            .set("max_prepared_transactions", "10")
            .set("max_worker_processes", "200")
            .start()
    })
}

/// A server that has not.
pub fn plain() -> &'static Cluster {
    static SERVER: OnceLock<Cluster> = OnceLock::new();
    SERVER.get_or_init(|| {
        Cluster::builder()
            .set("max_connections", "100")
            .set("max_prepared_transactions", "10")
            .set("max_worker_processes", "200")
            .start()
    })
}

/// A database with a queue `q`.
pub fn with_queue<'a>(server: &'a Cluster, name: &'a str) -> Db<'a> {
    let db = Db::new(server, name);
    db.run("SELECT strata.create_queue('q')");
    db
}
