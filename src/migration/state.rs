//! Changing what counts as applied by somebody's word, and reading it.

use super::ask::{Ask, Mode, OutOfOrder};
use super::books::run_id;
use super::catalog::{self, Event, NewApplied, Place};
use super::declare::{self, Change};
use super::known::Known;
use super::plan;
use super::runs;
use super::set::Set;
use super::text::hex;
use super::validate::{self, Problem};
use super::version::Version;
use super::{deferred_known, locks, namespace};
use crate::error::{Error, Kind, Result};
use crate::pg::subxact;

/// What is known, for whoever may read it.
pub fn known(namespace: &str, tenant: Option<&str>) -> Result<Known> {
    let found = namespace::find(namespace)?.ok_or_else(|| namespace::unknown(namespace))?;
    found.need_reader()?;
    let mut known = Known::of(found, tenant)?;
    known.see_abandoned(tenant)?;
    Ok(known)
}

/// The same for whoever may change it; the lock of the namespace is held to the end of the transaction.
fn locked(namespace: &str, tenant: Option<&str>, take_over: bool) -> Result<Known> {
    runs::need_read_committed()?;
    locks::state(namespace, tenant)?;
    let mut known = Known::of(namespace::of_member(namespace)?, tenant)?;
    deferred_known::refuse_downs(namespace, tenant)?;
    // what is left running is refused where it matters
    known.settle_running(tenant)?;
    if let Some(mirrored) = known.mirrored(tenant)? {
        locks::others(namespace, &mirrored.locks()?, locks::PATIENCE_MS)?;
        if take_over {
            mirrored.take_over(&mut known, tenant)?;
        }
    }
    Ok(known)
}

/// The highest version that is applied.
pub fn head(known: &Known) -> Option<String> {
    Set::new(&known.files, &known.applied)
        .head()
        .map(ToString::to_string)
}

