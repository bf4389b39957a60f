//! Event triggers on ALTER TABLE, run for every chunk that is attached: they look at the command first, and
//! ask the catalog only after one that can concern them.

use super::cold_state::{catalog, raise};
use super::list;
use pgrx::pg_sys::AlterTableType as Type;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use pgrx::{pg_guard, pg_sys};
use std::ffi::CStr;

/// Declares an event trigger function that runs another one of the schema after commands of interest.
macro_rules! watch {
    ($name:ident, $info:ident, $then:expr $(, $check:expr)?) => {
        #[unsafe(no_mangle)]
        #[pg_guard]
        unsafe extern "C-unwind" fn $name(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: called by the event trigger machinery with its own data
            unsafe {
                if !is_harmless(call) {
                    pass_on(call, $then);
                    $(check(call, $check);)?
                }
            }
            pg_sys::Datum::null()
        }

        /// Calling convention of the trigger function (fmgr.h).
        #[unsafe(no_mangle)]
        extern "C" fn $info() -> &'static pg_sys::Pg_finfo_record {
            static CONVENTION: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
            &CONVENTION
        }
    };
}

watch!(
    strata_hypertable_altered,
    pg_finfo_strata_hypertable_altered,
    c"_hypertable_altered_now"
);
watch!(
    strata_cold_before_alter,
    pg_finfo_strata_cold_before_alter,
    c"_cold_before_alter_now"
);
watch!(
    strata_cold_after_alter,
    pg_finfo_strata_cold_after_alter,
    c"_cold_after_alter_now",
    Type::AT_AlterColumnType
);

/// True for a command that leaves the columns of all tables, their NOT NULLs, and the owners of partitioned
/// tables as they are.
unsafe fn is_harmless(call: pg_sys::FunctionCallInfo) -> bool {
    // SAFETY: the parse tree of the running command, tagged
    unsafe {
        let Some(alter) = alter_table(call) else {
            return false;
        };
        list::pointers::<pg_sys::AlterTableCmd>((*alter).cmds).all(|cmd| match (*cmd).subtype {
            Type::AT_AttachPartition
            | Type::AT_SetStatistics
            | Type::AT_SetOptions
            | Type::AT_EnableRowSecurity
            | Type::AT_ReplicaIdentity
            | Type::AT_AddConstraint => true,
            Type::AT_ChangeOwner => is_plain_table((*alter).relation),
            _ => false,
        })
    }
}

/// The ALTER TABLE that the trigger was called for; `None` for other commands, such as RENAME.
unsafe fn alter_table(call: pg_sys::FunctionCallInfo) -> Option<*mut pg_sys::AlterTableStmt> {
    // SAFETY: the parse tree of the running command, tagged
    unsafe {
        let context = (*call).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_EventTriggerData {
            return None;
        }
        let tree = (*context.cast::<pg_sys::EventTriggerData>()).parsetree;
        let is_alter = !tree.is_null() && (*tree).type_ == pg_sys::NodeTag::T_AlterTableStmt;
        is_alter.then_some(tree.cast())
    }
}

/// After a command that gives a column another type: files hold its values in the old form.
unsafe fn check(call: pg_sys::FunctionCallInfo, kind: Type::Type) {
    // SAFETY: promised by the caller
    let retypes = unsafe {
        alter_table(call).is_some_and(|alter| {
            list::pointers::<pg_sys::AlterTableCmd>((*alter).cmds).any(|cmd| (*cmd).subtype == kind)
        })
    };
    if retypes && let Err(e) = (catalog().retyped)() {
        raise(e);
    }
}

unsafe fn is_plain_table(relation: *mut pg_sys::RangeVar) -> bool {
    // SAFETY: a look-up by the names of the command; a missing relation has no kind
    unsafe {
        let oid = pg_sys::RangeVarGetRelidExtended(
            relation,
            pg_sys::NoLock as pg_sys::LOCKMODE,
            pg_sys::RVROption::RVR_MISSING_OK,
            None,
            std::ptr::null_mut(),
        );
        pg_sys::get_rel_relkind(oid) as u8 == pg_sys::RELKIND_RELATION
    }
}

/// Calls a function of our schema as the event trigger that this one was called as.
unsafe fn pass_on(call: pg_sys::FunctionCallInfo, name: &CStr) {
    // SAFETY: the names are constants; the function takes no arguments and the context of the call
    unsafe {
        // not by the parser's rules: the user may lack USAGE on the schema
        let function = pg_sys::GetSysCacheOid(
            pg_sys::SysCacheIdentifier::PROCNAMEARGSNSP as i32,
            pg_sys::Anum_pg_proc_oid as pg_sys::AttrNumber,
            pg_sys::Datum::from(name.as_ptr()),
            pg_sys::Datum::from(pg_sys::buildoidvector(std::ptr::null(), 0)),
            pg_sys::Datum::from(pg_sys::get_namespace_oid(c"strata".as_ptr(), true)),
            pg_sys::Datum::from(0),
        );
        let mut info = pg_sys::FmgrInfo::default();
        pg_sys::fmgr_info(function, &mut info);
        let mut inner = pg_sys::FunctionCallInfoBaseData {
            flinfo: &mut info,
            context: (*call).context,
            ..Default::default()
        };
        let (run, inner) = (info.fn_addr, &raw mut inner);
        #[allow(ffi_unwind_calls)] // errors of the function stop at the boundary
        if let Some(run) = run {
            pg_guard_ffi_boundary(|| run(inner));
        }
    }
}
