//! The procedures; declared in sql/migration/code.sql.

use super::api_source::need;
use super::ask::{Ask, MissingDown, OutOfOrder};
use super::call::{self, Call, Outside};
use super::header::OnError;
use super::version::Target;
use super::{books, deploy, tenants};
use crate::error::{Error, Kind, Result};
use crate::pg::migrate_call::{Arguments, Each, Procedures};
use pgrx::datum::{Interval, Uuid};

/// What `pg::migrate_call` calls.
pub struct Migrations;

impl Procedures for Migrations {
    fn deploy(&self, args: Arguments) -> Result<Uuid> {
        let order = OutOfOrder::read(&need(args.out_of_order.clone(), "out_of_order")?)?;
        let ask = Ask::up(args.steps, target(&args)?, order)?;
        let call = Call {
            on_error: call::on_error(&need(args.on_error.clone(), "on_error")?)?,
            skip_roles: call::skip_roles(&need(args.existing_roles.clone(), "existing_roles")?)?,
            ..plain(&args)?
        };
        run(&ask, &call, &args)
    }

    fn up_each(&self, schemas: Vec<Option<String>>, args: Arguments) -> Result<Vec<Each>> {
        let ask = Ask::up(None, target(&args)?, OutOfOrder::Error)?;
        let word = need(args.on_error.clone(), "on_error")?;
        let goes_on = call::on_error(&word)? == OnError::Continue;
        let wait = Some(Interval::from_micros(60_000_000));
        let args = Arguments { wait, ..args };
        let call = Call {
            outside: Outside::Auto,
            ..plain(&args)?
        };
        tenants::up(schemas, &ask, &call, goes_on)
    }

    fn deploy_each(&self, schemas: Vec<Option<String>>, args: Arguments) -> Result<Uuid> {
        let ask = Ask::up(None, target(&args)?, OutOfOrder::Error)?;
        let word = need(args.on_error.clone(), "on_error")?;
        let goes_on = call::on_error(&word)? == OnError::Continue;
        let wait = Some(Interval::from_micros(600_000_000));
        let args = Arguments { wait, ..args };
        let retries = retries(&args)?;
        let run = args.run.unwrap_or_else(books::run_id);
        tenants::deploy(schemas, &ask, &plain(&args)?, retries, goes_on, run)
    }

    fn revert(&self, args: Arguments) -> Result<Uuid> {
        let missing = MissingDown::read(&need(args.missing_down.clone(), "missing_down")?)?;
        let all = need(args.all_versions, "all_versions")?;
        let ask = Ask::down(args.steps, target(&args)?, all, missing)?;
        run(&ask, &plain(&args)?, &args)
    }
}

fn target(args: &Arguments) -> Result<Option<Target>> {
    args.target.as_deref().map(Target::parse).transpose()
}

fn run(ask: &Ask, call: &Call, args: &Arguments) -> Result<Uuid> {
    let run = args.run.unwrap_or_else(books::run_id);
    deploy::run(ask, call, retries(args)?, run)
}

fn retries(args: &Arguments) -> Result<u32> {
    let retries = need(args.retries, "retries")?;
    u32::try_from(retries).map_err(|_| {
        Error::new(
            Kind::InvalidParameter,
            format!("retries must not be negative, but is {retries}"),
        )
    })
}

fn plain(args: &Arguments) -> Result<Call> {
    let ms = |value, name| call::milliseconds(name, &need(value, name)?);
    Ok(Call {
        namespace: need(args.namespace.clone(), "namespace")?,
        tenant: args.tenant.clone(),
        among: false,
        dry_run: false,
        outside: Outside::Error,
        on_error: OnError::Stop,
        skip_roles: false,
        lock_timeout_ms: ms(args.lock_timeout, "lock_timeout")?,
        wait_ms: ms(args.wait, "wait")?,
        search_path: args.search_path.clone(),
        vars: call::vars(args.vars.as_ref().map(|v| v.0.clone()))?,
    })
}