/// A row of `migrate_validate`: version, problem, detail.
pub type Wrong = (Option<String>, &'static str, String);

/// Everything that is not well: with files and state, with statements that were put off, with the table of another tool.
pub fn problems(known: &Known, tenant: Option<&str>) -> Result<Vec<Wrong>> {
    let mut found = validate::validate(&known.files, &known.applied);
    for stored in known.stored.iter().filter(|s| s.file.present) {
        for (direction, facts) in [("up", &stored.facts.up), ("down", &stored.facts.down)] {
            if let Some(why) = facts.as_ref().and_then(|f| f.refused.as_ref()) {
                let detail = format!("{direction}: {why}.");
                validate::add(&mut found, &stored.file.key, Problem::Refused, detail);
            }
        }
    }
    let mut rows: Vec<Wrong> = found
        .into_iter()
        .map(|f| (Some(f.key.label()), f.problem.word(), f.detail))
        .collect();
    // what a repair has accepted is told no more
    for (version, put_off) in deferred_known::failed(&known.namespace.name, tenant)? {
        let of = rows.iter_mut().find(|(label, problem, _)| {
            label.as_deref() == Some(&version) && *problem == Problem::AppliedWithErrors.word()
        });
        if let Some((.., detail)) = of {
            *detail = format!("A statement that was put off has failed: {put_off}.");
        }
    }
    if known.namespace.mirror_tool.is_some() {
        rows.extend(mirror_problem(known, tenant));
    }
    Ok(rows)
}

/// The table is the user's: whoever may not read it is told so.
fn mirror_problem(known: &Known, tenant: Option<&str>) -> Option<Wrong> {
    let looked = subxact::attempt(|| match known.mirrored(tenant)? {
        Some(mirrored) => mirrored.dirty(),
        None => Ok(None),
    });
    match looked {
        Ok(Ok(None)) => None,
        Ok(Ok(Some(version))) => Some((
            u64::try_from(version).ok().map(|v| v.to_string()),
            Problem::MirrorDirty.word(),
            "golang-migrate stopped, or is still, on its way there.".to_owned(),
        )),
        Ok(Err(error)) if error.kind == Kind::UndefinedTable => {
            Some((None, Problem::MirrorMissing.word(), error.message))
        }
        Ok(Err(error)) => Some((None, Problem::MirrorUnreadable.word(), error.message)),
        Err(caught) => Some((None, Problem::MirrorUnreadable.word(), caught.message)),
    }
}

/// What an up would do now, whatever stands in its way.
pub fn pending(known: &Known, tenant: Option<&str>) -> Result<Vec<plan::Step>> {
    let ask = Ask::up(None, None, OutOfOrder::Allow)?;
    Ok(plan::plan(
        &known.files,
        &known.applied,
        &ask,
        &known.context(tenant, Mode::Atomic),
    )?
    .steps)
}

/// Says which version is the last applied one.
pub fn force(
    version: Option<&Version>,
    reason: &str,
    tenant: Option<&str>,
    ns: &str,
) -> Result<()> {
    need_reason(reason)?;
    let known = locked(ns, tenant, false)?;
    let changes = declare::force(
        &known.files,
        &known.applied,
        version,
        &known.context(tenant, Mode::Atomic),
    )?;
    write(&known, tenant, &changes, "force", Some(reason))?;
    known.write_mirrored(tenant)
}

/// Says that everything up to a version is there.
pub fn baseline(
    version: &Version,
    reason: Option<&str>,
    tenant: Option<&str>,
    ns: &str,
) -> Result<()> {
    let known = locked(ns, tenant, true)?;
    let changes = declare::baseline(
        &known.files,
        &known.applied,
        version,
        &known.context(tenant, Mode::Atomic),
    )?;
    write(&known, tenant, &changes, "baseline", reason)?;
    known.write_mirrored(tenant)
}

/// Accepts texts as they are, and clears failures; what changed.
pub fn repair(
    version: Option<&Version>,
    reason: Option<&str>,
    tenant: Option<&str>,
    ns: &str,
) -> Result<Vec<(String, &'static str)>> {
    let known = locked(ns, tenant, true)?;
    let changes = declare::repair(
        &known.files,
        &known.applied,
        version,
        &known.context(tenant, Mode::Atomic),
    )?;
    write(&known, tenant, &changes, "repair", reason)?;
    known.write_mirrored(tenant)?;
    Ok(changes
        .iter()
        .map(|c| (c.key.label(), c.what.word()))
        .collect())
}

fn need_reason(reason: &str) -> Result<()> {
    if reason.trim().is_empty() {
        return Err(
            Error::new(Kind::InvalidParameter, "reason must not be empty")
                .hint("It stands in strata.migrate_history() for whoever asks later."),
        );
    }
    Ok(())
}

pub fn write(
    known: &Known,
    tenant: Option<&str>,
    changes: &[Change],
    event: &'static str,
    reason: Option<&str>,
) -> Result<()> {
    let role = namespace::current_role()?;
    let place = Place {
        namespace: &known.namespace.name,
        tenant,
        run: run_id(),
        role: &role,
    };
    let label = |v: &Option<Version>| v.as_ref().map(ToString::to_string).unwrap_or_default();
    let (mut put, mut dropped, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        let key = &change.key;
        let mut row = NewApplied {
            kind: key.kind.name(),
            version: label(&key.version),
            name: key.name.clone(),
            ..NewApplied::default()
        };
        events.push(Event {
            event,
            version: row.version.clone(),
            name: format!("{}: {}", key.name, change.what.word()),
            reason: reason.map(str::to_owned),
            ..Event::default()
        });
        match &change.row {
            None => dropped.push(row),
            Some(new) => {
                row.state = new.state.word();
                row.source = new.source.word();
                row.up_sha = new.up.map(|t| hex(&t.sha));
                row.up_fp = new.up.map(|t| hex(&t.fingerprint));
                row.down_sha = new.down_sha.map(|h| hex(&h));
                // the last word about a migration counts
                put.retain(|r: &NewApplied| {
                    (r.kind, &r.version, &r.name) != (row.kind, &row.version, &row.name)
                });
                put.push(row);
            }
        }
    }
    if changes.is_empty() {
        // that somebody has said so is kept in any case
        events.push(Event {
            event,
            reason: reason.map(str::to_owned),
            ..Event::default()
        });
    }
    catalog::drop_applied(&place, &dropped)?;
    catalog::put_applied(&place, &put)?;
    catalog::put_events(&place, &events)
}

/// Names a version; without one the highest applied.
pub fn tag(tag: &str, version: Option<&Version>, ns: &str) -> Result<()> {
    let valid = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if tag.is_empty() || tag.len() > 255 || !tag.chars().all(valid) {
        return Err(Error::new(
            Kind::InvalidParameter,
            format!("\"{tag}\" is not the name of a tag"),
        )
        .hint("Use letters, digits, _, - and . without the @ that targets have."));
    }
    let known = locked(ns, None, true)?;
    let set = Set::new(&known.files, &known.applied);
    if let Some(version) = version.filter(|v| !set.knows(v)) {
        return Err(Error::new(
            Kind::UndefinedObject,
            format!("version \"{version}\" is not known in namespace \"{ns}\""),
        ));
    }
    let version = version.or_else(|| set.head());
    catalog::put_tag(ns, tag, version, &namespace::current_role()?)
}
