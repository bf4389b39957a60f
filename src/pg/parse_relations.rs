//! The tables that a statement with CONCURRENTLY is about, and whether it matters to them.

use super::list;
use super::parse::Parsed;
use super::parse_kind::{Kind, Outside};
use pgrx::pg_sys;

const SHARED: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
const NO_LOCK: pg_sys::LOCKMODE = pg_sys::NoLock as pg_sys::LOCKMODE;

impl Parsed {
    /// True when statement `n` would keep somebody from a table for as long as its rows take: one that is there, was not
    /// made in this transaction, and has pages. Names are looked up as the statement would do it.
    #[must_use]
    pub fn needs_concurrently(&self, n: usize) -> bool {
        let (Some(raw), Some(statement)) = (self.tree(n), self.statements.get(n)) else {
            return false;
        };
        let Kind::Outside(outside) = &statement.kind else {
            return false;
        };
        // SAFETY: the kind says what the tree is
        unsafe {
            let node = (*raw).stmt;
            match outside {
                Outside::CreateIndexConcurrently => {
                    has_rows((*node.cast::<pg_sys::IndexStmt>()).relation)
                }
                Outside::DropIndexConcurrently => {
                    let objects = (*node.cast::<pg_sys::DropStmt>()).objects;
                    list::pointers::<pg_sys::List>(objects)
                        .any(|name| has_rows(pg_sys::makeRangeVarFromNameList(name)))
                }
                Outside::ReindexConcurrently => {
                    let relation = (*node.cast::<pg_sys::ReindexStmt>()).relation;
                    // a schema or a database
                    relation.is_null() || has_rows(relation)
                }
                Outside::DetachConcurrently => {
                    has_rows((*node.cast::<pg_sys::AlterTableStmt>()).relation)
                }
                _ => false,
            }
        }
    }
}

impl Parsed {
    /// The table of statement `n`, if that builds indexes of it with CONCURRENTLY, and the name of the index where one is
    /// given.
    #[must_use]
    pub fn concurrent_build(&self, n: usize) -> Option<(pg_sys::Oid, Option<String>)> {
        let (raw, statement) = (self.tree(n)?, self.statements.get(n)?);
        let Kind::Outside(outside) = &statement.kind else {
            return None;
        };
        // SAFETY: the kind says what the tree is
        unsafe {
            let node = (*raw).stmt;
            match outside {
                Outside::CreateIndexConcurrently => {
                    let stmt = node.cast::<pg_sys::IndexStmt>();
                    let name = super::parse_kind::optional((*stmt).idxname);
                    Some((find((*stmt).relation)?, name))
                }
                Outside::ReindexConcurrently => {
                    let relation = (*node.cast::<pg_sys::ReindexStmt>()).relation;
                    if relation.is_null() {
                        return None;
                    }
                    Some((table_of(find(relation)?), None))
                }
                _ => None,
            }
        }
    }
}

/// # Safety
/// As [`has_rows`].
unsafe fn find(name: *const pg_sys::RangeVar) -> Option<pg_sys::Oid> {
    let missing_ok = pg_sys::RVROption::RVR_MISSING_OK;
    // SAFETY: promised by the caller
    let found = unsafe {
        pg_sys::RangeVarGetRelidExtended(name, SHARED, missing_ok, None, std::ptr::null_mut())
    };
    (found != pg_sys::InvalidOid).then_some(found)
}

/// The table of an index; of anything else itself.
///
/// # Safety
/// A relation that is locked.
unsafe fn table_of(relation: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: promised by the caller
    unsafe {
        match pg_sys::get_rel_relkind(relation) as u8 {
            pg_sys::RELKIND_INDEX | pg_sys::RELKIND_PARTITIONED_INDEX => {
                pg_sys::IndexGetRelation(relation, true)
            }
            _ => relation,
        }
    }
}

/// # Safety
/// A name of the parser, in a transaction.
unsafe fn has_rows(name: *const pg_sys::RangeVar) -> bool {
    // SAFETY: promised by the caller; an index stays that of its table while it is locked
    unsafe { find(name).is_some_and(|found| pages(table_of(found))) }
}

/// # Safety
/// In a transaction.
unsafe fn pages(table: pg_sys::Oid) -> bool {
    if table == pg_sys::InvalidOid {
        return false;
    }
    // SAFETY: opened and closed here; the lock stays to the end of the transaction, so that what was seen holds
    unsafe {
        let relation = pg_sys::try_relation_open(table, SHARED);
        if relation.is_null() {
            return false;
        }
        let made_here = (*relation).rd_createSubid != 0;
        let kind = (*(*relation).rd_rel).relkind as u8;
        let found = match kind {
            _ if made_here => false,
            pg_sys::RELKIND_PARTITIONED_TABLE => {
                let desc = pg_sys::RelationGetPartitionDesc(relation, false);
                let parts = usize::try_from((*desc).nparts).unwrap_or(0);
                (0..parts).any(|n| pages(*(*desc).oids.add(n)))
            }
            pg_sys::RELKIND_RELATION | pg_sys::RELKIND_MATVIEW => {
                let main = pg_sys::ForkNumber::MAIN_FORKNUM;
                pg_sys::RelationGetNumberOfBlocksInFork(relation, main) > 0
            }
            _ => false,
        };
        pg_sys::relation_close(relation, NO_LOCK);
        found
    }
}
