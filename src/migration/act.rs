//! What the engine does with one statement or command.

use super::ask::Mode;
use super::engine::{Deferred, Engine, Stop, described};
use super::header::OnError;
use super::psql::{self, Command};
use super::{beforehand, call, explain, lexer, namespace, server, settings};
use crate::error::{Error, Kind, Result};
use crate::pg::parse::Parsed;
use crate::pg::parse_kind::{Kind as Does, Outside, Transaction};
use crate::pg::run::Stripped;
use crate::pg::savepoint::Savepoints;
use crate::pg::subxact::{self, Caught};
use crate::pg::whole_error::{self, watched};

impl Engine<'_, '_> {
    /// Runs one; `Some` where the part ends behind it, or before a statement that is to be run elsewhere.
    pub(super) fn statement(
        &mut self,
        parsed: &Parsed,
        n: usize,
        savepoints: &Savepoints,
    ) -> Result<Option<Stop>> {
        let kind = &parsed.statements[n].kind;
        if let Does::Transaction(transaction) = kind {
            return self.transaction(transaction.clone(), savepoints);
        }
        if self.skips() {
            return Ok(None);
        }
        match kind {
            // only tried: what no rollback undoes is not run
            _ if self.scene.watcher.is_some() && explain::is_left_out(kind) => {}
            Does::Outside(outside) if self.rules.mode == Mode::Call => {
                refuse_session(*outside)?;
                return self.elsewhere(parsed, n, savepoints).map(Some);
            }
            _ if self.rules.by_itself.contains(&self.ran.statements) => {
                return self.elsewhere(parsed, n, savepoints).map(Some);
            }
            Does::Outside(outside) if self.rules.outside == call::Outside::Defer => {
                self.defer(parsed, n, *outside)?;
            }
            Does::Outside(_) => self.strip(parsed, n)?,
            _ if self.wants(kind)? => self.guarded(|| parsed.execute(n))?,
            _ => {}
        }
        let alone = self.rules.alone && !self.in_block && !self.skips();
        if alone {
            self.before_commit(savepoints, "end of the statement")?;
        }
        Ok(alone.then_some(Stop::Commit))
    }

    /// What is known beforehand of a statement; false if it is not to be run.
    fn wants(&mut self, kind: &Does) -> Result<bool> {
        match kind {
            Does::Set(set) if self.rules.is_dump && !server::knows_setting(&set.name) => {
                let name = &set.name;
                self.note(format!(
                    "setting \"{name}\" is not known here, and was left out"
                ));
                return Ok(false);
            }
            Does::CreateRole(role) if self.rules.skip_roles && server::role_exists(role)? => {
                server::tell(&format!("role \"{role}\" exists already, skipping"));
                return Ok(false);
            }
            Does::Rows | Does::Copy(_) => (self.wrote, self.called) = (true, true),
            Does::Prepare(_) => self.called = true,
            // those of the caller are none of the file's business
            Does::Deallocate(None) => {
                self.before.drop_prepared();
                return Ok(false);
            }
            Does::Deallocate(Some(name)) => self.before.refuse_prepared(name)?,
            Does::DiscardTemporary => {
                self.before.drop_temporary()?;
                return Ok(false);
            }
            Does::Cursor => self.called = true,
            Does::Plain
            | Does::Set(_)
            | Does::EnumValue(_)
            | Does::CreateRole(_)
            | Does::Outside(_)
            | Does::Transaction(_) => {}
        }
        Ok(true)
    }

    /// Runs it without CONCURRENTLY. 25001 where that is needed: what was seen before the run may be another table.
    fn strip(&mut self, parsed: &Parsed, n: usize) -> Result<()> {
        let needed = match self.rules.outside {
            call::Outside::Error => true,
            call::Outside::Strip | call::Outside::Defer => false,
            call::Outside::Auto => parsed.needs_concurrently(n),
        };
        let line = self.line();
        let what = &parsed.statements[n].tag;
        if needed {
            let file = self.scene.filename;
            let list = [format!("{file}, line {line}: {what}.")];
            let twin = self.scene.twin.as_deref();
            let twin = twin.unwrap_or("CALL strata.migrate_deploy(...)");
            return Err(beforehand::outside_error(&list, true, twin));
        }
        if parsed.strip(n)? == Stripped::Skip {
            self.note(format!("line {line}: {what} was left out"));
            return Ok(());
        }
        self.note(format!("line {line}: ran without CONCURRENTLY"));
        self.guarded(|| parsed.execute(n))
    }

    /// Puts it off to the end of the caller's transaction, with the settings and the role of now.
    fn defer(&mut self, parsed: &Parsed, n: usize, outside: Outside) -> Result<()> {
        let tag = parsed.statements[n].tag.clone();
        refuse_session(outside)?;
        let code = self.scene.now.borrow().code.clone();
        let sql = self.scene.filled.text.get(code).unwrap_or_default();
        let line = self.line();
        self.note(format!("line {line}: {tag} was put off"));
        self.ran.deferred.push(Deferred {
            statement: self.ran.statements,
            line,
            sql: sql.to_owned(),
            tag,
            role: namespace::current_role()?,
            settings: settings::of_the_session()?,
        });
        Ok(())
    }

