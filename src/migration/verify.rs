//! Proof: ups and downs are run, compared and undone. Nothing of it stays.

use super::ask::{self, Mode};
use super::call::{Call, Outside};
use super::difference::Object;
use super::header::OnError;
use super::known::Known;
use super::name::Hook;
use super::namespace;
use super::runs::{self, Decided};
use super::set::{Applied, Direction, File, Hash, Set};
use super::vars::Vars;
use super::version::Version;
use super::{locks, snapshots, text};
use crate::error::{Error, Kind, Result};
use crate::pg::leftovers::Leftovers;
use crate::pg::sequences::Sequences;
use crate::pg::spi;
use crate::pg::subxact::{self, Caught};
use crate::pg::whole_error::{self, WholeError};

/// How a trial ended.
pub(super) type Tried<T> = std::result::Result<T, String>;

/// Does `work` in a subtransaction, which stays if it succeeds.
pub(super) fn attempt<T>(work: impl FnOnce() -> Result<T>) -> Tried<T> {
    match subxact::attempt(work) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(error.message),
        Err(caught) => Err(told(&caught)),
    }
}

fn told(caught: &Caught) -> String {
    let whole = whole_error::take(caught).unwrap_or_else(|| WholeError::of(caught));
    let place = whole.context.as_ref().and_then(|c| c.lines().last());
    match place {
        Some(place) => format!("{}; {place}", whole.message),
        None => whole.message,
    }
}

/// The same, and undoes it in any case.
pub(super) fn try_and_undo<T>(work: impl FnOnce() -> Tried<T>) -> Tried<T> {
    let mut seen = None;
    let undone = attempt(|| {
        seen = Some(work());
        Err::<(), _>(Error::internal("only tried"))
    });
    match (seen, undone) {
        (Some(seen), _) => seen,
        (None, Err(why)) => Err(why),
        (None, Ok(())) => Err("nothing was tried".to_owned()),
    }
}

/// Trials on one namespace.
pub(super) struct Trial<'a> {
    pub(super) decided: Decided<'a>,
    pub(super) before: Leftovers,
    pub(super) check_rows: bool,
}

/// A version that is tried.
pub(super) struct One<'a> {
    pub(super) version: &'a Version,
    pub(super) name: &'a str,
    pub(super) up: Option<Hash>,
    pub(super) down: Option<Hash>,
    pub(super) up_filename: String,
    pub(super) down_filename: String,
}

fn call(namespace: &str) -> Call {
    Call {
        namespace: namespace.to_owned(),
        tenant: None,
        among: false,
        dry_run: false,
        outside: Outside::Strip,
        on_error: OnError::Stop,
        skip_roles: true,
        lock_timeout_ms: 3_000,
        wait_ms: 60_000,
        search_path: None,
        vars: Vars::new(),
    }
}

/// What is to be tried of a namespace, with its locks held, behind the hook of a run; nothing of it stays. Errors of statements
/// are raised as they are.
pub(super) fn with_trial<T>(
    name: &str,
    check_rows: bool,
    work: impl FnOnce(&Trial<'_>) -> Result<T>,
) -> Result<T> {
    spi::refuse_read_only(c"a trial of migrations");
    runs::need_read_committed()?;
    let _inside = locks::Inside::begin()?;
    namespace::of_member(name)?;
    let call = call(name);
    locks::run(name, None, call.wait_ms)?;
    let namespace = namespace::of_member(name)?;
    let starts_as = namespace.starts_as()?;
    let known = Known::of(namespace, None)?;
    let trial = Trial {
        decided: Decided {
            known: &known,
            call: &call,
            starts_as,
            mode: Mode::Atomic,
        },
        before: Leftovers::now()?,
        check_rows,
    };
    let sequences = Sequences::now()?;
    let found = subxact::peek_then(
        || {
            let told = "It was only tried.";
            trial.decided.hooks(Hook::BeforeAll, &trial.before, told)?;
            work(&trial)
        },
        || sequences.put_back(),
    );
    trial.before.settle()?;
    found
}

fn one<'a>(
    known: &Known,
    version: &'a Version,
    file: Option<&'a File>,
    row: Option<&'a Applied>,
) -> One<'a> {
    let key = file.map(|f| &f.key).or(row.map(|r| &r.key));
    let stored = key.and_then(|k| known.stored(k));
    let name = key.map_or("", |k| k.name.as_str());
    // as it ran, where it has run
    let up = row.and_then(|r| r.up).or(file.and_then(|f| f.up));
    let down = match row {
        Some(row) => row.down_sha,
        None => file.and_then(|f| f.down).map(|t| t.sha),
    };
    let filename = |of: Option<String>| of.unwrap_or_else(|| version.to_string());
    One {
        version,
        name,
        up: up.map(|t| t.sha),
        down,
        up_filename: filename(stored.and_then(|s| s.up_filename.clone())),
        down_filename: filename(stored.and_then(|s| s.down_filename.clone())),
    }
}

