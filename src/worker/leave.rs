//! Making room: DROP, RENAME, SET TABLESPACE and copies of a database want nobody connected to it.
//!
//! The server waits five seconds for others and ends only autovacuum. So before it looks, the command
//! takes the lock that it will take anyway, which keeps our next worker from connecting, and ends the
//! present ones. They come back by the launcher when the command is over, or failed.
//!
//! Where the library is not preloaded, the session that runs the command may never have loaded it: there our
//! processes look by themselves, see [`gives_way`].

use super::catalog;
use crate::error::Result;
use crate::pg::bgworker::my_database;
use crate::pg::bgworker::transaction;
use crate::pg::databases::{Barring, in_recovery, is_wanted_alone, lock};
use crate::pg::owner::UserScope;
use crate::pg::shmem;
use pgrx::pg_sys::{BOOTSTRAP_SUPERUSERID, Oid};
use std::time::Duration;

/// How often a process of ours looks whether it is in somebody's way, at least.
pub const LOOK: Duration = Duration::from_secs(1);

/// True for a process of ours that is to leave, since somebody waits until nobody is connected to this database and
/// cannot tell us. Outside of a transaction.
pub fn gives_way() -> bool {
    let wanted = || Ok(is_wanted_alone(my_database()));
    !shmem::available() && matches!(transaction(wanted), Ok(true))
}

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
