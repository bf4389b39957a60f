//! `migrate_generate_down`: runs an up, looks at the catalog before each of its statements, and undoes all of it.

use super::ask;
use super::beforehand;
use super::ddl::Ddl;
use super::difference::{self, Difference};
use super::engine::{Engine, Watch};
use super::header::Headers;
use super::inverse::{self, Basis, Down};
use super::inverse_find::Live;
use super::name::Hook;
use super::runs::Decided;
use super::scene::Scene;
use super::set::{Direction, Set};
use super::text::{self, Script};
use super::verify::{self, One, Trial, Which};
use super::version::Version;
use crate::error::{Error, Kind, Result};
use crate::pg::parse::Parsed;
use crate::pg::savepoint::with_savepoints;
use crate::pg::session;
use std::borrow::Cow;
use std::cell::RefCell;

const TOLD: &str = "It was only tried.";

/// The way back from one statement.
struct Way {
    /// the search path that its names are meant with
    path: String,
    downs: Vec<Down>,
}

/// The way back from each statement, in the order of the statements.
struct Ways {
    live: Live,
    all: RefCell<Vec<Way>>,
}

impl Watch for Ways {
    fn before(&self, parsed: &Parsed, n: usize) -> Result<()> {
        let parts: Vec<Ddl> = parsed.ddl(n);
        let mut downs = Vec::new();
        for ddl in parts.iter().rev() {
            downs.extend(inverse::invert(ddl, &self.live));
        }
        self.live.check()?;
        let path = search_path();
        self.all.borrow_mut().push(Way { path, downs });
        Ok(())
    }
}

fn search_path() -> String {
    session::setting("search_path").unwrap_or_default()
}

impl Ways {
    /// All of it, the last statement first. `path`: the search path with which it begins.
    fn back(self, mut path: String) -> Vec<Down> {
        let mut all = Vec::new();
        for way in self.all.into_inner().into_iter().rev() {
            // comments need none
            if way.downs.iter().any(|d| !d.sql.starts_with("--")) && way.path != path {
                let value = match way.path.is_empty() {
                    true => "''",
                    false => &way.path,
                };
                all.push(Down::syntax(format!("SET LOCAL search_path = {value}")));
                path.clone_from(&way.path);
            }
            all.extend(way.downs);
        }
        all
    }
}

/// Runs a text as the files of the namespace run, and looks at its statements if asked to.
fn run(
    decided: &Decided<'_>,
    filename: &str,
    direction: Direction,
    script: &Script<'_>,
    trial: &Trial<'_>,
    watch: Option<&dyn Watch>,
) -> Result<()> {
    decided.hooks(Hook::BeforeEach, &trial.before, TOLD)?;
    let filled = script.fill(&decided.call.vars, decided.known.namespace.style)?;
    let twin = beforehand::twin(direction, decided.call);
    let scene = Scene::new(filename, script, &filled, Some(TOLD.to_owned()), Some(twin));
    let rules = decided.rules(script);
    {
        let _settings = decided.settings(script);
        let mut engine = Engine::new(&scene, rules, &trial.before);
        engine.watch = watch;
        with_savepoints(|savepoints| engine.part(savepoints))?;
    }
    decided.hooks(Hook::AfterEach, &trial.before, TOLD)
}

/// The way back from a version. 42704 for one that is not known, P0002 for one without an up, 55000 for one that is
/// applied and that cannot be taken back to see what was there before it. An error of an up is raised as it is.
pub fn down(version: &Version, namespace: &str) -> Result<Vec<Down>> {
    verify::with_trial(namespace, false, |trial| look(trial, version, namespace))
}

