//! Columns that a file lacks: added after the export.

use super::cold_datum::{Codec, DecodeScope};
use crate::cold::manifest::Manifest;
use crate::error::Result;
use pgrx::pg_sys;

/// Values of needed columns that the file does not have: added after the export.
pub(super) unsafe fn missing_values(
    manifest: &Manifest,
    desc: pg_sys::TupleDesc,
    owner: pg_sys::Oid,
    needed: &[i16],
) -> Result<Vec<(usize, Option<pg_sys::Datum>)>> {
    let mut out = Vec::new();
    for attnum in needed {
        let known = manifest.column(*attnum);
        if known.is_some_and(|c| c.physical.is_some()) {
            continue;
        }
        let i = (*attnum - 1) as usize;
        let value = match known {
            Some(column) => match &column.missing {
                // SAFETY: attnum is a column of this relation
                Some(text) => unsafe {
                    // reading may run constraints of domains, which are the owner's code
                    let _scope = DecodeScope::begin(owner);
                    let att = super::compat::attribute(desc, i);
                    let mut codec = Codec::new((*att).atttypid, (*att).atttypmod);
                    Some(codec.read_text(text)?)
                },
                None => None,
            },
            None => {
                let mut null = true;
                // SAFETY: attnum is a column of this relation; the value lives in its descriptor,
                // which the open relation pins
                let datum = unsafe { pg_sys::getmissingattr(desc, i32::from(*attnum), &mut null) };
                (!null).then_some(datum)
            }
        };
        out.push((i, value));
    }
    Ok(out)
}
