//! Snapshots of the objects of the database: kept after each run, and compared with what is there now.

use super::ask;
use super::difference::{self, Difference, Object};
use super::known::Known;
use super::namespace::{self, Namespace};
use super::set::Set;
use super::version::Version;
use crate::error::{Error, Kind, Result};
use crate::pg::owner::{SettingScope, as_extension_owner};
use crate::pg::{session, spi, subxact};
use pgrx::JsonB;
use pgrx::datum::Uuid;
use pgrx::pg_sys::Oid;

// the owner may not be the one who may read all: but catalogs are for everybody
const OBJECTS: &str = "SELECT kind, identity, definition, side \
    FROM strata._migrate_objects($1::name[], $2, $3::oid[])";
// in Rust, text is UTF-8
const ODD: &str = "SELECT identity IS NOT NULL, pg_catalog.getdatabaseencoding()::text FROM strata._migrate_objects($1::name[], $2, $3::oid[]) \
    WHERE pg_catalog.concat(kind, identity, definition, side) ~ '[^\\x01-\\x7f]' LIMIT 1";
const RELATION: &str =
    "SELECT coalesce(pg_catalog.to_regclass($1)::pg_catalog.oid, 0::pg_catalog.oid)";
const PUT: &str = "INSERT INTO strata.migrate_snap (namespace, label, run, version, schemas, fingerprint, objects) \
    VALUES ($1, $2, $3, $4, $5::name[], $6, $7) RETURNING id";
const TIDY: &str = "DELETE FROM strata.migrate_snap WHERE namespace = $1 AND label IS NULL AND id NOT IN \
    (SELECT id FROM strata.migrate_snap WHERE namespace = $1 AND label IS NULL ORDER BY id DESC LIMIT $2)";
const NEWEST: &str = "SELECT id, objects, schemas::text[] FROM strata.migrate_snap WHERE namespace = $1 \
    ORDER BY id DESC LIMIT 1";
const NAMED: &str = "SELECT id, objects, schemas::text[] FROM strata.migrate_snap WHERE namespace = $1 \
    AND (label = $2 OR version = $3) ORDER BY coalesce(label = $2, false) DESC, run IS NOT NULL DESC, id DESC LIMIT 1";
const NUMBERED: &str =
    "SELECT id, objects, schemas::text[] FROM strata.migrate_snap WHERE namespace = $1 AND id = $2";
const KEEP: &str = "SELECT coalesce((settings->>'keep_snapshots')::int, 10) FROM strata.migrate_ns WHERE namespace = $1";

const LOCK_TIMEOUT: &str = "500ms";

/// The objects that are there now, without tables that other tools keep.
pub fn objects(
    schemas: Option<&[String]>,
    acl: bool,
    except: Option<&Namespace>,
) -> Result<Vec<Object>> {
    let relation = except.and_then(|n| n.mirror_relation.as_deref());
    let left_out = match relation {
        Some(relation) => spi::read_latest(RELATION, &[relation.into()], |r| r.need::<Oid>(1))?,
        None => Vec::new(),
    };
    let left_out: Vec<i64> = left_out.iter().map(|o| i64::from(o.to_u32())).collect();
    as_extension_owner(|| {
        let args = [
            schemas.map(<[String]>::to_vec).into(),
            acl.into(),
            left_out.into(),
        ];
        if session::has_other_texts() {
            let odd = spi::read_latest(ODD, &args, |r| r.need::<String>(2))?;
            if let Some(encoding) = odd.first() {
                let text = format!(
                    "names and definitions that are not ASCII cannot be compared in a database in {encoding}"
                );
                return Err(Error::new(Kind::NotSupported, text));
            }
        }
        spi::read_latest(OBJECTS, &args, |r| {
            Ok(Object {
                kind: r.need(1)?,
                identity: r.need(2)?,
                definition: r.get(3)?,
                side: r.get(4)?,
            })
        })
    })
}

/// SHA-256 over what is there now, in hex.
pub fn fingerprint(schemas: Option<&[String]>, acl: bool) -> Result<String> {
    Ok(difference::fingerprint(&objects(schemas, acl, None)?))
}

/// Keeps a snapshot; its number.
pub fn put(
    known: &Known,
    label: Option<&str>,
    schemas: Option<&[String]>,
    run: Option<Uuid>,
    head: Option<&Version>,
) -> Result<i64> {
    let namespace = &known.namespace;
    let objects = objects(schemas, false, Some(namespace))?;
    let json = serde_json::to_value(&objects).map_err(|e| Error::internal(e.to_string()))?;
    let args = [
        namespace.name.as_str().into(),
        label.into(),
        run.into(),
        head.map(Version::as_str).into(),
        schemas.map(<[String]>::to_vec).into(),
        difference::fingerprint(&objects).into(),
        JsonB(json).into(),
    ];
    let id = as_extension_owner(|| {
        let id = spi::write_kept(PUT, &args, |r| r.need::<i64>(1))?;
        let name = namespace.name.as_str();
        let keep = spi::read_latest(KEEP, &[name.into()], |r| r.need::<i32>(1))?;
        let keep = keep.first().copied().unwrap_or(10).max(1);
        spi::execute_latest(TIDY, &[name.into(), i64::from(keep).into()])?;
        Ok::<_, Error>(id)
    })?;
    id.first()
        .copied()
        .ok_or_else(|| Error::internal("a snapshot was not kept"))
}

