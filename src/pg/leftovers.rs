//! What statements leave in a session: prepared statements, cursors, temporary objects, advisory locks.

use super::advisory::Advisory;
use super::guest::Guest;
use super::owner::as_extension_owner;
use super::spi;
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::ffi::CString;
use std::rc::Rc;

const PREPARED: &str = "SELECT name FROM pg_prepared_statements";
const CURSORS: &str = "SELECT name FROM pg_cursors";
const TEMPORARY: &str = "SELECT classid, objid FROM pg_depend \
    WHERE refclassid = 'pg_namespace'::regclass AND refobjid = $1 AND deptype = 'n'";

/// A row of pg_depend: catalog and object.
type Object = (u32, u32);

/// What a session had at one moment, and what statements of files have prepared since.
#[derive(Debug, Default)]
pub struct Known {
    pub(super) prepared: HashSet<String>,
    pub(super) cursors: HashSet<String>,
    temporary: HashSet<Object>,
    pub(super) made: RefCell<Vec<String>>,
}

/// What was there at one moment. The end of it, also by an error, takes prepared statements and locks that came since.
#[derive(Debug)]
pub struct Leftovers {
    known: Rc<Known>,
    locks: Advisory,
    /// the locks are as they were
    settled: Cell<bool>,
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        self.known.drop_prepared();
        if !self.settled.get() {
            if std::thread::panicking() {
                // SAFETY: an error of the server is on its way, whose handlers do the same; it may hold some of those
                // that are needed here
                unsafe { pg_sys::LWLockReleaseAll() }
            }
            self.locks.release_others();
        }
    }
}

fn names(query: &'static str) -> Result<Vec<String>> {
    as_extension_owner(|| spi::read_kept(query, &[], |r| r.need(1)))
}

/// The schema of temporary objects of this session, if it has made one.
fn temporary_schema() -> Option<pg_sys::Oid> {
    let (mut schema, mut toast) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
    // SAFETY: two out pointers
    unsafe { pg_sys::GetTempNamespaceState(&mut schema, &mut toast) };
    (schema != pg_sys::InvalidOid).then_some(schema)
}

fn temporary() -> Result<Vec<Object>> {
    let Some(schema) = temporary_schema() else {
        return Ok(Vec::new());
    };
    as_extension_owner(|| {
        spi::read_kept(TEMPORARY, &[schema.into()], |r| {
            let (class, object): (pg_sys::Oid, pg_sys::Oid) = (r.need(1)?, r.need(2)?);
            Ok((class.to_u32(), object.to_u32()))
        })
    })
}

impl Known {
    /// Forgets prepared statements of files.
    pub fn drop_prepared(&self) {
        for name in self.made.take() {
            let Ok(made) = CString::new(name.as_str()) else {
                continue;
            };
            if !self.prepared.contains(&name) {
                // SAFETY: NUL terminated; false: one that is not there is no error
                unsafe { pg_sys::DropPreparedStatement(made.as_ptr(), false) }
            }
        }
    }
}

impl Leftovers {
    pub fn now() -> Result<Leftovers> {
        Ok(Leftovers {
            known: Rc::new(Known {
                prepared: names(PREPARED)?.into_iter().collect(),
                cursors: names(CURSORS)?.into_iter().collect(),
                temporary: temporary()?.into_iter().collect(),
                made: RefCell::default(),
            }),
            locks: Advisory::now(),
            settled: Cell::new(false),
        })
    }

    /// While it is alive, statements of files are run, which can touch nothing of this.
    #[must_use]
    pub fn guest(&self) -> Guest {
        Guest::begin(&self.known)
    }

    /// Forgets prepared statements of files.
    pub fn drop_prepared(&self) {
        self.known.drop_prepared();
    }

    /// 55000 for a prepared statement that was there.
    pub fn refuse_prepared(&self, name: &str) -> Result<()> {
        self.known.refuse_prepared(name)
    }

    /// Advisory locks that were taken since are given back, those that were given back are taken again. 55000 where
    /// somebody else has one of these now.
    pub fn restore_locks(&self) -> Result<()> {
        self.locks.release_others();
        if !self.locks.take_again() {
            let text = "a migration has given back an advisory lock of its caller";
            return Err(Error::new(Kind::NotInState, text).hint(
                "Let files give back the advisory locks that they take, and no others: no pg_advisory_unlock_all().",
            ));
        }
        Ok(())
    }

    /// The same at the end of all files.
    pub fn settle(&self) -> Result<()> {
        self.restore_locks()?;
        self.settled.set(true);
        Ok(())
    }

    /// Closes cursors that were not there, also those that would outlive the transaction.
    pub fn close_cursors(&self) -> Result<()> {
        for name in names(CURSORS)? {
            let Ok(cursor) = CString::new(name.as_str()) else {
                continue;
            };
            // SAFETY: NUL terminated; a portal that is not being run: its statement has ended, and the portal of the
            // caller's own statement was there before
            unsafe {
                let portal = pg_sys::GetPortalByName(cursor.as_ptr());
                if !portal.is_null() && !self.known.cursors.contains(&name) {
                    pg_sys::PortalDrop(portal, false);
                }
            }
        }
        Ok(())
    }

    /// Drops temporary objects that were not there, whoever owns them, with all that depends on them.
    pub fn drop_temporary(&self) -> Result<()> {
        drop_temporary(&self.known)
    }

    /// All three.
    pub fn restore(&self) -> Result<()> {
        self.close_cursors()?;
        self.drop_prepared();
        self.drop_temporary()
    }
}

/// As [`Leftovers::drop_temporary`].
pub(super) fn drop_temporary(known: &Known) -> Result<()> {
    let made = temporary()?;
    let made: Vec<_> = made
        .iter()
        .filter(|object| !known.temporary.contains(object))
        .collect();
    if made.is_empty() {
        return Ok(());
    }
    // SAFETY: addresses of objects that exist, in a list of the server's; the flags are those with which a session
    // drops them at its end (namespace.c, RemoveTempRelations)
    unsafe {
        let list = pg_sys::new_object_addresses();
        for (class, object) in made {
            let address = pg_sys::ObjectAddress {
                classId: pg_sys::Oid::from(*class),
                objectId: pg_sys::Oid::from(*object),
                objectSubId: 0,
            };
            pg_sys::add_exact_object_address(&address, list);
        }
        let flags = pg_sys::PERFORM_DELETION_INTERNAL
            | pg_sys::PERFORM_DELETION_QUIETLY
            | pg_sys::PERFORM_DELETION_SKIP_EXTENSIONS;
        let cascade = pg_sys::DropBehavior::DROP_CASCADE;
        pg_sys::performMultipleDeletions(list, cascade, flags as i32);
        pg_sys::free_object_addresses(list);
    }
    super::catalog::command_counter_increment();
    Ok(())
}
