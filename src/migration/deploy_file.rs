//! One file of a run of a procedure.

use super::books::{self, Books};
use super::catalog::Event;
use super::deploy::{Deploying, Failure, attempt, take_locks};
use super::deploy_tries::{backoff, check_prefix, is_lock_timeout, prefix};
use super::engine::{Engine, Ran, Stop, described};
use super::name::Hook;
use super::namespace::{self, StartsAs};
use super::plan::{Run, Step};
use super::progress::{self, Done};
use super::scene::Scene;
use super::settings::{self, Values};
use super::text::{self, Script};
use super::{capture, locks, outside, server};
use crate::error::Result;
use crate::pg::leftovers::Leftovers;
use crate::pg::savepoint::with_savepoints;
use crate::pg::subxact::Caught;
use crate::pg::{latch, nonatomic, session};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Instant;

type Outcome<T> = std::result::Result<T, Failure>;

/// A file that is to be run.
pub struct File<'a> {
    run: &'a Deploying<'a>,
    step: &'a Step,
    pub(super) filename: String,
    /// what is committed
    pub(super) done: Cell<Done>,
    /// what that has SET, and whether an earlier call did
    values: RefCell<Values>,
    earlier: Cell<bool>,
    /// numbers of statements that have turned out to be none for a transaction
    pub(super) by_itself: RefCell<BTreeSet<i32>>,
    /// hooks before it are committed
    hooked: Cell<bool>,
    /// errors and notes of what is committed
    kept: RefCell<Ran>,
    begun: Instant,
}

/// What the end of a part leaves to do.
struct Part {
    stop: Stop,
    /// settings that the file has changed
    values: Values,
    /// the statement that is written down, to be run by itself
    job: Option<i64>,
    done: Done,
    /// with a statement that is to be run by itself: what stands before it
    so_far: Done,
}

