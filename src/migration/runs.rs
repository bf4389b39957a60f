//! Runs in one transaction, the caller's: everything that a call asks for, or nothing.

use super::ask::{Ask, Mode};
use super::books::{Books, RunRow, dry, run_id};
use super::call::Call;
use super::catalog::Place;
use super::engine::{self, Ran, Rules};
use super::header::ExistingRoles;
use super::known::Known;
use super::name::Hook;
use super::namespace::{self, StartsAs};
use super::plan::{self, Plan, Run, Step};
use super::scene::{Scene, undone};
use super::set::Direction;
use super::settings::Settings;
use super::text::{self, Script};
use super::{beforehand, books, capture, deferred, lock_table, locks, outside, snapshots, tenants};
use crate::error::{Error, Kind, Result};
use crate::pg::leftovers::Leftovers;
use crate::pg::{session, spi, subxact};
use crate::worker;
use pgrx::datum::Uuid;
use std::collections::BTreeSet;
use std::time::Instant;

/// 25001 where statements do not see what others have committed meanwhile.
pub fn need_read_committed() -> Result<()> {
    if session::is_read_committed() {
        return Ok(());
    }
    Err(Error::new(
        Kind::ActiveTransaction,
        "migrations run in transactions of isolation level READ COMMITTED only",
    )
    .hint("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"))
}

/// Decides and does all of it; errors of the files are raised, with their place.
pub fn run(ask: &Ask, call: &Call) -> Result<Vec<RunRow>> {
    spi::refuse_read_only(c"a run of migrations");
    need_read_committed()?;
    let _inside = locks::Inside::begin()?;
    match call.dry_run {
        // what would be taken over from elsewhere is not
        true => subxact::peek(|| decide_and_run(ask, call)),
        false => decide_and_run(ask, call),
    }
}

fn decide_and_run(ask: &Ask, call: &Call) -> Result<Vec<RunRow>> {
    namespace::of_member(&call.namespace)?;
    let tenant = call.tenant.as_deref();
    tenant.map_or(Ok(()), tenants::need_schema)?;
    locks::run(&call.namespace, tenant, call.wait_ms)?;
    // who waited may find another namespace of this name
    let namespace = namespace::of_member(&call.namespace)?;
    let starts_as = namespace.starts_as()?;
    let mut known = Known::of(namespace, tenant)?;
    known.settle_running(tenant)?;
    let mirrored = known.namespace.mirrored(tenant, &starts_as)?;
    if let Some(mirrored) = &mirrored {
        locks::others(&call.namespace, &mirrored.locks()?, call.wait_ms)?;
        mirrored.take_over(&mut known, tenant)?;
    }
    beforehand::fill_errors(&mut known, &call.vars)?;
    let mut context = known.context(tenant, Mode::Atomic);
    context.dry_run = call.dry_run;
    let plan = plan::plan(&known.files, &known.applied, ask, &context)?;
    beforehand::refuse(&known, &plan, call, &starts_as, Mode::Atomic)?;
    if call.dry_run {
        return Ok(plan.steps.iter().map(|s| dry(&known, s)).collect());
    }
    let run = Decided {
        known: &known,
        call,
        starts_as,
        mode: Mode::Atomic,
    };
    let rows = run.all(&plan)?;
    if let Some(mirrored) = mirrored.filter(|_| !rows.is_empty()) {
        mirrored.write(&known, &known.rows, tenant)?;
    }
    Ok(rows)
}

/// A run that has been decided.
pub struct Decided<'a> {
    pub known: &'a Known,
    pub call: &'a Call,
    pub starts_as: StartsAs,
    pub mode: Mode,
}

