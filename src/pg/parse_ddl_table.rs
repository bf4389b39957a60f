//! CREATE TABLE and CREATE INDEX as plain data.

use super::compat_parse::{is_virtual, raw_walk};
use super::ffi;
use super::list;
use super::parse_ddl_name::{dotted, is_temporary, relation, string, strings, type_text};
use super::parse_kind::{optional, text};
use crate::migration::ddl::{
    Check, Column, Constraint, ConstraintKind, CreateIndex, CreateTable, DefaultValue, Generated,
    IndexKey, Name, ObjectKind,
};
use pgrx::pg_guard;
use pgrx::pg_sys::{self, NodeTag};
use std::ffi::c_void;

/// What an expression names.
#[derive(Default)]
pub(super) struct Named {
    /// functions, in order
    pub calls: Vec<Name>,
    /// columns, each once
    pub columns: Vec<String>,
}

impl Named {
    /// Looks through an expression, or a query.
    ///
    /// # Safety
    /// NULL, or a node of the parser.
    pub(super) unsafe fn of(node: *mut pg_sys::Node) -> Named {
        let mut named = Named::default();
        // SAFETY: promised by the caller; the walk ends before the value goes
        unsafe { see(node, (&raw mut named).cast()) };
        named
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn see(node: *mut pg_sys::Node, context: *mut c_void) -> bool {
    // SAFETY: called by the parser's walk with a node or NULL, and with the value of `Named::of`; each tag is checked
    // before its cast
    unsafe {
        if node.is_null() {
            return false;
        }
        pg_sys::check_stack_depth();
        let named = &mut *context.cast::<Named>();
        match (*node).type_ {
            NodeTag::T_FuncCall => {
                let call = dotted((*node.cast::<pg_sys::FuncCall>()).funcname);
                named.calls.extend(call);
            }
            NodeTag::T_ColumnRef => {
                let mut fields = strings((*node.cast::<pg_sys::ColumnRef>()).fields);
                if let Some(column) = fields.pop()
                    && !named.columns.contains(&column)
                {
                    named.columns.push(column);
                }
                return false;
            }
            _ => {}
        }
        raw_walk(node, see, context)
    }
}

/// # Safety
/// A node of the parser.
unsafe fn default_value(node: *mut pg_sys::Node) -> DefaultValue {
    use super::parse_ddl_name::{Constant, constant};
    // SAFETY: promised by the caller
    unsafe {
        DefaultValue {
            null: matches!(constant(node), Some(Constant::Null)),
            calls: Named::of(node).calls,
        }
    }
}

/// A column with its constraints.
///
/// # Safety
/// A ColumnDef of the parser.
pub(super) unsafe fn column(def: *const pg_sys::ColumnDef) -> Column {
    use pg_sys::ConstrType as C;
    // SAFETY: promised by the caller
    unsafe {
        let type_ = (*def).typeName;
        let mut column = Column {
            name: text((*def).colname),
            type_: if type_.is_null() {
                String::new()
            } else {
                type_text(type_)
            },
            not_null: (*def).is_not_null,
            default: None,
            generated: None,
            identity: false,
            constraints: Vec::new(),
        };
        if !(*def).raw_default.is_null() {
            column.default = Some(default_value((*def).raw_default));
        }
        for one in list::pointers::<pg_sys::Constraint>((*def).constraints) {
            if (*one).type_ != NodeTag::T_Constraint {
                continue;
            }
            match (*one).contype {
                C::CONSTR_NOTNULL => column.not_null = true,
                C::CONSTR_DEFAULT => column.default = Some(default_value((*one).raw_expr)),
                C::CONSTR_IDENTITY => column.identity = true,
                C::CONSTR_GENERATED => {
                    column.generated = Some(match is_virtual(one) {
                        true => Generated::Virtual,
                        false => Generated::Stored,
                    });
                }
                _ => {
                    if let Some(mut found) = constraint(one) {
                        found.columns = vec![column.name.clone()];
                        column.constraints.push(found);
                    }
                }
            }
        }
        column
    }
}

/// `None` for what is no constraint by itself, such as DEFERRABLE.
///
/// # Safety
/// A Constraint of the parser.
pub(super) unsafe fn constraint(def: *const pg_sys::Constraint) -> Option<Constraint> {
    use pg_sys::ConstrType as C;
    // SAFETY: promised by the caller; lists hold what gram.y puts there for the type
    unsafe {
        let include = || strings((*def).including);
        let keys = || strings((*def).keys);
        let (kind, columns) = match (*def).contype {
            C::CONSTR_PRIMARY => {
                let using_index = optional((*def).indexname);
                let include = include();
                (
                    ConstraintKind::PrimaryKey {
                        using_index,
                        include,
                    },
                    keys(),
                )
            }
            C::CONSTR_UNIQUE => {
                let using_index = optional((*def).indexname);
                let include = include();
                (
                    ConstraintKind::Unique {
                        using_index,
                        include,
                    },
                    keys(),
                )
            }
            C::CONSTR_EXCLUSION => {
                // pairs of an IndexElem and its operator
                let names = list::pointers::<pg_sys::List>((*def).exclusions).filter_map(|pair| {
                    let element = list::pointers::<pg_sys::IndexElem>(pair).next()?;
                    Some(index_key(element).chosen)
                });
                let columns = names.collect();
                (ConstraintKind::Exclude { include: include() }, columns)
            }
            C::CONSTR_FOREIGN => {
                let to = relation((*def).pktable);
                (ConstraintKind::ForeignKey { to }, strings((*def).fk_attrs))
            }
            C::CONSTR_CHECK => {
                let expression = (*def).raw_expr;
                let mut check = Check::default();
                not_null(expression, &mut check.not_null);
                (ConstraintKind::Check(check), Named::of(expression).columns)
            }
            C::CONSTR_NOTNULL => (ConstraintKind::NotNull, keys()),
            _ => return None,
        };
        Some(Constraint {
            name: optional((*def).conname),
            kind,
            columns,
            not_valid: (*def).skip_validation,
        })
    }
}

/// Columns of which `c IS NOT NULL` is the expression, or a part of it joined by AND.
///
/// # Safety
/// NULL, or a node of the parser.
unsafe fn not_null(node: *const pg_sys::Node, found: &mut Vec<String>) {
    // SAFETY: promised by the caller; each tag is checked before its cast
    unsafe {
        if node.is_null() {
            return;
        }
        match (*node).type_ {
            NodeTag::T_NullTest => {
                let test = node.cast::<pg_sys::NullTest>();
                let arg = (*test).arg.cast::<pg_sys::Node>();
                if (*test).nulltesttype == pg_sys::NullTestType::IS_NOT_NULL
                    && (*arg).type_ == NodeTag::T_ColumnRef
                {
                    let fields = strings((*arg.cast::<pg_sys::ColumnRef>()).fields);
                    if let [column] = fields.as_slice() {
                        found.push(column.clone());
                    }
                }
            }
            NodeTag::T_BoolExpr => {
                let both = node.cast::<pg_sys::BoolExpr>();
                if (*both).boolop == pg_sys::BoolExprType::AND_EXPR {
                    pg_sys::check_stack_depth();
                    for arg in list::pointers::<pg_sys::Node>((*both).args) {
                        not_null(arg, found);
                    }
                }
            }
            _ => {}
        }
    }
}

/// # Safety
/// A CreateStmt of the parser, also that of a foreign table.
pub(super) unsafe fn create(stmt: *const pg_sys::CreateStmt, kind: ObjectKind) -> CreateTable {
    // SAFETY: promised by the caller; each tag is checked before its cast
    unsafe {
        let range = (*stmt).relation;
        let mut table = CreateTable {
            kind,
            table: relation(range),
            if_not_exists: (*stmt).if_not_exists,
            temporary: is_temporary(range),
            columns: Vec::new(),
            constraints: Vec::new(),
            open: !(*stmt).inhRelations.is_null()
                || !(*stmt).partbound.is_null()
                || !(*stmt).ofTypename.is_null(),
        };
        for element in list::pointers::<pg_sys::Node>((*stmt).tableElts) {
            match (*element).type_ {
                NodeTag::T_ColumnDef => table.columns.push(column(element.cast())),
                NodeTag::T_Constraint => table.constraints.extend(constraint(element.cast())),
                _ => table.open = true,
            }
        }
        for one in list::pointers::<pg_sys::Constraint>((*stmt).constraints) {
            table.constraints.extend(constraint(one));
        }
        table
    }
}

/// A table that a query fills.
///
/// # Safety
/// An IntoClause of the parser.
pub(super) unsafe fn create_as(
    into: *const pg_sys::IntoClause,
    if_not_exists: bool,
) -> CreateTable {
    // SAFETY: promised by the caller
    unsafe {
        let range = (*into).rel;
        CreateTable {
            kind: ObjectKind::Table,
            table: relation(range),
            if_not_exists,
            temporary: is_temporary(range),
            columns: Vec::new(),
            constraints: Vec::new(),
            open: true,
        }
    }
}

/// # Safety
/// An IndexElem of the parser.
unsafe fn index_key(element: *const pg_sys::IndexElem) -> IndexKey {
    use pg_sys::{SortByDir as Order, SortByNulls as Nulls};
    // SAFETY: promised by the caller; the name is palloc'd, and goes with the context
    unsafe {
        let column = optional((*element).name);
        let chosen = column.clone().unwrap_or_else(|| {
            let name = ffi::FigureIndexColname((*element).expr);
            optional(name).unwrap_or_else(|| "expr".to_owned())
        });
        let (order, nulls) = ((*element).ordering, (*element).nulls_ordering);
        let usual_order = matches!(order, Order::SORTBY_DEFAULT | Order::SORTBY_ASC)
            && matches!(
                nulls,
                Nulls::SORTBY_NULLS_DEFAULT | Nulls::SORTBY_NULLS_LAST
            );
        IndexKey {
            column,
            chosen,
            plain: usual_order && (*element).collation.is_null() && (*element).opclass.is_null(),
        }
    }
}

/// # Safety
/// An IndexStmt of the parser.
pub(super) unsafe fn index(stmt: *const pg_sys::IndexStmt) -> CreateIndex {
    // SAFETY: promised by the caller
    unsafe {
        let elements = |all| list::pointers::<pg_sys::IndexElem>(all);
        CreateIndex {
            name: optional((*stmt).idxname),
            table: relation((*stmt).relation),
            only: !(*(*stmt).relation).inh,
            unique: (*stmt).unique,
            concurrently: (*stmt).concurrent,
            if_not_exists: (*stmt).if_not_exists,
            method: text((*stmt).accessMethod),
            keys: elements((*stmt).indexParams)
                .map(|e| index_key(e))
                .collect(),
            include: elements((*stmt).indexIncludingParams)
                .map(|e| index_key(e).chosen)
                .collect(),
            partial: !(*stmt).whereClause.is_null(),
        }
    }
}

/// Whether an expression is nothing but this column.
///
/// # Safety
/// A node of the parser.
pub(super) unsafe fn is_column(node: *const pg_sys::Node, column: &str) -> bool {
    // SAFETY: promised by the caller; the tag is checked before the cast
    unsafe {
        if (*node).type_ != NodeTag::T_ColumnRef {
            return false;
        }
        let fields = (*node.cast::<pg_sys::ColumnRef>()).fields;
        let mut all = list::pointers::<pg_sys::Node>(fields);
        let first = all.next().and_then(|n| string(n));
        all.next().is_none() && first.as_deref() == Some(column)
    }
}
