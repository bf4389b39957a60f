//! What differs between versions of PostgreSQL in raw parse trees.

use pgrx::pg_sys;
use std::ffi::c_void;

/// What [`raw_walk`] calls with each child; true ends the walk.
pub type Walker = unsafe extern "C-unwind" fn(*mut pg_sys::Node, *mut c_void) -> bool;

/// Calls `walker` with each child of a raw node.
///
/// # Safety
/// A node of the parser; `context` is what `walker` takes.
#[cfg(feature = "pg15")]
#[allow(ffi_unwind_calls, reason = "an error stops at the boundary")]
pub unsafe fn raw_walk(node: *mut pg_sys::Node, walker: Walker, context: *mut c_void) -> bool {
    unsafe extern "C-unwind" {
        /// nodes/nodeFuncs.h
        fn raw_expression_tree_walker(
            node: *mut pg_sys::Node,
            walker: Walker,
            context: *mut c_void,
        ) -> bool;
    }
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::ffi::pg_guard_ffi_boundary(|| raw_expression_tree_walker(node, walker, context))
    }
}

/// Calls `walker` with each child of a raw node.
///
/// # Safety
/// A node of the parser; `context` is what `walker` takes.
#[cfg(not(feature = "pg15"))]
pub unsafe fn raw_walk(node: *mut pg_sys::Node, walker: Walker, context: *mut c_void) -> bool {
    // SAFETY: promised by the caller
    unsafe { pg_sys::raw_expression_tree_walker_impl(node, Some(walker), context) }
}

/// Whether a generated column of the parser is computed when it is read.
///
/// # Safety
/// A Constraint of the parser of type CONSTR_GENERATED.
#[cfg(feature = "pg18")]
pub unsafe fn is_virtual(constraint: *const pg_sys::Constraint) -> bool {
    // SAFETY: promised by the caller
    unsafe { (*constraint).generated_kind as u8 == pg_sys::ATTRIBUTE_GENERATED_VIRTUAL }
}

/// Whether a generated column of the parser is computed when it is read: never before 18.
///
/// # Safety
/// None.
#[cfg(not(feature = "pg18"))]
pub unsafe fn is_virtual(_: *const pg_sys::Constraint) -> bool {
    false
}

/// Whether a GRANT or REVOKE of a role speaks of an option, as ADMIN is one.
///
/// # Safety
/// A GrantRoleStmt of the parser.
pub unsafe fn has_options(stmt: *const pg_sys::GrantRoleStmt) -> bool {
    // SAFETY: promised by the caller
    unsafe {
        #[cfg(feature = "pg15")]
        return (*stmt).admin_opt;
        #[cfg(not(feature = "pg15"))]
        return !(*stmt).opt.is_null();
    }
}

/// The constraint that ALTER CONSTRAINT names.
///
/// # Safety
/// `def` of an AlterTableCmd of type AT_AlterConstraint.
#[cfg(feature = "pg18")]
pub unsafe fn altered_constraint(def: *const pg_sys::Node) -> *const std::ffi::c_char {
    // SAFETY: promised by the caller
    unsafe { (*def.cast::<pg_sys::ATAlterConstraint>()).conname }
}

/// The constraint that ALTER CONSTRAINT names.
///
/// # Safety
/// `def` of an AlterTableCmd of type AT_AlterConstraint.
#[cfg(not(feature = "pg18"))]
pub unsafe fn altered_constraint(def: *const pg_sys::Node) -> *const std::ffi::c_char {
    // SAFETY: promised by the caller
    unsafe { (*def.cast::<pg_sys::Constraint>()).conname }
}

/// True for ALTER COLUMN SET EXPRESSION, which 17 has first.
#[must_use]
pub fn sets_expression(command: pg_sys::AlterTableType::Type) -> bool {
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    {
        command == pg_sys::AlterTableType::AT_SetExpression
    }
    #[cfg(not(any(feature = "pg17", feature = "pg18")))]
    {
        let _ = command;
        false
    }
}

/// Reads the name of a type with its modifiers; `None` if there is no such type.
///
/// # Safety
/// A NUL terminated string, in a transaction.
pub unsafe fn type_of_text(text: *const std::ffi::c_char) -> Option<(pg_sys::Oid, i32)> {
    let (mut oid, mut modifier) = (pg_sys::InvalidOid, -1);
    // SAFETY: promised by the caller; both places live on this stack
    unsafe {
        #[cfg(feature = "pg15")]
        pg_sys::parseTypeString(text, &raw mut oid, &raw mut modifier, true);
        #[cfg(not(feature = "pg15"))]
        pg_sys::parseTypeString(text, &raw mut oid, &raw mut modifier, std::ptr::null_mut());
    }
    (oid != pg_sys::InvalidOid).then_some((oid, modifier))
}

/// True for an UPDATE with RETURNING, which 18 keeps in a clause of its own.
///
/// # Safety
/// An UPDATE of the parser.
pub unsafe fn returns(update: *mut pg_sys::UpdateStmt) -> bool {
    // SAFETY: promised by the caller
    unsafe {
        #[cfg(feature = "pg18")]
        return !(*update).returningClause.is_null();
        #[cfg(not(feature = "pg18"))]
        return !(*update).returningList.is_null();
    }
}
