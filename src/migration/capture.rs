//! Changes of the schema as event triggers see them: who changed what, and which migration did it.
//!
//! The triggers are made by a call and belong to the extension: a dump does not hold them, so a restore neither fires nor
//! enables them, and they go with the extension. Which migration runs is known to this process and cannot be set by SQL.

use super::namespace;
use super::set::{FileKind, Key};
use super::version::Version;
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{self, current_user, relation_oid};
use crate::pg::event_trigger::{self, Event, Fired};
use crate::pg::guc_migration::CAPTURE_KEEP;
use crate::pg::owner::as_extension_owner;
use crate::pg::{session, spi};
use pgrx::datum::{TimestampWithTimeZone, Uuid};
use pgrx::pg_sys;
use std::cell::{Cell, RefCell};

/// Schemas of ours, in which tables come and go by themselves.
const OURS: [&str; 2] = ["strata", "strata_chunks"];
/// After so many changes, old ones are deleted.
const TIDY_EVERY: i64 = 1_000;

const TRIGGERS: [(&str, &str); 2] = [
    ("strata_capture_ddl", "ddl_command_end"),
    ("strata_capture_drop", "sql_drop"),
];
const EXISTS: &str = "SELECT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = $1)";

// What is of a table, such as a trigger, has no schema of its own. A schema counts as lying in itself. Extensions are one
// change each, whatever they bring. The server tells of some commands twice: CREATE OR REPLACE VIEW.
const NOTE: &str = "INSERT INTO strata.migrate_change (namespace, tenant, version, run, command, kind, object, role, session_role) \
    SELECT $1, $2::name, $3, $4, n.command, n.kind, n.object, $6::name, $7::name FROM \
      (SELECT c.command_tag, lower(c.object_type), coalesce(c.object_identity, o.said), min(c.ordinality) \
      FROM pg_event_trigger_ddl_commands() WITH ORDINALITY c \
        LEFT JOIN unnest($5) o(said) ON c.object_identity IS NULL, LATERAL (SELECT coalesce(c.schema_name, CASE \
        WHEN c.object_type IN ('trigger', 'policy', 'rule') \
          THEN (pg_identify_object_as_address(c.classid, c.objid, c.objsubid)).object_names[1] \
        WHEN c.object_type = 'schema' THEN c.object_identity END, '')) p(place) \
      WHERE NOT c.in_extension AND p.place <> ALL ($8) AND p.place !~ '^pg_temp' GROUP BY 1, 2, 3) \
    n(command, kind, object, place) ORDER BY n.place RETURNING id";
// What CASCADE takes along counts as well, without the rules that views are made of. Members of an extension depend on each
// other: of what goes with one, only columns are known to be somebody else's.
const NOTE_DROPPED: &str = "INSERT INTO strata.migrate_change (namespace, tenant, version, run, command, kind, object, role, session_role) \
    SELECT $1, $2::name, $3, $4, ($5)[1], lower(d.object_type), d.object_identity, $6::name, $7::name \
    FROM pg_event_trigger_dropped_objects() d, LATERAL (SELECT coalesce(d.schema_name, CASE \
      WHEN d.object_type IN ('trigger', 'policy', 'rule', 'default value') THEN d.address_names[1] \
      WHEN d.object_type = 'schema' THEN d.object_identity END, '')) p(place) \
    WHERE (d.original OR d.normal AND (CASE WHEN ($5)[1] = 'DROP EXTENSION' THEN d.object_type = 'table column' \
      ELSE d.object_type <> 'rule' END)) AND NOT d.is_temporary AND p.place <> ALL ($8) AND p.place !~ '^pg_temp' \
    RETURNING id";
// those that another session is deleting are left to it: nobody waits
// by rows: numbers are used up by what is rolled back as well
const TIDY: &str = "DELETE FROM strata.migrate_change WHERE id IN (SELECT id FROM strata.migrate_change \
    WHERE id <= (SELECT id FROM strata.migrate_change ORDER BY id DESC OFFSET $1 LIMIT 1) \
    ORDER BY id LIMIT 5000 FOR UPDATE SKIP LOCKED)";