    /// A statement for a process of its own. 25001 within BEGIN and COMMIT of the file.
    fn elsewhere(&mut self, parsed: &Parsed, n: usize, savepoints: &Savepoints) -> Result<Stop> {
        let tag = parsed.statements[n].tag.clone();
        if self.in_block {
            let (line, file) = (self.line(), self.scene.filename);
            let text = format!("{tag} cannot run between BEGIN and COMMIT: {file}, line {line}");
            return Err(Error::new(Kind::ActiveTransaction, text).hint(
                "Take BEGIN and COMMIT out of the file, or move the statement behind the COMMIT.",
            ));
        }
        let code = self.scene.now.borrow().code.clone();
        let sql = self.scene.filled.text.get(code).unwrap_or_default();
        let sql = sql.to_owned();
        self.before_commit(savepoints, "before a statement by itself")?;
        Ok(Stop::Outside { sql, tag })
    }

    /// True when nothing but comments follows.
    fn is_at_end(&self) -> bool {
        let text: &str = &self.scene.filled.text;
        let end = self.scene.now.borrow().code.end;
        let rest = text.get(end..).unwrap_or_default();
        let behind = match rest.find(|c: char| !c.is_ascii_whitespace()) {
            Some(at) if rest.get(at..at + 1) == Some(";") => end + at + 1,
            _ => end,
        };
        lexer::first_code(text, behind..text.len()) >= text.len()
    }

    pub(super) fn line(&self) -> usize {
        self.scene.position(self.scene.now.borrow().code.start).line
    }

    /// Runs something of the user's; with [`OnError::Continue`] its error is noted.
    pub(super) fn guarded(&mut self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let scene = self.scene;
        let work = || scene.run(work);
        if self.rules.on_error == OnError::Stop {
            return watched(scene, work);
        }
        scene.goes_on.set(true);
        let tried = subxact::attempt(|| watched(scene, work));
        scene.goes_on.set(false);
        let caught = match tried {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => Caught::from(error),
            Err(caught) => caught,
        };
        let whole = whole_error::take(&caught);
        if self.rules.mode == Mode::Call
            && let Some(whole) = whole.as_ref().filter(|w| is_outside(&w.sqlstate))
            && !self.in_block
        {
            // the part is done again, and this statement by itself
            whole_error::again(whole.clone());
        }
        server::warn(&format!("{}: {}", scene.filename, caught.message));
        self.ran
            .errors
            .push(described(scene, &caught, whole.as_ref()));
        Ok(())
    }

    fn transaction(&mut self, what: Transaction, savepoints: &Savepoints) -> Result<Option<Stop>> {
        let scene = self.scene;
        match what {
            Transaction::Begin { modes } => {
                self.in_block = true;
                if modes {
                    self.note("the isolation level of the file was left out".to_owned());
                }
            }
            Transaction::Modes => {
                self.note("the isolation level of the file was left out".to_owned());
            }
            Transaction::Commit { .. } => {
                self.in_block = false;
                if self.skips() {
                    return Ok(None);
                }
                let ends = self.rules.mode == Mode::Call && !self.is_at_end();
                match ends {
                    true => self.before_commit(savepoints, "COMMIT")?,
                    false => {
                        savepoints.release_all();
                        self.constraints("COMMIT")?;
                    }
                }
                return Ok(ends.then_some(Stop::Commit));
            }
            _ if self.skips() => {}
            Transaction::Savepoint(name) => savepoints.begin(&name),
            Transaction::Release(name) => watched(scene, || savepoints.release(&name))?,
            Transaction::RollbackTo(name) => watched(scene, || savepoints.rollback_to(&name))?,
            Transaction::Rollback | Transaction::Prepared => {
                let text = "a migration must not end the transaction that it runs in";
                return Err(Error::new(Kind::NotSupported, text));
            }
        }
        Ok(None)
    }

    pub(super) fn command(&mut self, name: &str, arguments: &str) -> Result<()> {
        match psql::read(name, arguments)? {
            Some(Command::Ignore) => {}
            Some(Command::Tell(_)) if self.skips() && self.ran.statements > 0 => {}
            Some(Command::Tell(text)) => server::tell(&text),
            Some(Command::OnErrorStop(stop)) => {
                self.rules.on_error = if stop {
                    OnError::Stop
                } else {
                    OnError::Continue
                };
            }
            Some(Command::Encoding(encoding)) => server::need_encoding(&encoding)?,
            Some(Command::Connect(database)) => server::need_database(&database)?,
            None => {
                let text = format!("\\{name} is a command of psql that is not supported");
                return Err(Error::new(Kind::NotSupported, text));
            }
        }
        Ok(())
    }

    fn note(&mut self, text: String) {
        self.ran.notes.push(text);
    }
}

/// True for the errors of statements that no transaction takes: active SQL transaction, invalid transaction termination.
#[must_use]
pub fn is_outside(sqlstate: &str) -> bool {
    matches!(sqlstate, "25001" | "2D000")
}

/// 0A000 for what would be of no use in a process of its own.
fn refuse_session(outside: Outside) -> Result<()> {
    if outside != Outside::DiscardAll {
        return Ok(());
    }
    let text = "DISCARD ALL is about a session, which a migration does not have";
    Err(Error::new(Kind::NotSupported, text))
}
