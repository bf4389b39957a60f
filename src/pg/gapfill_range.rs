//! The range of a gap-filling query as its conditions tell it: comparisons of the time column in WHERE
//! and in inner joins, all of which every row must meet.

use super::gapfill_keep::is_never;
use super::planner_clause::is_derived;
use super::{compat, list};
use crate::hypertable::gapfill::Side;
use pgrx::pg_sys;

/// A condition `time OP value` that every row meets.
pub struct Bound {
    pub side: Side,
    /// true for >=, <= and =
    pub inclusive: bool,
    /// the value, of the type of the key or, for a date, of date or timestamp
    pub value: *mut pg_sys::Expr,
}

struct Search<'a> {
    time: *mut pg_sys::Expr,
    family: pg_sys::Oid,
    found: &'a mut Vec<Bound>,
}

/// All conditions of the query on `time`.
///
/// # Safety
/// The query must be the planner's own, preprocessed one, `time` an expression of it.
pub unsafe fn bounds(parse: *mut pg_sys::Query, time: *mut pg_sys::Expr) -> Vec<Bound> {
    let mut found = Vec::new();
    // SAFETY: promised by the caller; entries of the type cache live as long as the process
    unsafe {
        let key = pg_sys::exprType(time.cast());
        let entry = pg_sys::lookup_type_cache(key, pg_sys::TYPECACHE_BTREE_OPFAMILY as i32);
        let mut search = Search {
            time,
            family: (*entry).btree_opf,
            found: &mut found,
        };
        search.from((*parse).jointree.cast());
    }
    found
}

impl Search<'_> {
    /// Items of FROM whose conditions hold for every row of the result.
    unsafe fn from(&mut self, node: *mut pg_sys::Node) {
        use pg_sys::JoinType as J;
        if node.is_null() {
            return;
        }
        // SAFETY: nodes of the query, cast by their tags
        unsafe {
            match (*node).type_ {
                pg_sys::NodeTag::T_FromExpr => {
                    let from = node.cast::<pg_sys::FromExpr>();
                    self.conditions((*from).quals);
                    for item in list::pointers((*from).fromlist) {
                        self.from(item);
                    }
                }
                pg_sys::NodeTag::T_JoinExpr => {
                    let join = node.cast::<pg_sys::JoinExpr>();
                    if matches!((*join).jointype, J::JOIN_INNER | J::JOIN_SEMI) {
                        self.conditions((*join).quals);
                    }
                    if matches!(
                        (*join).jointype,
                        J::JOIN_INNER | J::JOIN_SEMI | J::JOIN_LEFT | J::JOIN_ANTI
                    ) {
                        self.from((*join).larg);
                    }
                    if matches!((*join).jointype, J::JOIN_INNER | J::JOIN_RIGHT) {
                        self.from((*join).rarg);
                    }
                }
                _ => {}
            }
        }
    }

    unsafe fn conditions(&mut self, node: *mut pg_sys::Node) {
        if node.is_null() {
            return;
        }
        // SAFETY: nodes of the query, cast by their tags
        unsafe {
            match (*node).type_ {
                pg_sys::NodeTag::T_List => {
                    for item in list::pointers(node.cast()) {
                        self.conditions(item);
                    }
                }
                pg_sys::NodeTag::T_BoolExpr => {
                    let both = node.cast::<pg_sys::BoolExpr>();
                    if (*both).boolop == pg_sys::BoolExprType::AND_EXPR {
                        self.conditions((*both).args.cast());
                    }
                }
                pg_sys::NodeTag::T_OpExpr => self.comparison(node.cast()),
                _ => {}
            }
        }
    }

    unsafe fn comparison(&mut self, op: *mut pg_sys::OpExpr) {
        // SAFETY: an operator of the query
        unsafe {
            // what the planner hook adds on hypertables prunes chunks and is not what was asked
            if is_derived(op) {
                return;
            }
            let args: Vec<*mut pg_sys::Expr> = list::pointers((*op).args).collect();
            let &[left, right] = args.as_slice() else {
                return;
            };
            let is_time = |e: *mut pg_sys::Expr| pg_sys::equal(e.cast(), self.time.cast());
            let (value, flipped) = match (is_time(left), is_time(right)) {
                (true, false) => (right, false),
                (false, true) => (left, true),
                _ => return,
            };
            let Some(strategy) = compat::btree_strategy((*op).opno, self.family) else {
                return;
            };
            let strategy = if flipped { 6 - strategy } else { strategy };
            let (start, finish, inclusive) = match strategy {
                1 => (false, true, false),
                2 => (false, true, true),
                3 => (true, true, true),
                4 => (true, false, true),
                5 => (true, false, false),
                _ => return,
            };
            if !is_fixed(value.cast()) {
                return;
            }
            let Some(value) = as_key(value, pg_sys::exprType(self.time.cast())) else {
                return;
            };
            for (side, wanted) in [(Side::Start, start), (Side::Finish, finish)] {
                if wanted {
                    self.found.push(Bound {
                        side,
                        inclusive,
                        value,
                    });
                }
            }
        }
    }
}

/// True when WHERE holds for no row; conditions may be gone then, which the planner made one constant of, or
/// compare with NULL.
///
/// # Safety
/// The query must be the planner's own, preprocessed one.
pub unsafe fn never(parse: *mut pg_sys::Query) -> bool {
    // SAFETY: promised by the caller; cast by the tags
    unsafe {
        let quals = (*(*parse).jointree).quals;
        if quals.is_null() || (*quals).type_ != pg_sys::NodeTag::T_List {
            return false;
        }
        list::pointers::<pg_sys::Node>(quals.cast()).any(|qual| is_never(qual))
    }
}

/// True for an expression that has one value for the whole query.
///
/// # Safety
/// `node` must be a valid expression.
pub unsafe fn is_fixed(node: *mut pg_sys::Node) -> bool {
    // SAFETY: promised by the caller
    unsafe {
        !pg_sys::contain_var_clause(node)
            && !pg_sys::contain_volatile_functions(node)
            && !pg_sys::contain_agg_clause(node)
            && !pg_sys::contain_subplans(node)
    }
}

/// The value in the type that the range is computed in. A date is compared with a timestamp as it is.
unsafe fn as_key(value: *mut pg_sys::Expr, key: pg_sys::Oid) -> Option<*mut pg_sys::Expr> {
    // SAFETY: a valid expression; the result is one or NULL
    unsafe {
        let own = pg_sys::exprType(value.cast());
        let wanted = match (key, own) {
            (pg_sys::DATEOID, pg_sys::TIMESTAMPTZOID) => pg_sys::TIMESTAMPOID,
            (pg_sys::DATEOID, pg_sys::TIMESTAMPOID) => own,
            (pg_sys::INT2OID | pg_sys::INT4OID | pg_sys::INT8OID, _) => pg_sys::INT8OID,
            _ => key,
        };
        if own == wanted {
            return Some(value);
        }
        let cast = pg_sys::coerce_to_target_type(
            std::ptr::null_mut(),
            value.cast(),
            own,
            wanted,
            -1,
            pg_sys::CoercionContext::COERCION_EXPLICIT,
            pg_sys::CoercionForm::COERCE_IMPLICIT_CAST,
            -1,
        );
        (!cast.is_null()).then_some(cast.cast())
    }
}