const OF_VERSION: &str = "SELECT at, version, command, kind, object, role::text FROM strata.migrate_change \
    WHERE namespace = $1 AND version = $2 ORDER BY id";
const OUTSIDE: &str = "SELECT at, NULL::text, command, kind, object, role::text FROM strata.migrate_change c \
    WHERE c.namespace IS NULL AND ($1 OR EXISTS (SELECT FROM pg_roles r \
      WHERE r.rolname IN (c.role, c.session_role) AND pg_has_role($2, r.oid, 'USAGE'))) ORDER BY c.id";
const JOB: &str = "SELECT namespace, tenant::text, kind, version, name, run FROM strata.migrate_job WHERE id = $1";

/// What is being run.
#[derive(Debug, Clone)]
struct Current {
    namespace: String,
    tenant: String,
    version: String,
    run: Uuid,
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// While alive, changes are those of a migration.
pub struct During(Option<Current>);

impl Drop for During {
    fn drop(&mut self) {
        CURRENT.replace(self.0.take());
    }
}

/// What is done from now on is done by this migration, by its label; empty: by hooks around the whole run.
#[must_use]
pub fn during(namespace: &str, tenant: Option<&str>, version: &str, run: Uuid) -> During {
    During(CURRENT.replace(Some(Current {
        namespace: namespace.to_owned(),
        tenant: tenant.unwrap_or_default().to_owned(),
        version: version.to_owned(),
        run,
    })))
}

/// The same for a statement that is run by itself.
pub fn during_job(id: i64) -> Result<Option<During>> {
    let found = as_extension_owner(|| {
        spi::read_latest(JOB, &[id.into()], |r| {
            let (kind, version): (String, String) = (r.need(3)?, r.need(4)?);
            let key = Key {
                kind: FileKind::named(&kind).unwrap_or(FileKind::Versioned),
                version: Version::parse(&version),
                name: r.need(5)?,
            };
            let (namespace, tenant): (String, String) = (r.need(1)?, r.need(2)?);
            Ok((namespace, tenant, key.label(), r.need::<Uuid>(6)?))
        })
    })?;
    let job = found.into_iter().next();
    Ok(job.map(|(namespace, tenant, label, run)| during(&namespace, Some(&tenant), &label, run)))
}

/// Notes what a statement has changed. It neither waits for anybody nor fails where it cannot: an error would be the
/// statement's own.
pub fn fired(fired: &Fired) -> Result<()> {
    if QUIET.get() || !event_trigger::may_note() {
        return Ok(());
    }
    // partitions of hypertables come and go, and the parent is told of it
    let ours = |schema: &str| OURS.contains(&schema);
    if fired.others_in.as_deref().is_some_and(ours) {
        return Ok(());
    }
    let Some(table) = relation_oid("strata", "migrate_change") else {
        return Ok(());
    };
    if !catalog::try_lock_relation(table, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE) {
        session::warning(
            "a change of the schema was not captured: strata.migrate_change is locked",
            None,
        );
        return Ok(());
    }
    let role = namespace::current_role()?;
    let session_role = namespace::name_of(session::session_user())?;
    let current = CURRENT.with_borrow(Clone::clone);
    let current = current.as_ref();
    let (sql, said) = match fired.event {
        Event::CommandEnd => (NOTE, fired.objects.clone()),
        Event::Drop => (NOTE_DROPPED, vec![fired.tag.clone()]),
    };
    let args = [
        current.map(|c| c.namespace.as_str()).into(),
        current.map(|c| c.tenant.as_str()).into(),
        current.map(|c| c.version.as_str()).into(),
        current.map(|c| c.run).into(),
        said.into(),
        role.into(),
        session_role.into(),
        OURS.map(str::to_owned).to_vec().into(),
    ];
    as_extension_owner(|| {
        let ids = spi::write_kept(sql, &args, |r| r.need::<i64>(1))?;
        let due = ids.into_iter().find(|id| id % TIDY_EVERY == 0);
        due.map_or(Ok(()), tidy)
    })
}

/// Deletes what is too old. Not where it could fail for what others do at the same time.
fn tidy(newest: i64) -> Result<()> {
    let keep = i64::from(CAPTURE_KEEP.get());
    if keep == 0 || newest <= keep || session::transaction_snapshot_is_fixed() {
        return Ok(());
    }
    spi::write_kept(TIDY, &[keep.into()], |_| Ok(())).map(drop)
}

/// Makes the event triggers, or drops them; nothing where that is so already. 42501 for everybody but superusers.
pub fn enable(enable: bool) -> Result<()> {
    spi::refuse_read_only(c"migrate_capture()");
    if !session::is_superuser() {
        return Err(Error::new(
            Kind::InsufficientPrivilege,
            "permission denied to capture changes of the schema",
        )
        .detail("Event triggers see what all roles do, so this needs a superuser."));
    }
    struct Quiet;
    impl Drop for Quiet {
        fn drop(&mut self) {
            QUIET.set(false);
        }
    }
    let table = relation_oid("strata", "migrate_change")
        .ok_or_else(|| Error::internal("strata.migrate_change does not exist"))?;
    // two calls at once
    let mode = pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE;
    catalog::lock_relation(table, mode);
    QUIET.set(true);
    let _quiet = Quiet;
    as_extension_owner(|| {
        for (name, event) in TRIGGERS {
            let exists = spi::read_latest(EXISTS, &[name.into()], |r| r.need::<bool>(1))?;
            for sql in statements(name, event, exists.first() == Some(&true), enable) {
                spi::execute(&sql, &[])?;
            }
        }
        Ok(())
    })
}

fn statements(name: &str, event: &str, exists: bool, enable: bool) -> Vec<String> {
    let mut all = Vec::new();
    match (exists, enable) {
        (false, true) => {
            all.push(format!(
                "CREATE EVENT TRIGGER {name} ON {event} EXECUTE FUNCTION strata._migrate_captured()"
            ));
            all.push(format!(
                "COMMENT ON EVENT TRIGGER {name} IS 'made by strata.migrate_capture(true)'"
            ));
            all.push(format!(
                "ALTER EXTENSION pg_strata ADD EVENT TRIGGER {name}"
            ));
        }
        (true, false) => {
            all.push(format!(
                "ALTER EXTENSION pg_strata DROP EVENT TRIGGER {name}"
            ));
            all.push(format!("DROP EVENT TRIGGER {name}"));
        }
        (true, true) | (false, false) => {}
    }
    if enable {
        // also where it had been switched off, and in sessions that replicate
        all.push(format!("ALTER EVENT TRIGGER {name} ENABLE ALWAYS"));
    }
    all
}

/// A row of `migrate_changes`.
pub type Row = (
    TimestampWithTimeZone,
    Option<String>,
    String,
    String,
    Option<String>,
    String,
);

fn rows(sql: &'static str, args: &[pgrx::datum::DatumWithOid<'_>]) -> Result<Vec<Row>> {
    as_extension_owner(|| {
        spi::read_latest(sql, args, |r| {
            Ok((
                r.need(1)?,
                r.get(2)?,
                r.need(3)?,
                r.need(4)?,
                r.get(5)?,
                r.need(6)?,
            ))
        })
    })
}

/// What a migration has changed, the oldest first: a version, or the label of another file, such as `R__views`. For
/// members of the namespace and pg_monitor; for the latter also where the namespace is gone.
pub fn of_version(version: &str, name: &str) -> Result<Vec<Row>> {
    match namespace::find(name)? {
        Some(found) => found.need_reader()?,
        None => namespace::need_monitor(name)?,
    }
    let label = Version::parse(version).map_or_else(|| version.to_owned(), |v| v.to_string());
    rows(OF_VERSION, &[name.into(), label.into()])
}

/// What no migration has changed, the oldest first: all of it for superusers and pg_monitor, for others what they, or roles
/// that they belong to, have changed.
pub fn outside() -> Result<Vec<Row>> {
    let all = session::is_superuser() || session::has_role(pg_sys::ROLE_PG_MONITOR);
    rows(OUTSIDE, &[all.into(), current_user().into()])
}
