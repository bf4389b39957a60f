//! Bounds that a key takes over from a column it is joined with: `a.ts = b.ts AND a.ts > now() - ...` says
//! `b.ts > now() - ...` as well. Core passes on equalities only, and would read all chunks of `b`.
//!
//! What holds for each row that comes out in the end may be asked of rows that go in: of the rows of an inner
//! join, and, in ON of an outer, semi or anti join, of the side that is looked up.

use super::list;
use super::planner::Key;
use super::planner_clause::{plain_var, strategy};
use super::planner_end::repeatable;
use crate::hypertable::predicate::Op;
use pgrx::pg_sys;
use pgrx::pg_sys::{JoinType, NodeTag};

type Clauses = Vec<*mut pg_sys::Node>;

/// Adds the bounds that follow for the key; `node` is FROM as a whole, with lists of ANDed clauses.
pub(super) unsafe fn add(key: &Key, node: *mut pg_sys::Node) {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        if (*node).type_ == NodeTag::T_FromExpr {
            let from = node.cast::<pg_sys::FromExpr>();
            let one = (*from).fromlist.is_null() || (*(*from).fromlist).length == 1;
            let alone = one
                && list::pointers::<pg_sys::Node>((*from).fromlist)
                    .all(|child| (*child).type_ == NodeTag::T_RangeTblRef);
            if !alone {
                walk(key, node, &Vec::new());
            }
        }
    }
}

/// `known` is true of every row of the result.
unsafe fn walk(key: &Key, node: *mut pg_sys::Node, known: &Clauses) {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        match (*node).type_ {
            NodeTag::T_FromExpr => {
                let from = node.cast::<pg_sys::FromExpr>();
                let mut known = known.clone();
                collect(node, &mut known);
                (*from).quals = extended(key, (*from).quals.cast(), &known).cast();
                for child in list::pointers((*from).fromlist).collect::<Clauses>() {
                    walk(key, child, &known);
                }
            }
            NodeTag::T_JoinExpr => {
                let join = node.cast::<pg_sys::JoinExpr>();
                let mut inside = known.clone();
                let below = match (*join).jointype {
                    JoinType::JOIN_INNER => {
                        collect(node, &mut inside);
                        inside.clone()
                    }
                    JoinType::JOIN_LEFT | JoinType::JOIN_SEMI | JoinType::JOIN_ANTI => {
                        // of the rows that are looked up for, too
                        inside.extend(clauses((*join).quals));
                        collect((*join).larg, &mut inside);
                        known.clone()
                    }
                    _ => {
                        walk(key, (*join).larg, &Vec::new());
                        walk(key, (*join).rarg, &Vec::new());
                        return;
                    }
                };
                (*join).quals = extended(key, (*join).quals.cast(), &inside).cast();
                walk(key, (*join).larg, &below);
                walk(key, (*join).rarg, &inside);
            }
            _ => {}
        }
    }
}

/// The conditions of a node and of the inner joins right below it.
unsafe fn collect(node: *mut pg_sys::Node, into: &mut Clauses) {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        match (*node).type_ {
            NodeTag::T_FromExpr => {
                let from = node.cast::<pg_sys::FromExpr>();
                into.extend(clauses((*from).quals));
                for child in list::pointers((*from).fromlist) {
                    collect(child, into);
                }
            }
            NodeTag::T_JoinExpr => {
                let join = node.cast::<pg_sys::JoinExpr>();
                if (*join).jointype == JoinType::JOIN_INNER {
                    into.extend(clauses((*join).quals));
                    collect((*join).larg, into);
                    collect((*join).rarg, into);
                }
            }
            _ => {}
        }
    }
}

unsafe fn clauses(quals: *mut pg_sys::Node) -> Clauses {
    // SAFETY: NULL or a valid node
    unsafe {
        if quals.is_null() || (*quals).type_ != NodeTag::T_List {
            return Vec::new();
        }
        list::pointers(quals.cast()).collect()
    }
}

