//! May a router read rows of its source before the rows before them are written?
//!
//! A maker costs 15 to 35 ms, and as much again for each chunk when they come one by one; chunks made in
//! one run cost 2 to 3 ms each. So after the first miss the router reads ahead. It must not change what
//! the statement does: a volatile function may look at rows that were written, or count them.

use super::list;
use pgrx::pg_sys;
use std::collections::BTreeSet;
use std::ffi::CStr;

/// Rows that a router takes ahead at once, at most.
pub(super) const ROWS: usize = 1000;
/// Bytes of rows, roughly.
pub(super) const BYTES: usize = 4 << 20;

/// Volatile functions of the server that depend on nothing which the statement changes, as long as no
/// other volatile function and no trigger watches them.
const HARMLESS: [&[u8]; 7] = [
    b"nextval",
    b"random",
    b"random_normal",
    b"gen_random_uuid",
    b"uuidv7",
    b"clock_timestamp",
    b"timeofday",
];

/// True when rows may be read ahead.
///
/// # Safety
/// `node` must be initialised.
pub(super) unsafe fn allowed(node: *mut pg_sys::ModifyTableState) -> bool {
    // SAFETY: promised by the caller; the target is open
    unsafe {
        let root = (*(*node).rootResultRelInfo).ri_RelationDesc;
        let triggers = (*root).trigdesc;
        if !triggers.is_null()
            && ((*triggers).trig_insert_before_row
                || (*triggers).trig_update_before_row
                || (*triggers).trig_delete_before_row)
        {
            return false;
        }
        let statement = (*(*node).ps.state).es_plannedstmt;
        // parts of a statement that write take turns, row by row, and may use the same sequence
        let alone = !(*statement).hasModifyingCTE;
        functions_are_harmless((*statement).planTree.cast(), alone)
            && list::pointers::<pg_sys::Node>((*statement).subplans)
                .all(|plan| plan.is_null() || functions_are_harmless(plan, alone))
    }
}

/// Looks at all functions that a plan names, by its text: there is no walker over plans. `may_count`: so
/// may they, and be random.
unsafe fn functions_are_harmless(plan: *const pg_sys::Node, may_count: bool) -> bool {
    // SAFETY: nodeToString writes any plan, as parallel workers need it; NUL terminated and palloc'd
    unsafe {
        let text = pg_sys::nodeToString(plan.cast());
        let found = function_numbers(CStr::from_ptr(text).to_bytes());
        pg_sys::pfree(text.cast());
        found
            .into_iter()
            .all(|number| is_harmless(pg_sys::Oid::from(number), may_count))
    }
}

unsafe fn is_harmless(function: pg_sys::Oid, may_count: bool) -> bool {
    // SAFETY: look-ups of a function that a plan names; the name is palloc'd
    unsafe {
        if pg_sys::func_volatile(function) as u8 != pg_sys::PROVOLATILE_VOLATILE {
            return true;
        }
        let name = pg_sys::get_func_name(function);
        if name.is_null() || !may_count {
            return false;
        }
        let name = CStr::from_ptr(name).to_bytes();
        function.to_u32() < pg_sys::FirstNormalObjectId && HARMLESS.contains(&name)
    }
}

/// OIDs after `:funcid`, `:opfuncid`, `:aggfnoid` and their like; 0 stands for none.
fn function_numbers(plan: &[u8]) -> BTreeSet<u32> {
    let mut words = plan.split(|c| matches!(c, b' ' | b'\n' | b')' | b'}'));
    let mut out = BTreeSet::new();
    while let Some(word) = words.next() {
        let names_one =
            word.starts_with(b":") && (word.ends_with(b"funcid") || word.ends_with(b"fnoid"));
        if !names_one {
            continue;
        }
        let number = words.next().and_then(|w| std::str::from_utf8(w).ok());
        if let Some(number) = number.and_then(|w| w.parse().ok()).filter(|n| *n != 0) {
            out.insert(number);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::function_numbers;

    #[test]
    fn functions_are_found_in_the_text_of_a_plan() {
        let plan =
            b"{FUNCEXPR :funcid 1574 :funcresulttype 20 :args ({OPEXPR :opno 96 :opfuncid 65})}\
                     {AGGREF :aggfnoid 2803 :x}{WINDOWFUNC :winfnoid 3100 :y} :hashfuncid 0)";
        let found: Vec<u32> = function_numbers(plan).into_iter().collect();
        assert_eq!(found, [65, 1574, 2803, 3100]);
    }

    #[test]
    fn text_of_users_adds_at_most_a_function() {
        let found: Vec<u32> = function_numbers(b":constvalue \"a :funcid x\" :funcid")
            .into_iter()
            .collect();
        assert!(found.is_empty());
    }
}