/// Versions to be tried: those pending up to one, or the applied ones from the head down to it.
pub(super) enum Which<'a> {
    Pending(Vec<One<'a>>),
    /// with the one below them, whose up says what their downs should leave
    Applied(Vec<One<'a>>, Option<One<'a>>),
}

pub(super) fn which<'a>(
    known: &'a Known,
    set: &Set<'a>,
    version: Option<&Version>,
    namespace: &str,
) -> Result<Which<'a>> {
    if let Some(version) = version {
        if !set.knows(version) {
            return Err(Error::new(
                Kind::UndefinedObject,
                format!("version \"{version}\" is not known in namespace \"{namespace}\""),
            )
            .hint(ask::command(
                namespace,
                "SELECT * FROM strata.migrate_status",
                &[],
            )));
        }
        if set.done.get(version).is_some_and(|r| r.counts()) {
            let mut rows: Vec<&Applied> = set
                .done
                .values()
                .copied()
                .filter(|r| r.revertible())
                .collect();
            rows.sort_by_key(|r| std::cmp::Reverse(r.applied_order));
            let to = rows
                .iter()
                .position(|r| r.key.version.as_ref() == Some(version));
            let mut ones: Vec<One<'_>> = rows
                .into_iter()
                .take(to.map_or(0, |n| n + 2))
                .filter_map(|row| {
                    let version = row.key.version.as_ref()?;
                    let file = set.versions.get(version).copied();
                    Some(one(known, version, file, Some(row)))
                })
                .collect();
            let below = match ones.last().is_some_and(|o| o.version != version) {
                true => ones.pop(),
                false => None,
            };
            return Ok(Which::Applied(ones, below));
        }
    }
    let pending = set
        .versions
        .iter()
        .filter(|(v, _)| !set.done.get(*v).is_some_and(|r| r.counts()))
        .filter(|(v, _)| version.is_none_or(|to| **v <= to));
    let ones = pending.map(|(v, file)| one(known, v, Some(file), None));
    Ok(Which::Pending(ones.collect()))
}

impl Trial<'_> {
    pub(super) fn objects(&self) -> Tried<Vec<Object>> {
        attempt(|| snapshots::objects(None, true, Some(&self.decided.known.namespace)))
    }

    pub(super) fn script(&self, sha: Hash, direction: Direction, filename: &str) -> Tried<i32> {
        attempt(|| {
            let script = text::script(&sha, direction)?;
            let told = "It was only tried.";
            self.decided.hooks(Hook::BeforeEach, &self.before, told)?;
            let ran = self
                .decided
                .script(filename, direction, &script, &self.before, told)?;
            self.decided.hooks(Hook::AfterEach, &self.before, told)?;
            Ok(ran.statements)
        })
    }

    pub(super) fn up(&self, one: &One<'_>) -> Tried<i32> {
        one.up.map_or(Ok(0), |sha| {
            self.script(sha, Direction::Up, &one.up_filename)
        })
    }
}
