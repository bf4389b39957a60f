//! Pushing a job that the database runs by itself.

use super::calls::new_job;
use super::job::NewJob;
use super::known::{self, Queue};
use super::rights::{self, Privilege};
use super::{push, streams};
use crate::error::{Error, Kind, Result};
use crate::pg::call::Value;
use crate::pg::catalog::{current_user, quote_ident};
use crate::pg::owner::as_extension_owner;
use crate::pg::queue_call::PushSql;
use crate::pg::segment::{Values, column};
use crate::pg::sql_job::SqlJob;
use crate::pg::{compat, spi, sql_command};
use pgrx::pg_sys::Oid;

/// Pushes a SQL job; its id, or `None` if its key is taken.
pub fn push(args: &PushSql) -> Result<Option<i64>> {
    let queue = known::queue(&args.push.queue)?;
    rights::need(&queue, Privilege::Push)?;
    check_command(&args.command, args.atomic)?;
    let role = args.run_as.unwrap_or_else(current_user);
    check_role(current_user(), role)?;
    let job = SqlJob {
        command: args.command.clone(),
        payload: args.push.payload,
        timeout_ms: args.timeout.map(timeout_ms).transpose()?.unwrap_or(0),
        atomic: args.atomic,
    };
    let job = NewJob {
        payload: Some(job.pack()?),
        stream: Some(streams::of(&queue, role)?),
        ..new_job(&args.push)?
    };
    push::push(&queue, &job)
}

/// What is to be the payload of a job that waits, after somebody has given it another one. Of a SQL job only what
/// its command is given changes: whoever may do that is not the one who pushed the command, nor its role.
pub fn changed_payload(
    queue: &Queue,
    row: &Values,
    payload: Option<Value>,
) -> Result<Option<Value>> {
    match row.value(column::PAYLOAD) {
        Some(old) if row.int(column::QID) != queue.qid => {
            SqlJob::with_payload(old, payload).map(Some)
        }
        _ => Ok(payload),
    }
}

/// 55000 if a new job cannot give its payload to this one: one of them is a SQL job, or they run as different roles.
pub fn check_same_stream(queue: &Queue, row: &Values, new: &NewJob) -> Result<()> {
    if row.int(column::QID) == new.stream.unwrap_or(queue.qid) {
        return Ok(());
    }
    Err(Error::new(
        Kind::NotInState,
        format!(
            "job {} of queue \"{}\" has the key and cannot take the payload of this one",
            row.long(column::ID),
            queue.name
        ),
    )
    .detail("Jobs for clients and SQL jobs, or SQL jobs of different roles, are run by different processes.")
    .hint("Push with on_duplicate => 'replace'."))
}

/// 42601 for what is no SQL, 22023 and 0A000 for what cannot be run.
pub fn check_command(command: &str, atomic: bool) -> Result<()> {
    let n = sql_command::statements(command)?;
    let text = match n {
        0 => "command is empty",
        _ if atomic => return Ok(()),
        1 => return sql_command::check_alone(command),
        _ => "command must be one statement when atomic is false",
    };
    let error = Error::new(Kind::InvalidParameter, text);
    Err(match n {
        0 => error,
        _ => error.hint("Put the statements into a procedure and CALL it."),
    })
}

fn timeout_ms(timeout: pgrx::datum::Interval) -> Result<i64> {
    let ms = i64::try_from(timeout.as_micros() / 1000).unwrap_or(i64::MAX);
    if (1..=i64::from(i32::MAX)).contains(&ms) {
        return Ok(ms);
    }
    Err(Error::new(
        Kind::InvalidParameter,
        "timeout must be at least 1 ms and at most 24 days",
    ))
}

const MAY: &str = "SELECT pg_has_role($1, r.oid, $3) FROM pg_roles r WHERE r.oid = $2";

/// True if `user` may SET ROLE to `role`.
pub fn may_become(user: Oid, role: Oid) -> Result<bool> {
    let args = [user.into(), role.into(), compat::become_privilege().into()];
    let found = as_extension_owner(|| spi::read_kept(MAY, &args, |row| row.need(1)))?;
    Ok(found.first() == Some(&true))
}

const ROLE: &str = "SELECT r.rolname::text, r.rolcanlogin, pg_has_role($1, r.oid, $3) FROM pg_roles r WHERE r.oid = $2";

/// Checks that `user` may let jobs run as `role`, and that a process can connect as it.
pub fn check_role(user: Oid, role: Oid) -> Result<()> {
    let args = [user.into(), role.into(), compat::become_privilege().into()];
    let found = as_extension_owner(|| {
        spi::read_kept(ROLE, &args, |row| {
            Ok((
                row.need::<String>(1)?,
                row.need::<bool>(2)?,
                row.need::<bool>(3)?,
            ))
        })
    })?;
    let Some((name, can_login, member)) = found.into_iter().next() else {
        return Err(Error::new(
            Kind::UndefinedObject,
            format!("role with OID {} does not exist", role.to_u32()),
        ));
    };
    if !member {
        return Err(Error::new(
            Kind::InsufficientPrivilege,
            format!("must be a member of role \"{name}\" to let a job run as it"),
        ));
    }
    if !can_login && compat::nologin_flags().is_none() {
        return Err(Error::new(
            Kind::NotInState,
            format!("role \"{name}\" may not log in, so no job can run as it"),
        )
        .detail("Before PostgreSQL 17 a background process cannot connect as such a role.")
        .hint(format!(
            "ALTER ROLE {} LOGIN; or use run_as with a role that may log in",
            quote_ident(&name)
        )));
    }
    Ok(())
}
