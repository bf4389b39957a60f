//! The procedures and functions that jobs name, found and turned into statements.

use super::catalog::Job;
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{quote_literal, quote_qualified};
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::pg_sys;

const BY_OID: &str = "SELECT n.nspname::text, p.proname::text, p.proargtypes::text = ANY ($2), has_function_privilege($3, p.oid, 'EXECUTE'), \
    p.prokind::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = $1";
const BY_NAME: &str = "SELECT p.prokind::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
    WHERE n.nspname = $1::name AND p.proname = $2::name AND p.proargtypes::text = $3 AND p.prokind IN ('f', 'p')";

/// OIDs of `integer, jsonb` and of `jsonb`, as pg_proc.proargtypes shows them.
const JOB_ARGUMENTS: &str = "23 3802";
const CHECK_ARGUMENTS: &str = "3802";

/// What a job may call: schema and name.
pub type Named = (String, String);

/// The procedure `proc` if it can be a job: `(job_id integer, config jsonb)`, executable by the current user.
pub fn job_proc(proc: pg_sys::Oid) -> Result<Named> {
    find(proc, JOB_ARGUMENTS, "(job_id integer, config jsonb)")
}

/// The procedure `proc` if it can check a config: `(config jsonb)`.
pub fn check_proc(proc: pg_sys::Oid) -> Result<Named> {
    find(proc, CHECK_ARGUMENTS, "(config jsonb)")
}

fn find(proc: pg_sys::Oid, arguments: &str, shape: &str) -> Result<Named> {
    let user = crate::pg::catalog::current_user();
    let args = [proc.into(), vec![arguments].into(), user.into()];
    let found = as_extension_owner(|| {
        spi::read_one(BY_OID, &args, |r| {
            Ok((
                (r.need::<String>(1)?, r.need::<String>(2)?),
                r.need::<bool>(3)?,
                r.need::<bool>(4)?,
                r.need::<String>(5)?,
            ))
        })
    })?;
    let Some((name, fits, executable, kind)) = found else {
        return Err(Error::new(
            Kind::UndefinedObject,
            format!("function with OID {} does not exist", proc.to_u32()),
        ));
    };
    if !fits || (kind != "f" && kind != "p") {
        return Err(Error::new(
            Kind::WrongType,
            format!(
                "\"{}\" must be a procedure or function with the arguments {shape}",
                name.1
            ),
        ));
    }
    if !executable {
        return Err(Error::new(
            Kind::InsufficientPrivilege,
            format!("permission denied for function \"{}\"", name.1),
        ));
    }
    Ok(name)
}

fn kind_of(name: &Named, arguments: &str, shape: &str) -> Result<String> {
    let args = [
        name.0.as_str().into(),
        name.1.as_str().into(),
        arguments.into(),
    ];
    as_extension_owner(|| spi::read_one(BY_NAME, &args, |r| r.need(1)))?.ok_or_else(|| {
        Error::new(
            Kind::UndefinedObject,
            format!(
                "procedure {}{shape} does not exist",
                quote_qualified(&name.0, &name.1)
            ),
        )
    })
}

fn statement(name: &Named, kind: &str, arguments: &str) -> String {
    let verb = if kind == "p" { "CALL" } else { "SELECT" };
    format!("{verb} {}({arguments})", quote_qualified(&name.0, &name.1))
}

fn json(config: Option<&str>) -> String {
    match config {
        Some(text) => format!("{}::pg_catalog.jsonb", quote_literal(text)),
        None => "NULL::pg_catalog.jsonb".into(),
    }
}

/// The statement that runs a job of a user.
pub fn call(job: &Job) -> Result<String> {
    let name = (job.proc_schema.clone(), job.proc_name.clone());
    let kind = kind_of(&name, JOB_ARGUMENTS, "(integer, jsonb)")?;
    let arguments = format!(
        "{}::pg_catalog.int4, {}",
        job.id,
        json(job.config.as_deref())
    );
    Ok(statement(&name, &kind, &arguments))
}

/// The statement that checks a config, to be run as the user who gave it.
pub fn check_call(name: &Named, config: Option<&str>) -> Result<String> {
    let kind = kind_of(name, CHECK_ARGUMENTS, "(jsonb)")?;
    Ok(statement(name, &kind, &json(config)))
}