/// The clauses and what follows from them and the known ones.
unsafe fn extended(key: &Key, quals: *mut pg_sys::List, known: &Clauses) -> *mut pg_sys::List {
    // SAFETY: NIL or a list of clauses
    unsafe {
        let own = clauses(quals.cast());
        let mut added = Clauses::new();
        for clause in &own {
            let Some((mine, other)) = joined(key, *clause) else {
                continue;
            };
            for bound in known {
                let Some(made) = carried(key, mine, other, *bound) else {
                    continue;
                };
                let same = |c: &*mut pg_sys::Node| pg_sys::equal((*c).cast(), made.cast());
                if !known.iter().any(same) && !added.iter().any(same) {
                    added.push(made);
                }
            }
        }
        added
            .into_iter()
            .fold(quals, |list, c| pg_sys::lappend(list, c.cast()))
    }
}

/// The key and the column that a clause says it equals.
unsafe fn joined(
    key: &Key,
    clause: *mut pg_sys::Node,
) -> Option<(*mut pg_sys::Var, *mut pg_sys::Var)> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        let (operator, left, right) = sides(clause)?;
        let column = |node: *mut pg_sys::Node| {
            let var = node.cast::<pg_sys::Var>();
            ((*node).type_ == NodeTag::T_Var
                && (*var).varlevelsup == 0
                && (*var).vartype == key.type_oid)
                .then_some(var)
        };
        let (left, right) = column(left).zip(column(right))?;
        if strategy(operator, key.family)? != Op::Eq {
            return None;
        }
        let is_key = |var: *mut pg_sys::Var| {
            (*var).varno as u32 == key.relid && (*var).varattno == key.attnum
        };
        match (is_key(left), is_key(right)) {
            (true, false) => Some((left, right)),
            (false, true) => Some((right, left)),
            _ => None,
        }
    }
}

/// `mine op value` out of `other op value`, where the value is no column.
unsafe fn carried(
    key: &Key,
    mine: *mut pg_sys::Var,
    other: *mut pg_sys::Var,
    bound: *mut pg_sys::Node,
) -> Option<*mut pg_sys::Node> {
    // SAFETY: nodes of the planner are valid and tagged; copies are made of what is used again
    unsafe {
        let (operator, left, right) = sides(bound)?;
        let is_other = |node: *mut pg_sys::Node| {
            plain_var(node, (*other).varno as u32)
                .is_some_and(|var| pg_sys::equal(var.cast(), other.cast()))
        };
        let (operator, value) = if is_other(left) {
            (operator, right)
        } else if is_other(right) {
            (pg_sys::get_commutator(operator), left)
        } else {
            return None;
        };
        if strategy(operator, key.family)? == Op::Eq || !repeatable(value) {
            return None;
        }
        let clause = pg_sys::make_opclause(
            operator,
            pg_sys::BOOLOID,
            false,
            pg_sys::copyObjectImpl(mine.cast()).cast(),
            pg_sys::copyObjectImpl(value.cast()).cast(),
            pg_sys::InvalidOid,
            pg_sys::InvalidOid,
        )
        .cast::<pg_sys::OpExpr>();
        (*clause).opfuncid = pg_sys::get_opcode(operator);
        Some(clause.cast())
    }
}

/// Operator and arguments of a clause with two of them.
unsafe fn sides(
    clause: *mut pg_sys::Node,
) -> Option<(pg_sys::Oid, *mut pg_sys::Node, *mut pg_sys::Node)> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        if clause.is_null() || (*clause).type_ != NodeTag::T_OpExpr {
            return None;
        }
        let expr = clause.cast::<pg_sys::OpExpr>();
        let args: Clauses = list::pointers((*expr).args).collect();
        let &[left, right] = args.as_slice() else {
            return None;
        };
        Some(((*expr).opno, left, right))
    }
}