fn look(trial: &Trial<'_>, version: &Version, namespace: &str) -> Result<Vec<Down>> {
    let known = trial.decided.known;
    let set = Set::new(&known.files, &known.applied);
    let which = verify::which(known, &set, Some(version), namespace)?;
    let one = match &which {
        Which::Pending(ones) => {
            let (one, before) = match ones.split_last() {
                Some((one, before)) if one.version == version => (one, before),
                _ => return Err(no_up(version, namespace)),
            };
            for earlier in before {
                let Some(sha) = earlier.up else { continue };
                let script = text::script(&sha, Direction::Up)?;
                let filename = &earlier.up_filename;
                run(
                    &trial.decided,
                    filename,
                    Direction::Up,
                    &script,
                    trial,
                    None,
                )?;
            }
            one
        }
        Which::Applied(ones, _) => {
            let one = ones.last().filter(|one| one.version == version);
            let one = one.ok_or_else(|| no_up(version, namespace))?;
            for later in ones {
                let Some(sha) = later.down else {
                    return Err(cannot_go_back(version, later, "it has no down text"));
                };
                trial
                    .script(sha, Direction::Down, &later.down_filename)
                    .map_err(|why| cannot_go_back(version, later, &why))?;
            }
            one
        }
    };
    let sha = one.up.ok_or_else(|| no_up(version, namespace))?;
    let script = text::script(&sha, Direction::Up)?;
    let wanted = trial.objects().map_err(Error::internal)?;
    let ways = Ways {
        live: Live::now()?,
        all: RefCell::default(),
    };
    let filename = &one.up_filename;
    let watch: Option<&dyn Watch> = Some(&ways);
    run(
        &trial.decided,
        filename,
        Direction::Up,
        &script,
        trial,
        watch,
    )?;
    let path = {
        let nothing = written("");
        let _settings = trial.decided.settings(&nothing);
        search_path()
    };
    let mut downs = ways.back(path);
    let text = inverse::script(&downs);
    let tried = verify::try_and_undo(|| {
        verify::attempt(|| {
            let script = written(&text);
            let filename = "the generated down";
            run(
                &trial.decided,
                filename,
                Direction::Down,
                &script,
                trial,
                None,
            )
        })?;
        trial.objects()
    });
    let (why, aside) = match tried {
        Err(why) => (Some(format!("tried, and it fails: {why}")), None),
        Ok(now) => {
            let found = difference::compare(&wanted, &now);
            (differs(&found.real), beside(&found.notes))
        }
    };
    if let Some(why) = why {
        doubt(&mut downs, &why);
    }
    downs.extend(aside.map(|aside| Down::manual("owners and comments", aside)));
    Ok(downs)
}

/// A text without headers.
fn written(text: &str) -> Script<'_> {
    Script {
        section: 0..text.len(),
        body: Cow::Borrowed(text),
        headers: Headers::default(),
    }
}

/// Says of all statements what was seen when they were tried: which of them it was is not known.
fn doubt(downs: &mut Vec<Down>, why: &str) {
    let mut said = false;
    for down in downs.iter_mut() {
        match down.basis {
            Basis::Syntax | Basis::Catalog => down.basis = Basis::Manual,
            Basis::DataLoss => {}
            Basis::Manual => continue,
        }
        said = true;
        down.note = Some(match down.note.take() {
            Some(note) => format!("{note}; {why}"),
            None => why.to_owned(),
        });
    }
    if !said {
        downs.push(Down::manual("the whole", why));
    }
}

/// Owners and comments that are not what they were. A column that comes back stands behind the others.
fn beside(found: &[Difference]) -> Option<String> {
    let shown = |side: &Option<String>| {
        let parts = side.as_deref().unwrap_or_default().split("; ");
        let parts: Vec<&str> = parts.filter(|p| !p.starts_with("position ")).collect();
        match parts.join("; ") {
            none if none.is_empty() => "none".to_owned(),
            parts => parts,
        }
    };
    let named = found.iter().filter_map(|d| {
        let (was, is) = (shown(&d.expected), shown(&d.found));
        (was != is).then(|| format!("{} {} had {was}, and has {is}", d.kind, d.object))
    });
    let mut named: Vec<String> = named.collect();
    let found = named.len();
    named.truncate(5);
    let more = match found - named.len() {
        0 => String::new(),
        n => format!("; and {n} more"),
    };
    (!named.is_empty()).then(|| format!("tried: {}{more}", named.join("; ")))
}

/// What the whole of it does not bring back.
fn differs(found: &[Difference]) -> Option<String> {
    let named: Vec<String> = found
        .iter()
        .take(5)
        .map(|d| format!("{} {} {}", d.change.word(), d.kind, d.object))
        .collect();
    let more = match found.len().saturating_sub(named.len()) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    (!named.is_empty()).then(|| {
        format!(
            "tried, and the whole does not lead back to what was there: {}{more}",
            named.join(", ")
        )
    })
}

fn no_up(version: &Version, namespace: &str) -> Error {
    Error::new(
        Kind::NoData,
        format!("version \"{version}\" has no up text that could be run"),
    )
    .hint(ask::command(
        namespace,
        "SELECT * FROM strata.migrate_status",
        &[],
    ))
}

fn cannot_go_back(version: &Version, later: &One<'_>, why: &str) -> Error {
    Error::new(
        Kind::NotInState,
        format!("version \"{version}\" is applied, and what was there before it cannot be seen"),
    )
    .detail(format!(
        "Its up is run to see it, and for that version \"{}\" would have to be taken back: {why}",
        later.version
    ))
    .hint("Ask for it while the version is pending, or in a database where it is.")
}
