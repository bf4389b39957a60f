//! From the planner's clauses to condition trees: which of them a cold file can decide, and how well.
//!
//! The smallest doubt about a comparison makes it opaque: PostgreSQL evaluates it.

use super::cold_compare::{btree_family, comparison_of, deterministic};
use super::cold_datum::{encoding_of, is_utf8};
use super::cold_value::{Operand, element_type};
use super::list;
use crate::cold::manifest::Manifest;
use crate::cold::mapping::Encoding;
use crate::cold::pushdown::{Class, Leaf, Op, Test, Tree, Truth, classify};
use pgrx::pg_sys;
use pgrx::pg_sys::NodeTag as Tag;

/// SQLite limits the depth of expressions to 1000, and a chain of ORs is as deep as it is long.
const MOST_LEAVES: usize = 200;
/// Operators and functions on text (pg_operator.dat, pg_proc.dat).
const LIKE: u32 = 1209;
const BEGINS_WITH: u32 = 3877;
const STARTS_WITH: u32 = 3696;
/// now(), transaction_timestamp(), statement_timestamp() (pg_proc.dat).
const CLOCKS: [u32; 3] = [1299, 2647, 2648];

/// A clause of the planner and what the file can do for it.
pub(super) struct Clause {
    pub(super) info: *mut pg_sys::RestrictInfo,
    pub(super) tree: Tree,
    pub(super) class: Class,
}

/// The clauses of a relation as trees, and the expressions of their values.
pub(super) struct Clauses {
    pub(super) list: Vec<Clause>,
    pub(super) values: Vec<Operand>,
}

/// Pseudoconstant clauses are left out: other nodes evaluate them.
///
/// # Safety
/// The planner's own structures; `infos` a list of RestrictInfo.
pub(super) unsafe fn read(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    manifest: &Manifest,
    infos: *mut pg_sys::List,
) -> Clauses {
    // SAFETY: promised by the caller
    unsafe {
        let mut builder = Builder {
            root,
            relid: (*rel).relid,
            values: vec![],
            leaves: 0,
        };
        let mut clauses = vec![];
        for info in list::pointers::<pg_sys::RestrictInfo>(infos) {
            if (*info).pseudoconstant {
                continue;
            }
            let tree = if pg_sys::restriction_is_securely_promotable(info, rel) {
                builder.tree((*info).clause.cast(), false)
            } else {
                Tree::Opaque
            };
            let class = classify(manifest, &tree);
            clauses.push(Clause { info, tree, class });
        }
        Clauses {
            list: clauses,
            values: builder.values,
        }
    }
}

/// The column behind an expression: a Var of this relation, below a binary-compatible relabel.
pub(super) unsafe fn plain_var(
    node: *mut pg_sys::Node,
    relid: pg_sys::Index,
) -> Option<*mut pg_sys::Var> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        if node.is_null() {
            return None;
        }
        let node = match (*node).type_ {
            Tag::T_RelabelType => (*node.cast::<pg_sys::RelabelType>()).arg.cast(),
            _ => node,
        };
        if (*node).type_ != Tag::T_Var {
            return None;
        }
        let var = node.cast::<pg_sys::Var>();
        let own = (*var).varno as u32 == relid && (*var).varlevelsup == 0 && (*var).varattno > 0;
        own.then_some(var)
    }
}

struct Builder {
    root: *mut pg_sys::PlannerInfo,
    relid: pg_sys::Index,
    values: Vec<Operand>,
    leaves: usize,
}

impl Builder {
    /// `nested`: below OR or NOT, where PostgreSQL may never evaluate a value that raises.
    unsafe fn tree(&mut self, node: *mut pg_sys::Node, nested: bool) -> Tree {
        // SAFETY: nodes of the planner are valid and tagged
        unsafe {
            let leaf = match (*node).type_ {
                Tag::T_BoolExpr => return self.connective(node.cast()),
                Tag::T_BooleanTest => return self.boolean_test(node.cast()),
                Tag::T_NullTest => self.null_test(node.cast()),
                Tag::T_OpExpr => self.operator(node.cast(), nested),
                Tag::T_DistinctExpr => self.distinct(node.cast(), nested),
                Tag::T_ScalarArrayOpExpr => self.array(node.cast(), nested),
                Tag::T_RowCompareExpr => self.row(node.cast(), nested),
                Tag::T_FuncExpr => self.function(node.cast(), nested),
                Tag::T_Var | Tag::T_RelabelType => self.boolean_column(node),
                _ => None,
            };
            if leaf.is_some() {
                self.leaves += 1;
            }
            leaf.map_or(Tree::Opaque, Tree::Leaf)
        }
    }

    unsafe fn connective(&mut self, expr: *mut pg_sys::BoolExpr) -> Tree {
        // SAFETY: as in tree
        unsafe {
            let list = list::pointers((*expr).args)
                .map(|arg| self.tree(arg, true))
                .collect::<Vec<Tree>>();
            match (*expr).boolop {
                pg_sys::BoolExprType::AND_EXPR => Tree::And(list),
                pg_sys::BoolExprType::OR_EXPR => Tree::Or(list),
                _ => list
                    .into_iter()
                    .next()
                    .map_or(Tree::Opaque, |t| Tree::Not(Box::new(t))),
            }
        }
    }

