//! Statements of migration files are guests in a session: what the session has prepared, its cursors and what it listens
//! to are none of theirs. Their names are easy to guess, and whoever could put another one in the place of a prepared
//! statement or cursor would have the session run what he likes, with its rights.

use super::leftovers::{self, Known};
use super::session;
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString};
use std::rc::Rc;

thread_local! {
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
    static KNOWN: RefCell<Option<Rc<Known>>> = const { RefCell::new(None) };
}

/// A cursor that cannot be used meanwhile.
struct Hidden {
    name: CString,
    status: pg_sys::PortalStatus::Type,
    active: pg_sys::SubTransactionId,
}

/// While alive, statements of files are run. Must end before the transaction, or any that holds it, ends.
pub struct Guest {
    hidden: Vec<Hidden>,
    outer: Option<Rc<Known>>,
}

impl Guest {
    #[must_use]
    pub fn begin(known: &Rc<Known>) -> Guest {
        let hidden = known.cursors.iter().filter_map(|name| hide(name)).collect();
        ACTIVE.set(true);
        Guest {
            hidden,
            outer: KNOWN.replace(Some(Rc::clone(known))),
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        ACTIVE.set(self.outer.is_some());
        KNOWN.replace(self.outer.take());
        for hidden in self.hidden.drain(..) {
            // SAFETY: NUL terminated; a portal that is there is the one that was hidden: it could not be dropped
            unsafe {
                let portal = pg_sys::GetPortalByName(hidden.name.as_ptr());
                if !portal.is_null() {
                    (*portal).status = hidden.status;
                    (*portal).activeSubid = hidden.active;
                }
            }
        }
    }
}

/// A portal that counts as active is neither run nor dropped, and CLOSE ALL leaves it (portalmem.c, pquery.c). Of no
/// subtransaction: the end of one of this number must not take it for its own (AtSubAbort_Portals).
fn hide(name: &str) -> Option<Hidden> {
    let name = CString::new(name).ok()?;
    // SAFETY: NUL terminated; plain fields of a portal that is not being run
    unsafe {
        let portal = pg_sys::GetPortalByName(name.as_ptr());
        if portal.is_null() || (*portal).status == pg_sys::PortalStatus::PORTAL_ACTIVE {
            return None;
        }
        let hidden = Hidden {
            name,
            status: (*portal).status,
            active: (*portal).activeSubid,
        };
        (*portal).status = pg_sys::PortalStatus::PORTAL_ACTIVE;
        (*portal).activeSubid = 0;
        Some(hidden)
    }
}

/// True while statements of files are run.
#[must_use]
pub fn is_active() -> bool {
    ACTIVE.get()
}

/// What a guest may not do as it is written; true where nothing is left to be done.
///
/// # Safety
/// A utility statement that is about to be run.
#[pg_guard]
pub unsafe extern "C-unwind" fn utility(statement: *mut pg_sys::PlannedStmt) -> bool {
    let Some(known) = KNOWN.with_borrow(Clone::clone) else {
        return false;
    };
    // SAFETY: as promised
    match unsafe { instead(&known, (*statement).utilityStmt) } {
        Ok(done) => done,
        Err(error) => {
            ErrorReport::from(error).report(PgLogLevel::ERROR);
            true
        }
    }
}

unsafe fn instead(known: &Known, node: *mut pg_sys::Node) -> Result<bool> {
    use pg_sys::NodeTag;
    // SAFETY: a node of the type that its tag says
    unsafe {
        match (*node).type_ {
            NodeTag::T_PrepareStmt => {
                let name = text((*node.cast::<pg_sys::PrepareStmt>()).name);
                known.made.borrow_mut().extend(name);
            }
            NodeTag::T_DeallocateStmt => {
                match text((*node.cast::<pg_sys::DeallocateStmt>()).name) {
                    None => {
                        known.drop_prepared();
                        return Ok(true);
                    }
                    Some(name) => known.refuse_prepared(&name)?,
                }
            }
            NodeTag::T_DiscardStmt => {
                let target = (*node.cast::<pg_sys::DiscardStmt>()).target;
                if target == pg_sys::DiscardMode::DISCARD_TEMP {
                    leftovers::drop_temporary(known)?;
                    return Ok(true);
                }
            }
            NodeTag::T_ListenStmt | NodeTag::T_UnlistenStmt => {
                let text = "a migration has no session that could listen: LISTEN and UNLISTEN are left out";
                session::notice(text, None);
                return Ok(true);
            }
            _ => {}
        }
    }
    Ok(false)
}

unsafe fn text(name: *const std::ffi::c_char) -> Option<String> {
    if name.is_null() {
        return None;
    }
    // SAFETY: NUL terminated, as names of the parser are
    let name = unsafe { CStr::from_ptr(name) };
    Some(name.to_string_lossy().into_owned())
}

impl Known {
    /// 55000 for a prepared statement that is the session's.
    pub fn refuse_prepared(&self, name: &str) -> Result<()> {
        if !self.prepared.contains(name) {
            return Ok(());
        }
        let text = format!("prepared statement \"{name}\" is not one of this migration");
        Err(Error::new(Kind::NotInState, text))
    }
}