/// What a run that has changed something keeps at its end.
pub fn after_run(known: &Known, tenant: Option<&str>, run: Uuid) -> Result<()> {
    let rows = super::catalog::applied(&known.namespace.name, tenant)?;
    let applied: Vec<_> = rows.into_iter().map(|r| r.applied).collect();
    let head = Set::new(&known.files, &applied).head().cloned();
    // printing expressions takes locks on their tables: whoever holds one must not hold up a run that is done
    let tried = subxact::attempt(|| {
        let settings = SettingScope::new();
        settings.set("lock_timeout", LOCK_TIMEOUT);
        put(known, None, None, Some(run), head.as_ref())
    });
    let why = match tried {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error.message,
        Err(caught) => caught.message,
    };
    let call = ask::command(&known.namespace.name, "SELECT strata.migrate_snapshot", &[]);
    let hint = format!(
        "{call} keeps one; until then strata.migrate_drift() compares with the one before."
    );
    session::notice(&format!("no snapshot was kept: {why}"), Some(&hint));
    Ok(())
}

/// `migrate_snapshot`.
pub fn take(label: Option<&str>, schemas: Option<&[String]>, name: &str) -> Result<i64> {
    super::locks::refuse_inside()?;
    if label.is_some_and(str::is_empty) {
        return Err(Error::new(
            Kind::InvalidParameter,
            "label must not be empty",
        ));
    }
    let known = Known::of(namespace::of_member(name)?, None)?;
    let head = Set::new(&known.files, &known.applied).head().cloned();
    put(&known, label, schemas, None, head.as_ref())
}

struct Kept {
    objects: Vec<Object>,
    schemas: Option<Vec<String>>,
}

fn kept(sql: &'static str, args: &[pgrx::datum::DatumWithOid<'_>]) -> Result<Option<Kept>> {
    let found = as_extension_owner(|| {
        spi::read_latest(sql, args, |r| {
            let objects: JsonB = r.need(2)?;
            Ok(Kept {
                objects: serde_json::from_value(objects.0)
                    .map_err(|e| Error::internal(format!("a snapshot cannot be read: {e}")))?,
                schemas: r.get(3)?,
            })
        })
    })?;
    Ok(found.into_iter().next())
}

/// What has changed since the newest snapshot, or since that of a version or label; `None`: there is no snapshot yet.
pub fn drift(since: Option<&str>, name: &str) -> Result<Option<Vec<Difference>>> {
    let found = namespace::find(name)?.ok_or_else(|| namespace::unknown(name))?;
    found.need_reader()?;
    let kept = match since {
        None => kept(NEWEST, &[name.into()])?,
        Some(since) => {
            let version = Version::parse(since).map(|v| v.to_string());
            let kept = kept(NAMED, &[name.into(), since.into(), version.into()])?;
            Some(kept.ok_or_else(|| {
                Error::new(
                    Kind::UndefinedObject,
                    format!("there is no snapshot of version or label \"{since}\" in namespace \"{name}\""),
                )
                .hint(format!(
                    "{} takes one now.",
                    ask::command(name, "SELECT strata.migrate_snapshot", &["'label'"])
                ))
            })?)
        }
    };
    let Some(kept) = kept else { return Ok(None) };
    let now = objects(kept.schemas.as_deref(), false, Some(&found))?;
    Ok(Some(difference::compare(&kept.objects, &now).real))
}

/// What differs between two snapshots, or between one and now.
pub fn diff(from: i64, to: Option<i64>, name: &str) -> Result<Vec<Difference>> {
    let found = namespace::find(name)?.ok_or_else(|| namespace::unknown(name))?;
    found.need_reader()?;
    let numbered = |id: i64| {
        kept(NUMBERED, &[name.into(), id.into()])?.ok_or_else(|| {
            Error::new(
                Kind::UndefinedObject,
                format!("there is no snapshot {id} in namespace \"{name}\""),
            )
        })
    };
    let from = numbered(from)?;
    let to = match to {
        Some(to) => numbered(to)?.objects,
        None => objects(from.schemas.as_deref(), false, Some(&found))?,
    };
    Ok(difference::compare(&from.objects, &to).real)
}