impl Decided<'_> {
    fn all(&self, plan: &Plan) -> Result<Vec<RunRow>> {
        let role = namespace::current_role()?;
        // what was in the session before the first file
        let before = Leftovers::now()?;
        let run = run_id();
        let tenant = self.call.tenant.as_deref();
        let mut rows = Vec::with_capacity(plan.steps.len());
        let mut books = Books::default();
        let _during = capture::during(&self.call.namespace, tenant, "", run);
        if !plan.steps.is_empty() {
            self.hooks(Hook::BeforeAll, &before, &undone(0, self.call.among))?;
        }
        for (n, step) in plan.steps.iter().enumerate() {
            let begun = Instant::now();
            let told = undone(n, self.call.among);
            let label = step.key.label();
            let _during = capture::during(&self.call.namespace, tenant, &label, run);
            let ran = match step.run {
                Run::NoUp | Run::NoDown => Ran::default(),
                Run::Text(sha) | Run::Rest { sha, .. } => {
                    self.hooks(Hook::BeforeEach, &before, &told)?;
                    let script = text::script(&sha, step.direction)?;
                    let filename = self.known.filename(step);
                    let ran = self.script(&filename, step.direction, &script, &before, &told)?;
                    self.hooks(Hook::AfterEach, &before, &told)?;
                    ran
                }
            };
            let us = i64::try_from(begun.elapsed().as_micros()).unwrap_or(i64::MAX);
            rows.push(books.note(step, &ran, us));
            self.defer(step, &ran, run, &role)?;
        }
        if !plan.steps.is_empty() {
            let told = undone(plan.steps.len(), self.call.among);
            self.hooks(Hook::AfterAll, &before, &told)?;
        }
        before.settle()?;
        books.write(&self.place(&role, run))?;
        if let Some(last) = plan.steps.last() {
            let twin = (plan.steps.len() > 1).then(|| beforehand::twin(last.direction, self.call));
            lock_table::warn(twin.as_deref())?;
        }
        if !rows.is_empty() {
            snapshots::after_run(self.known, self.call.tenant.as_deref(), run)?;
        }
        Ok(rows)
    }

    /// Writes down what was put off; it is run when the transaction is committed.
    fn defer(&self, step: &Step, ran: &Ran, run: Uuid, role: &str) -> Result<()> {
        let session = match self.starts_as {
            StartsAs::Confined(role) => namespace::name_of(role)?,
            StartsAs::Caller | StartsAs::Role(_) => namespace::name_of(session::session_user())?,
        };
        let confined = matches!(self.starts_as, StartsAs::Confined(_));
        let place = self.place(role, run);
        let version = books::label(&step.key);
        for deferred in &ran.deferred {
            let role = Some(deferred.role.as_str());
            outside::put(&outside::New {
                namespace: place.namespace,
                tenant: place.tenant,
                run,
                kind: step.key.kind.name(),
                version: &version,
                name: &step.key.name,
                direction: step.direction.word(),
                filename: &self.known.filename(step),
                statement: deferred.statement,
                line: deferred.line,
                command: &deferred.tag,
                sql: &deferred.sql,
                session_role: &session,
                role: role.filter(|role| !confined && *role != session),
                settings: deferred.settings.clone(),
                prefix: None,
                deferred: true,
            })?;
            worker::start_dynamic_at_commit(deferred::JOB);
        }
        Ok(())
    }

    pub fn place<'p>(&'p self, role: &'p str, run: pgrx::datum::Uuid) -> Place<'p> {
        Place {
            namespace: &self.call.namespace,
            tenant: self.call.tenant.as_deref(),
            run,
            role,
        }
    }

    /// Runs the hooks of one kind, by their names, in the transaction as it is. Their errors end the run.
    pub fn hooks(&self, hook: Hook, before: &Leftovers, told: &str) -> Result<()> {
        for stored in self.known.hooks(hook) {
            let Some(text) = stored.file.up else { continue };
            let script = text::script(&text.sha, Direction::Up)?;
            let kind = stored.file.key.kind.name();
            let filename = stored.up_filename.as_deref().unwrap_or(kind);
            self.script(filename, Direction::Up, &script, before, told)?;
        }
        Ok(())
    }

    /// Runs one file in the transaction as it is, with settings of its own, which end with it.
    pub fn script(
        &self,
        filename: &str,
        direction: Direction,
        script: &Script<'_>,
        before: &Leftovers,
        told: &str,
    ) -> Result<Ran> {
        let filled = script.fill(&self.call.vars, self.known.namespace.style)?;
        let twin = (self.mode == Mode::Atomic).then(|| beforehand::twin(direction, self.call));
        let mut scene = Scene::new(filename, script, &filled, Some(told.to_owned()), twin);
        scene.tenant.clone_from(&self.call.tenant);
        let rules = Rules {
            mode: Mode::Atomic,
            ..self.rules(script)
        };
        let _settings = self.settings(script);
        engine::run(&scene, rules, before)
    }

    /// How a file is run.
    pub fn rules(&self, script: &Script<'_>) -> Rules {
        let headers = &script.headers;
        Rules {
            mode: self.mode,
            on_error: headers.on_error.unwrap_or(self.call.on_error),
            outside: self.call.outside,
            skip_roles: headers
                .existing_roles
                .map_or(self.call.skip_roles, |r| r == ExistingRoles::Skip),
            is_dump: script.is_dump(),
            // whoever is more than the files may be must not run what they have put off
            confined: matches!(self.starts_as, StartsAs::Confined(_)),
            alone: self.mode == Mode::Call && headers.no_transaction.is_some(),
            skip: 0,
            by_itself: BTreeSet::new(),
        }
    }

    pub fn settings(&self, script: &Script<'_>) -> Settings {
        let namespace = &self.known.namespace;
        Settings::begin(namespace, &script.headers, self.call, &self.starts_as)
    }
}
