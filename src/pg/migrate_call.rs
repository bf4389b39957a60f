//! The procedures of migrations.

use super::call::{Call, c_function};
use super::cold_state::raise;
use super::whole_error::border;
use crate::error::{Error, Kind, Result};
use pgrx::datum::{Interval, Uuid};
use pgrx::{IntoDatum, JsonB, pg_sys};
use std::ffi::CStr;
use std::sync::OnceLock;

/// Arguments of `migrate_deploy` and `migrate_revert`; those that only the other one has are `None`.
pub struct Arguments {
    pub steps: Option<i32>,
    pub target: Option<String>,
    pub out_of_order: Option<String>,
    pub on_error: Option<String>,
    pub existing_roles: Option<String>,
    pub all_versions: Option<bool>,
    pub missing_down: Option<String>,
    pub lock_timeout: Option<Interval>,
    pub retries: Option<i32>,
    pub wait: Option<Interval>,
    pub search_path: Option<String>,
    pub vars: Option<JsonB>,
    pub tenant: Option<String>,
    pub namespace: Option<String>,
    pub run: Option<Uuid>,
}

/// A row of `migrate_up_each`.
pub struct Each {
    pub tenant: String,
    pub applied: i32,
    pub head: Option<String>,
    pub outcome: &'static str,
    pub us: i64,
    pub error: Option<String>,
}

/// What migrations do when they are called.
pub trait Procedures: Sync {
    /// The number of the run.
    fn deploy(&self, args: Arguments) -> Result<Uuid>;
    fn revert(&self, args: Arguments) -> Result<Uuid>;
    fn up_each(&self, schemas: Vec<Option<String>>, args: Arguments) -> Result<Vec<Each>>;
    fn deploy_each(&self, schemas: Vec<Option<String>>, args: Arguments) -> Result<Uuid>;
}

static PROCEDURES: OnceLock<&'static dyn Procedures> = OnceLock::new();

/// Registers migrations; once, when the library is loaded.
pub fn register(procedures: &'static dyn Procedures) {
    let _ = PROCEDURES.set(procedures);
}

fn procedures() -> Result<&'static dyn Procedures> {
    PROCEDURES
        .get()
        .copied()
        .ok_or_else(|| Error::internal("migrations are not registered"))
}

fn name(call: Call, n: usize) -> Option<String> {
    let name: Option<&CStr> = call.get(n);
    name.map(|n| n.to_string_lossy().into_owned())
}

fn done(call: Call, run: impl FnOnce() -> Result<Uuid>) -> pg_sys::Datum {
    let run = border(|| run().unwrap_or_else(|error| raise(error)));
    call.record(vec![run.into_datum()])
}

fn deploy(call: Call) -> pg_sys::Datum {
    done(call, || {
        call.check_nonatomic(
            "migrate_deploy",
            "CALL strata.migrate_deploy() alone: it commits each file. SELECT * FROM strata.migrate_up() runs them in your transaction.",
        )?;
        procedures()?.deploy(Arguments {
            steps: call.get(0),
            target: call.get(1),
            out_of_order: call.get(2),
            on_error: call.get(3),
            existing_roles: call.get(4),
            all_versions: None,
            missing_down: None,
            lock_timeout: call.get(5),
            retries: call.get(6),
            wait: call.get(7),
            search_path: call.get(8),
            vars: call.get(9),
            tenant: name(call, 10),
            namespace: call.get(11),
            run: call.get(12),
        })
    })
}
c_function!(
    migrate_deploy_wrapper,
    pg_finfo_migrate_deploy_wrapper,
    deploy
);

fn revert(call: Call) -> pg_sys::Datum {
    done(call, || {
        call.check_nonatomic(
            "migrate_revert",
            "CALL strata.migrate_revert() alone: it commits each file. SELECT * FROM strata.migrate_down() runs them in your transaction.",
        )?;
        procedures()?.revert(Arguments {
            steps: call.get(0),
            target: call.get(1),
            out_of_order: None,
            on_error: None,
            existing_roles: None,
            all_versions: call.get(2),
            missing_down: call.get(3),
            lock_timeout: call.get(4),
            retries: call.get(5),
            wait: call.get(6),
            search_path: call.get(7),
            vars: call.get(8),
            tenant: name(call, 9),
            namespace: call.get(10),
            run: call.get(11),
        })
    })
}
c_function!(
    migrate_revert_wrapper,
    pg_finfo_migrate_revert_wrapper,
    revert
);

fn deploy_each(call: Call) -> pg_sys::Datum {
    done(call, || {
        call.check_nonatomic(
            "migrate_deploy_each",
            "CALL strata.migrate_deploy_each(...) alone: it commits each file. SELECT * FROM strata.migrate_up_each(...) runs them in your transaction.",
        )?;
        let schemas = schemas(call)?;
        procedures()?.deploy_each(
            schemas,
            Arguments {
                retries: call.get(4),
                vars: call.get(5),
                namespace: call.get(6),
                run: call.get(7),
                ..of_each(call)
            },
        )
    })
}
c_function!(
    migrate_deploy_each_wrapper,
    pg_finfo_migrate_deploy_each_wrapper,
    deploy_each
);

/// An element of name[].
fn name_of(value: super::call::Value) -> Option<String> {
    use pgrx::FromDatum;
    // SAFETY: the declaration says the type
    let name: Option<&CStr> = unsafe { FromDatum::from_datum(value.datum(), false) };
    name.map(|n| n.to_string_lossy().into_owned())
}

/// What both functions for many schemas have, in the same places.
fn of_each(call: Call) -> Arguments {
    Arguments {
        steps: None,
        target: call.get(1),
        out_of_order: Some("error".to_owned()),
        on_error: call.get(2),
        existing_roles: Some("error".to_owned()),
        all_versions: None,
        missing_down: None,
        lock_timeout: call.get(3),
        retries: None,
        wait: None,
        search_path: None,
        vars: None,
        tenant: None,
        namespace: None,
        run: None,
    }
}

fn schemas(call: Call) -> Result<Vec<Option<String>>> {
    let schemas = call
        .values(0)
        .ok_or_else(|| Error::new(Kind::NullNotAllowed, "schemas must not be NULL"))?;
    Ok(schemas.into_iter().map(|s| s.and_then(name_of)).collect())
}

fn up_each(call: Call) -> pg_sys::Datum {
    let rows = border(|| {
        let rows = schemas(call).and_then(|schemas| {
            procedures()?.up_each(
                schemas,
                Arguments {
                    vars: call.get(4),
                    namespace: call.get(5),
                    ..of_each(call)
                },
            )
        });
        rows.unwrap_or_else(|error| raise(error))
    });
    call.rows(rows.into_iter().map(|row| {
        vec![
            super::datum::name_datum(&row.tenant),
            row.applied.into_datum(),
            row.head.into_datum(),
            row.outcome.into_datum(),
            Interval::from_micros(row.us).into_datum(),
            row.error.into_datum(),
        ]
    }))
}
c_function!(
    migrate_up_each_wrapper,
    pg_finfo_migrate_up_each_wrapper,
    up_each
);
