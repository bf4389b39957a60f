//! Arguments of statements in the form that SPI takes.

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;

/// Arguments as SPI takes them.
pub(super) struct Arguments {
    pub(super) types: Vec<pg_sys::Oid>,
    pub(super) values: Vec<pg_sys::Datum>,
    pub(super) nulls: Vec<core::ffi::c_char>,
}

impl Arguments {
    pub(super) fn new(args: &[DatumWithOid<'_>]) -> Arguments {
        let mut out = Arguments {
            types: args.iter().map(DatumWithOid::oid).collect(),
            values: Vec::with_capacity(args.len()),
            nulls: Vec::with_capacity(args.len()),
        };
        for arg in args {
            let datum = arg.datum();
            let mark = if datum.is_some() { b' ' } else { b'n' };
            out.nulls.push(mark as core::ffi::c_char);
            out.values
                .push(datum.map_or(pg_sys::Datum::null(), |d| d.sans_lifetime()));
        }
        out
    }
}