    unsafe fn boolean_test(&mut self, test: *mut pg_sys::BooleanTest) -> Tree {
        // SAFETY: as in tree
        unsafe {
            let inner = Box::new(self.tree((*test).arg.cast(), true));
            let is = |truth, inner| Tree::Is(truth, inner);
            let not = |tree| Tree::Not(Box::new(tree));
            use pg_sys::BoolTestType as T;
            match (*test).booltesttype {
                T::IS_TRUE => is(Truth::True, inner),
                T::IS_NOT_TRUE => not(is(Truth::True, inner)),
                T::IS_FALSE => is(Truth::False, inner),
                T::IS_NOT_FALSE => not(is(Truth::False, inner)),
                T::IS_UNKNOWN => is(Truth::Unknown, inner),
                T::IS_NOT_UNKNOWN => not(is(Truth::Unknown, inner)),
                _ => Tree::Opaque,
            }
        }
    }

    unsafe fn null_test(&mut self, test: *mut pg_sys::NullTest) -> Option<Leaf> {
        // SAFETY: as in tree
        unsafe {
            let var = plain_var((*test).arg.cast(), self.relid)?;
            let kind = if (*test).nulltesttype == pg_sys::NullTestType::IS_NULL {
                Test::IsNull
            } else {
                Test::IsNotNull
            };
            if (*test).argisrow {
                return None;
            }
            self.leaf(var, kind, true, None)
        }
    }

    /// `b` for `b = true`, which the planner shortens.
    unsafe fn boolean_column(&mut self, node: *mut pg_sys::Node) -> Option<Leaf> {
        // SAFETY: as in tree
        unsafe {
            let var = plain_var(node, self.relid)?;
            if encoding_of((*var).vartype) != Encoding::Bool {
                return None;
            }
            let value = pg_sys::makeBoolConst(true, false);
            self.leaf(var, Test::Compare(Op::Eq), true, Some(value))
        }
    }

    unsafe fn operator(&mut self, expr: *mut pg_sys::OpExpr, nested: bool) -> Option<Leaf> {
        // SAFETY: as in tree
        unsafe {
            let (var, value, commuted) = self.sides((*expr).args, nested)?;
            let collation = (*expr).inputcollid;
            let kind = match (*expr).opno.to_u32() {
                LIKE => Some(Test::Like),
                BEGINS_WITH => Some(Test::Prefix),
                _ => None,
            };
            if let Some(test) = kind {
                return self.beginning(var, test, value, collation, commuted);
            }
            let family = btree_family((*var).vartype)?;
            let op = Op::from_strategy(super::compat::btree_strategy((*expr).opno, family)?)?;
            let op = if commuted { op.commuted() } else { op };
            let (test, exact) =
                comparison_of((*var).vartype, pg_sys::exprType(value), collation, op)?;
            self.leaf(var, test, exact, Some(value))
        }
    }

    unsafe fn function(&mut self, expr: *mut pg_sys::FuncExpr, nested: bool) -> Option<Leaf> {
        // SAFETY: as in tree
        unsafe {
            if (*expr).funcid.to_u32() != STARTS_WITH {
                return None;
            }
            let (var, value, commuted) = self.sides((*expr).args, nested)?;
            self.beginning(var, Test::Prefix, value, (*expr).inputcollid, commuted)
        }
    }

    /// A match begins with the same bytes, whatever the order of the collation.
    unsafe fn beginning(
        &mut self,
        var: *mut pg_sys::Var,
        test: Test,
        value: *mut pg_sys::Node,
        collation: pg_sys::Oid,
        commuted: bool,
    ) -> Option<Leaf> {
        // SAFETY: as in tree
        unsafe {
            let texts = encoding_of((*var).vartype) == Encoding::Text
                && encoding_of(pg_sys::exprType(value)) == Encoding::Text;
            if commuted || !texts || !is_utf8() || !deterministic(collation) {
                return None;
            }
            self.leaf(var, test, false, Some(value))
        }
    }

    unsafe fn distinct(&mut self, expr: *mut pg_sys::DistinctExpr, nested: bool) -> Option<Leaf> {
        // SAFETY: a DistinctExpr is an OpExpr with another tag; as in tree
        unsafe {
            let (var, value, _) = self.sides((*expr).args, nested)?;
            let family = btree_family((*var).vartype)?;
            let op = Op::from_strategy(super::compat::btree_strategy((*expr).opno, family)?)?;
            let value_type = pg_sys::exprType(value);
            let found = comparison_of((*var).vartype, value_type, (*expr).inputcollid, op)?;
            if op != Op::Eq || found != (Test::Compare(Op::Eq), true) {
                return None;
            }
            self.leaf(var, Test::Distinct, true, Some(value))
        }
    }