impl<'a> File<'a> {
    pub fn of(run: &'a Deploying<'a>, step: &'a Step) -> Result<File<'a>> {
        let done = match step.run {
            Run::Rest {
                statements_done,
                prefix,
                ..
            } => Done {
                statements: statements_done,
                prefix,
            },
            _ => Done::default(),
        };
        Ok(File {
            run,
            step,
            filename: run.decided.known.filename(step),
            done: Cell::new(done),
            values: RefCell::default(),
            earlier: Cell::new(false),
            by_itself: RefCell::default(),
            hooked: Cell::new(done.statements > 0),
            kept: RefCell::default(),
            begun: Instant::now(),
        })
    }

    pub fn run(&self) -> Outcome<()> {
        let (run, label) = (self.run, self.step.key.label());
        let namespace = &run.decided.call.namespace;
        let _during = capture::during(namespace, run.tenant, &label, run.run);
        let sha = match self.step.run {
            Run::Text(sha) | Run::Rest { sha, .. } => sha,
            Run::NoUp | Run::NoDown => {
                attempt(|| self.write(&Ran::default()))?;
                nonatomic::commit()?;
                return Ok(());
            }
        };
        let script = nonatomic::with_snapshot(|| text::script(&sha, self.step.direction))?;
        let decided = &self.run.decided;
        let filled = script.fill(&decided.call.vars, decided.known.namespace.style)?;
        check_prefix(&self.filename, self.done.get(), &filled)?;
        if self.done.get().statements > 0 {
            let stored = nonatomic::with_snapshot(|| {
                let role = namespace::current_role()?;
                progress::settings(&decided.place(&role, self.run.run), self.step)
            })?;
            self.values.replace(stored);
            self.earlier.set(true);
        }
        let before = &self.run.before;
        let mut tries = 0;
        loop {
            let mut scene = Scene::new(&self.filename, &script, &filled, Some(self.told()), None);
            scene.tenant.clone_from(&decided.call.tenant);
            let failure = match self.parts(&script, &scene, before) {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            if self.goes_by_itself(&failure, &scene) {
                continue;
            }
            if is_lock_timeout(&failure) && tries < self.run.retries {
                let pause = backoff(tries);
                tries += 1;
                let (file, seconds) = (&self.filename, pause.as_secs_f64());
                server::tell(&format!(
                    "{file}: a lock was not to be had, try {tries} of {} follows in {seconds:.1} s",
                    self.run.retries
                ));
                nonatomic::commit()?;
                latch::pause_all(pause);
                continue;
            }
            // others may be at it: the next run looks after what this one leaves
            let lost = matches!(failure, Failure::Lost(_)) || locks::still_held().is_err();
            let error = match &failure {
                Failure::Theirs(whole) => described(&scene, &Caught::of_whole(whole), Some(whole)),
                Failure::Ours(error) | Failure::Lost(error) => {
                    described(&scene, &Caught::from(error.clone()), None)
                }
            };
            attempt(|| {
                // what the file has committed of it as well
                before.restore()?;
                match lost {
                    true => Ok(()),
                    false => self.failed(error),
                }
            })?;
            nonatomic::commit()?;
            return Err(failure);
        }
    }

    /// The DETAIL of an error of this file.
    fn told(&self) -> String {
        match self.done.get().statements {
            0 => "The file was rolled back; files before it stay applied.".to_owned(),
            1 => "Its first statement stays, and so do the files before it; the next call goes on behind it.".to_owned(),
            n => format!("Its first {n} statements stay, and so do the files before it; the next call goes on behind them."),
        }
    }

    /// Runs part after part, each with a transaction of its own, behind what is done already.
    fn parts(&self, script: &Script<'_>, scene: &Scene<'_>, before: &Leftovers) -> Outcome<()> {
        let mut rules = self.run.decided.rules(script);
        rules.skip = self.done.get().statements;
        rules.by_itself = self.by_itself.borrow().clone();
        let mut engine = Engine::new(scene, rules, before);
        loop {
            let part = attempt(|| {
                if !self.hooked.get() {
                    self.run
                        .decided
                        .hooks(Hook::BeforeEach, before, &self.told())?;
                }
                self.part(script, scene, &mut engine, before)
            })?;
            nonatomic::commit()?;
            self.keep(&mut engine.ran);
            self.values.replace(part.values);
            self.earlier.set(false);
            self.hooked.set(true);
            match part.stop {
                Stop::End => {
                    self.tell(engine.ran.statements);
                    return Ok(());
                }
                Stop::Commit => self.done.set(part.done),
                Stop::Outside { .. } => {
                    let job = part.job.unwrap_or_default();
                    // what is committed now, and not a moment before
                    self.done.set(part.so_far);
                    if let Err(failure) = self.alone(job, scene) {
                        self.pass_over(failure, &engine, scene)?;
                    }
                    // with the statement itself
                    self.done.set(part.done);
                    engine.done_end = scene.now.borrow().code.end;
                    attempt(|| {
                        outside::settle(job)?;
                        self.note_running()
                    })?;
                    nonatomic::commit()?;
                }
            }
            scene.tell(self.told());
        }
    }

    /// Runs one part and writes down how far the file has come, in the transaction as it is.
    fn part(
        &self,
        script: &Script<'_>,
        scene: &Scene<'_>,
        engine: &mut Engine<'_, '_>,
        before: &Leftovers,
    ) -> Result<Part> {
        let decided = &self.run.decided;
        let settings = decided.settings(script);
        settings.carry(&self.values.borrow(), self.earlier.get());
        let stop = with_savepoints(|savepoints| engine.part(savepoints))?;
        let values = settings.lasting(&self.values.borrow());
        let role = namespace::current_role()?;
        drop(settings);
        let end = match stop {
            Stop::Outside { .. } => scene.now.borrow().code.end,
            _ => engine.done_end,
        };
        let done = Done {
            statements: engine.ran.statements,
            prefix: Some(prefix(scene.filled, end)),
        };
        let mut job = None;
        let mut before_it = done;
        match &stop {
            Stop::End => {
                decided.hooks(Hook::AfterEach, before, &self.told())?;
                self.write(&engine.ran)?;
            }
            Stop::Commit => {
                let role = namespace::current_role()?;
                progress::running(
                    &decided.place(&role, self.run.run),
                    self.step,
                    done,
                    &values,
                )?;
                self.run.mirror_dirty(self.step)?;
            }
            Stop::Outside { sql, tag } => {
                let current = namespace::current_role()?;
                let place = decided.place(&current, self.run.run);
                let so_far = Done {
                    statements: done.statements - 1,
                    prefix: (done.statements > 1).then(|| prefix(scene.filled, engine.done_end)),
                };
                progress::running(&place, self.step, so_far, &values)?;
                self.run.mirror_dirty(self.step)?;
                before_it = so_far;
                let confined = matches!(decided.starts_as, StartsAs::Confined(_));
                let version = self.step.key.version.as_ref();
                let session_role = namespace::name_of(session::session_user())?;
                job = Some(outside::put(&outside::New {
                    namespace: &decided.call.namespace,
                    tenant: self.run.tenant,
                    run: self.run.run,
                    kind: self.step.key.kind.name(),
                    version: &version.map(ToString::to_string).unwrap_or_default(),
                    name: &self.step.key.name,
                    direction: self.step.direction.word(),
                    filename: &self.filename,
                    statement: done.statements,
                    line: scene.position(scene.now.borrow().code.start).line,
                    command: tag,
                    sql,
                    session_role: &session_role,
                    role: Some(role.as_str()).filter(|role| !confined && *role != session_role),
                    settings: settings::for_a_process(&values, decided, script)?,
                    prefix: done.prefix.map(|p| p.to_vec()),
                    deferred: false,
                })?);
            }
        }
        locks::still_held()?;
        Ok(Part {
            stop,
            values,
            job,
            done,
            so_far: before_it,
        })
    }

    /// Runs the statement that is written down as `job`; the locks are given back meanwhile.
    fn alone(&self, job: i64, scene: &Scene<'_>) -> Outcome<()> {
        outside::leave_locks(job)?;
        let ran = outside::run(job, &self.run.decided.starts_as);
        // the job lives until this run is back
        take_locks(self.run.decided.call).map_err(Failure::Lost)?;
        match ran? {
            Ok(()) => Ok(()),
            Err(mut whole) => {
                // these may commit; whether they did, nobody has seen
                if matches!(scene.now.borrow().tag.as_str(), "DO" | "CALL") {
                    let told = self.told();
                    scene.tell(format!(
                        "{told} What this statement has committed by itself stays as well."
                    ));
                }
                scene.place(&mut whole);
                Err(Failure::Theirs(Box::new(whole)))
            }
        }
    }

    /// An error of a statement by itself is noted where the file goes on behind errors.
    fn pass_over(
        &self,
        failure: Failure,
        engine: &Engine<'_, '_>,
        scene: &Scene<'_>,
    ) -> Outcome<()> {
        let Failure::Theirs(whole) = failure else {
            return Err(failure);
        };
        // a lock may be had when it is tried again
        if engine.goes_on() && whole.sqlstate != "55P03" {
            server::warn(&format!("{}: {}", self.filename, whole.message));
            let told = described(scene, &Caught::of_whole(&whole), Some(&whole));
            self.kept.borrow_mut().errors.push(told);
            return Ok(());
        }
        Err(Failure::Theirs(whole))
    }

    fn note_running(&self) -> Result<()> {
        let role = namespace::current_role()?;
        let place = self.run.decided.place(&role, self.run.run);
        progress::running(&place, self.step, self.done.get(), &self.values.borrow())
    }

    /// Writes down that the file is applied, or reverted.
    fn write(&self, ran: &Ran) -> Result<()> {
        let us = i64::try_from(self.begun.elapsed().as_micros()).unwrap_or(i64::MAX);
        let mut whole = self.kept.borrow().clone();
        whole.statements = ran.statements;
        whole.errors.extend(ran.errors.iter().cloned());
        whole.notes.extend(ran.notes.iter().cloned());
        let mut books = Books::default();
        books.note(self.step, &whole, us);
        self.run.write(&books)
    }

    /// What a part has noted is committed: should the next one be tried again, it is not lost.
    fn keep(&self, ran: &mut Ran) {
        let mut kept = self.kept.borrow_mut();
        kept.errors.append(&mut ran.errors);
        kept.notes.append(&mut ran.notes);
    }

    fn failed(&self, error: serde_json::Value) -> Result<()> {
        let role = namespace::current_role()?;
        let place = self.run.decided.place(&role, self.run.run);
        progress::failed(&place, self.step, self.done.get(), &self.values.borrow())?;
        match self.done.get().statements {
            0 => self.run.mirror()?,
            _ => self.run.mirror_dirty(self.step)?,
        }
        let us = i64::try_from(self.begun.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.run.note_failure(Event {
            event: "fail",
            version: books::label(&self.step.key),
            name: self.step.key.name.clone(),
            us: Some(us),
            statements: Some(self.done.get().statements),
            error: Some(error),
            reason: None,
        })
    }

    fn tell(&self, statements: i32) {
        let (file, what) = (
            &self.filename,
            match self.step.direction {
                super::set::Direction::Up => "applied",
                super::set::Direction::Down => "reverted",
            },
        );
        let ms = self.begun.elapsed().as_millis();
        let s = if statements == 1 { "" } else { "s" };
        server::tell(&format!(
            "{what} {file}: {statements} statement{s}, {ms} ms"
        ));
    }
}
