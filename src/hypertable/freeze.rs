//! `freeze_chunk`: a chunk whose rows nobody changes, and that nothing of ours removes.
//!
//! What keeps the rows is PostgreSQL's own and stays when the extension goes: a CHECK that no new row can
//! meet (not validated, so that the planner concludes nothing from it), and triggers without code of ours
//! against DELETE and TRUNCATE. PostgreSQL has no constraint on deletion, so the triggers' WHEN raises: a
//! text that is no boolean, and that says why.

use super::chunks::ddl_settings;
use super::target::{Target, is_frozen, owned_chunk};
use crate::error::Result;
use crate::pg::catalog::lock_relation;
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::pg_sys;

/// Name of the CHECK and of the trigger on DELETE.
pub const NAME: &str = "strata_frozen";
const NAME_TRUNCATE: &str = "strata_frozen_truncate";
const WHY: &str = "this chunk is frozen, strata.unfreeze_chunk allows changes again";

// never reached, since WHEN raises; and it would refuse anything but an UPDATE
const FUNCTION: &str = "pg_catalog.suppress_redundant_updates_trigger()";

const MARK: &str = "
INSERT INTO strata.chunk (chunk, origin, frozen) VALUES ($1::oid::regclass, 'user', $2)
ON CONFLICT (chunk) DO UPDATE SET frozen = EXCLUDED.frozen";

/// Freezes a chunk; false when it was frozen. Takes ShareUpdateExclusiveLock on the hypertable, so that
/// nobody drops it meanwhile, and AccessExclusiveLock on the chunk.
pub fn freeze(chunk: pg_sys::Oid) -> Result<bool> {
    let target = locked(chunk)?;
    if is_frozen(chunk)? {
        return Ok(false);
    }
    target.refuse_cold("freeze")?;
    guard(&target)?;
    mark(chunk, true)?;
    Ok(true)
}

/// Undoes it; false when it was not frozen. The same locks.
pub fn unfreeze(chunk: pg_sys::Oid) -> Result<bool> {
    let target = locked(chunk)?;
    if !is_frozen(chunk)? {
        return Ok(false);
    }
    unguard(&target)?;
    mark(chunk, false)?;
    Ok(true)
}

fn unguard(target: &Target) -> Result<()> {
    let name = target.qualified();
    let _settings = ddl_settings();
    let _quietly = super::target::quietly();
    as_extension_owner(|| {
        for sql in [
            format!("DROP TRIGGER IF EXISTS {NAME} ON {name}"),
            format!("DROP TRIGGER IF EXISTS {NAME_TRUNCATE} ON {name}"),
            format!("ALTER TABLE {name} DROP CONSTRAINT IF EXISTS {NAME}"),
        ] {
            spi::execute(&sql, &[])?;
        }
        Ok(())
    })
}

/// Puts all of it on a chunk that has a part of it.
pub fn guard_again(target: &Target) -> Result<()> {
    unguard(target)?;
    guard(target)
}

fn locked(chunk: pg_sys::Oid) -> Result<Target> {
    let target = owned_chunk(chunk)?;
    lock_relation(
        target.h.table.oid,
        pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE,
    );
    // once more: it may have been dropped or detached while we waited
    owned_chunk(chunk)
}

/// Puts the constraint and the triggers on a chunk that has none of them.
fn guard(target: &Target) -> Result<()> {
    let name = target.qualified();
    let _settings = ddl_settings();
    as_extension_owner(|| {
        for sql in [
            format!("ALTER TABLE {name} ADD CONSTRAINT {NAME} CHECK (false) NOT VALID"),
            format!(
                "CREATE TRIGGER {NAME} BEFORE DELETE ON {name} FOR EACH ROW \
                 WHEN ('{WHY}'::text::boolean) EXECUTE FUNCTION {FUNCTION}"
            ),
            format!(
                "CREATE TRIGGER {NAME_TRUNCATE} BEFORE TRUNCATE ON {name} FOR EACH STATEMENT \
                 WHEN ('{WHY}'::text::boolean) EXECUTE FUNCTION {FUNCTION}"
            ),
            format!("ALTER TABLE {name} ENABLE ALWAYS TRIGGER {NAME}"),
            format!("ALTER TABLE {name} ENABLE ALWAYS TRIGGER {NAME_TRUNCATE}"),
        ] {
            spi::execute(&sql, &[])?;
        }
        Ok(())
    })
}

fn mark(chunk: pg_sys::Oid, frozen: bool) -> Result<()> {
    as_extension_owner(|| spi::execute(MARK, &[chunk.into(), frozen.into()]))?;
    Ok(())
}