    unsafe fn array(&mut self, expr: *mut pg_sys::ScalarArrayOpExpr, nested: bool) -> Option<Leaf> {
        // SAFETY: as in tree
        unsafe {
            let (var, value, commuted) = self.sides((*expr).args, nested)?;
            if commuted {
                return None;
            }
            let family = btree_family((*var).vartype)?;
            let op = Op::from_strategy(super::compat::btree_strategy((*expr).opno, family)?)?;
            let test = match (op, (*expr).useOr) {
                (Op::Eq, true) => Test::Any,
                (Op::Ne, false) => Test::NotAny,
                _ => return None,
            };
            let element = element_type(pg_sys::exprType(value))?;
            let (compare, exact) = comparison_of((*var).vartype, element, (*expr).inputcollid, op)?;
            if compare != Test::Compare(op) {
                return None;
            }
            self.leaf(var, test, exact, Some(value))
        }
    }

    /// `(a, b) < (x, y)`: never without `a <= x`.
    unsafe fn row(&mut self, expr: *mut pg_sys::RowCompareExpr, nested: bool) -> Option<Leaf> {
        // SAFETY: as in tree; the lists of a row comparison are as long as each other
        unsafe {
            let left = list::pointers::<pg_sys::Node>((*expr).largs).next()?;
            let right = list::pointers::<pg_sys::Node>((*expr).rargs).next()?;
            let operator = *list::oids((*expr).opnos).first()?;
            let collation = *list::oids((*expr).inputcollids).first()?;
            let (var, value, commuted) = self.pair(left, right, nested)?;
            let family = btree_family((*var).vartype)?;
            let op = Op::from_strategy(super::compat::btree_strategy(operator, family)?)?;
            let op = if commuted { op.commuted() } else { op };
            let op = match op {
                Op::Lt | Op::Le => Op::Le,
                Op::Gt | Op::Ge => Op::Ge,
                Op::Eq | Op::Ne => return None,
            };
            let found = comparison_of((*var).vartype, pg_sys::exprType(value), collation, op)?;
            self.leaf(var, found.0, false, Some(value))
        }
    }

    /// A column of ours on one side, a value that does not depend on the row on the other, and
    /// whether the value comes first.
    unsafe fn sides(
        &self,
        args: *mut pg_sys::List,
        nested: bool,
    ) -> Option<(*mut pg_sys::Var, *mut pg_sys::Node, bool)> {
        // SAFETY: as in tree
        unsafe {
            let args: Vec<*mut pg_sys::Node> = list::pointers(args).collect();
            let &[left, right] = args.as_slice() else {
                return None;
            };
            self.pair(left, right, nested)
        }
    }

    unsafe fn pair(
        &self,
        left: *mut pg_sys::Node,
        right: *mut pg_sys::Node,
        nested: bool,
    ) -> Option<(*mut pg_sys::Var, *mut pg_sys::Node, bool)> {
        // SAFETY: as in tree
        unsafe {
            let (var, value, commuted) =
                match (plain_var(left, self.relid), plain_var(right, self.relid)) {
                    (Some(var), None) => (var, right, false),
                    (None, Some(var)) => (var, left, true),
                    _ => return None,
                };
            let rels = pg_sys::pull_varnos(self.root, value);
            let usable = !pg_sys::bms_is_member(self.relid as i32, rels)
                && !pg_sys::contain_volatile_functions(value)
                && !pg_sys::contain_subplans(value)
                && (!nested || is_harmless(value));
            usable.then_some((var, value, commuted))
        }
    }

    unsafe fn leaf(
        &mut self,
        var: *mut pg_sys::Var,
        test: Test,
        exact: bool,
        value: Option<*mut pg_sys::Node>,
    ) -> Option<Leaf> {
        if self.leaves >= MOST_LEAVES {
            return None;
        }
        // SAFETY: as in tree
        let (attnum, column) = unsafe { ((*var).varattno, (*var).vartype) };
        let param = value.map(|node| {
            self.values.push(Operand { node, column });
            self.values.len() - 1
        });
        Some(Leaf {
            attnum,
            test,
            param,
            encoding: encoding_of(column),
            exact,
        })
    }
}

/// True for expressions whose evaluation cannot fail.
unsafe fn is_harmless(node: *mut pg_sys::Node) -> bool {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        match (*node).type_ {
            Tag::T_Const | Tag::T_Param | Tag::T_Var => true,
            Tag::T_RelabelType => is_harmless((*node.cast::<pg_sys::RelabelType>()).arg.cast()),
            Tag::T_FuncExpr => CLOCKS.contains(&(*node.cast::<pg_sys::FuncExpr>()).funcid.to_u32()),
            Tag::T_ArrayExpr => {
                let array = node.cast::<pg_sys::ArrayExpr>();
                !(*array).multidims
                    && list::pointers::<pg_sys::Node>((*array).elements).all(|e| is_harmless(e))
            }
            _ => false,
        }
    }
}
