//! Making room: DROP, RENAME, SET TABLESPACE and copies of a database want nobody connected to it.
//!
//! The server waits five seconds for others and ends only autovacuum. So before it looks, the command
//! takes the lock that it will take anyway, which keeps our next worker from connecting, and ends the
//! present ones. They come back by the launcher when the command is over, or failed.

use super::catalog;
use crate::error::Result;
use crate::pg::bgworker::my_database;
use crate::pg::databases::{Barring, in_recovery, lock};
use crate::pg::owner::UserScope;
use pgrx::pg_sys::{BOOTSTRAP_SUPERUSERID, Oid};

/// Makes room for a command that nobody may be connected for. Whoever may not run it changes nothing.
pub fn before_change(name: &str) {
    make_room(catalog::changeable(name), Barring::Everything, false);
}

/// Makes room for CREATE DATABASE with this template.
pub fn before_copy(template: &str) {
    make_room(catalog::copyable(template), Barring::Connections, true);
}

/// The command itself reports what is wrong with it: here an error only means that nothing is done.
fn make_room(database: Result<Option<Oid>>, barring: Barring, of_this_one: bool) {
    let Ok(Some(database)) = database else {
        return;
    };
    if in_recovery() || (database == my_database() && !of_this_one) {
        return;
    }
    lock(database, barring);
    let _superuser = UserScope::local(Oid::from(BOOTSTRAP_SUPERUSERID));
    if let Err(error) = catalog::terminate(database) {
        super::log_failure("asking background workers to leave", error.into());
    }
}
