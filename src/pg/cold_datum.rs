//! Values between PostgreSQL's Datum and the cells of a cold file.

use super::cold_slot;
use super::owner::{SettingScope, UserScope};
use crate::cold::mapping::{self, Cell, CellRef, Encoding};
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;
use std::ffi::CStr;

/// Settings under which text forms are written and read: no session can change what they mean.
const PINNED: [(&str, &str); 9] = [
    ("datestyle", "ISO, YMD"),
    ("intervalstyle", "postgres"),
    ("timezone", "UTC"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("lc_monetary", "C"),
    ("xmloption", "content"),
    ("array_nulls", "on"),
    ("search_path", "pg_catalog"),
];

/// Pins the settings that text forms depend on, until the scope ends.
#[must_use]
pub fn pin_settings() -> SettingScope {
    let scope = SettingScope::new();
    for (name, value) in PINNED {
        scope.set(name, value);
    }
    scope
}

/// True when the server stores text as the files do.
pub fn is_utf8() -> bool {
    // SAFETY: asks for a number
    unsafe { pg_sys::GetDatabaseEncoding() == pg_sys::pg_enc::PG_UTF8 as i32 }
}

/// Converts the values of one column. Its function look-ups live in the memory context that was
/// current at creation.
pub struct Codec {
    pub encoding: Encoding,
    base_type: pg_sys::Oid,
    typmod: i32,
    output: Box<pg_sys::FmgrInfo>,
    input: Box<pg_sys::FmgrInfo>,
    io_param: pg_sys::Oid,
    send: Option<Box<pg_sys::FmgrInfo>>,
    utf8: bool,
    /// where functions keep what they remember between calls
    context: pg_sys::MemoryContext,
}

fn look_up(function: pg_sys::Oid, context: pg_sys::MemoryContext) -> Box<pg_sys::FmgrInfo> {
    let mut info = Box::new(pg_sys::FmgrInfo::default());
    // SAFETY: the box gives the struct a stable address; the context outlives the codec's user
    unsafe { pg_sys::fmgr_info_cxt(function, &mut *info, context) };
    info
}

/// The type below all domains, and its type modifier.
pub fn base_type(type_oid: pg_sys::Oid, typmod: i32) -> (pg_sys::Oid, i32) {
    let mut typmod = typmod;
    // SAFETY: a syscache look-up of an existing type
    let base = unsafe { pg_sys::getBaseTypeAndTypmod(type_oid, &mut typmod) };
    (base, typmod)
}

/// The encoding that a column of this type has in a file written now.
pub fn encoding_of(type_oid: pg_sys::Oid) -> Encoding {
    let (base, _) = base_type(type_oid, -1);
    mapping::encoding_for(type_oid.to_u32(), base.to_u32())
}

impl Codec {
    pub fn new(type_oid: pg_sys::Oid, typmod: i32) -> Self {
        let (base_type, typmod) = base_type(type_oid, typmod);
        let (mut input, mut io_param) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
        let (mut output, mut varlena) = (pg_sys::InvalidOid, false);
        // SAFETY: syscache look-ups of an existing type; out pointers live on this stack
        let context = unsafe {
            pg_sys::getTypeInputInfo(base_type, &mut input, &mut io_param);
            pg_sys::getTypeOutputInfo(base_type, &mut output, &mut varlena);
            pg_sys::CurrentMemoryContext
        };
        Codec {
            encoding: mapping::encoding_for(type_oid.to_u32(), base_type.to_u32()),
            base_type,
            typmod,
            output: look_up(output, context),
            input: look_up(input, context),
            io_param,
            send: None,
            utf8: is_utf8(),
            context,
        }
    }

    /// True when reading the text form depends on settings or may run constraints of domains.
    pub fn is_sensitive(&self) -> bool {
        const PLAIN: [u32; 26] = [
            1700, 114, 3802, 869, 650, 829, 774, 1560, 1562, 3220, 3614, 1042, 19, 18, 600, 601,
            602, 603, 604, 628, 718, 1266, 2970, 27, 28, 29,
        ];
        if self.encoding != Encoding::TypeText || PLAIN.contains(&self.base_type.to_u32()) {
            return false;
        }
        // SAFETY: a syscache look-up of an existing type
        let kind = unsafe { pg_sys::get_typtype(self.base_type) } as u8;
        kind != pg_sys::TYPTYPE_ENUM
    }

    /// The value as it is stored. Text forms need [`pin_settings`].
    pub fn encode(&mut self, datum: pg_sys::Datum) -> Cell {
        use Encoding as E;
        match self.encoding {
            E::Int => Cell::Int(match self.base_type {
                pg_sys::INT2OID => i64::from(datum.value() as i16),
                pg_sys::INT4OID => i64::from(datum.value() as i32),
                _ => datum.value() as i64,
            }),
            E::Bool => Cell::Int(i64::from(datum.value() as u8 != 0)),
            E::Float4 => mapping::float_to_cell(f64::from(f32::from_bits(datum.value() as u32))),
            E::Float8 => mapping::float_to_cell(f64::from_bits(datum.value() as u64)),
            E::Oid => Cell::Int(i64::from(datum.value() as u32)),
            E::Xid8 => mapping::xid8_to_cell(datum.value() as u64),
            E::Date => Cell::Int(mapping::date_to_stored(datum.value() as i32)),
            E::Time => Cell::Int(datum.value() as i64),
            E::Timestamp | E::TimestampTz => {
                match mapping::timestamp_to_stored(datum.value() as i64) {
                    Some(us) => Cell::Int(us),
                    None => self.encode_text(datum),
                }
            }
            // SAFETY: a uuid is passed by reference to 16 bytes
            E::Uuid => Cell::Text(mapping::uuid_to_text(unsafe {
                &*datum.cast_mut_ptr::<[u8; 16]>()
            })),
            // SAFETY: both are varlenas
            E::Bytea => Cell::Blob(unsafe { varlena_bytes(datum) }.to_vec()),
            // SAFETY: as above
            E::Text => self.text_cell(unsafe { varlena_bytes(datum) }),
            E::TypeText => self.encode_text(datum),
        }
    }

    fn encode_text(&mut self, datum: pg_sys::Datum) -> Cell {
        // SAFETY: the output function of the value's own type; the result is a NUL terminated
        // string in the current memory context
        unsafe {
            let text = pg_sys::OutputFunctionCall(&mut *self.output, datum);
            let cell = self.text_cell(CStr::from_ptr(text).to_bytes());
            pg_sys::pfree(text.cast());
            cell
        }
    }

    fn text_cell(&self, bytes: &[u8]) -> Cell {
        let converted;
        let bytes = if self.utf8 {
            bytes
        } else {
            converted = to_utf8(bytes);
            &converted
        };
        match std::str::from_utf8(bytes) {
            Ok(text) => Cell::Text(text.to_owned()),
            Err(_) => Cell::Blob(bytes.to_vec()),
        }
    }

    /// The value behind a cell that is not NULL, allocated in the current memory context.
    pub fn decode(&mut self, cell: CellRef<'_>) -> Result<pg_sys::Datum> {
        use Encoding as E;
        let misfit = || {
            Error::new(
                Kind::DataCorrupted,
                format!(
                    "unexpected {cell:?} in a column stored as {}",
                    self.encoding.as_str()
                ),
            )
        };
        Ok(match (self.encoding, cell) {
            (E::Int, CellRef::Int(v)) => match self.base_type {
                pg_sys::INT2OID => i16::try_from(v).map_err(|_| misfit())?.into(),
                pg_sys::INT4OID => i32::try_from(v).map_err(|_| misfit())?.into(),
                _ => v.into(),
            },
            (E::Bool, CellRef::Int(v)) => (v != 0).into(),
            (E::Float4, c) => {
                let v = mapping::float_from_cell(c).ok_or_else(misfit)? as f32;
                pg_sys::Datum::from(v.to_bits())
            }
            (E::Float8, c) => {
                let v = mapping::float_from_cell(c).ok_or_else(misfit)?;
                pg_sys::Datum::from(v.to_bits())
            }
            (E::Oid, CellRef::Int(v)) => {
                pg_sys::Datum::from(u32::try_from(v).map_err(|_| misfit())?)
            }
            (E::Xid8, c) => pg_sys::Datum::from(mapping::xid8_from_cell(c).ok_or_else(misfit)?),
            (E::Date, CellRef::Int(v)) => mapping::date_from_stored(v).ok_or_else(misfit)?.into(),
            (E::Time, CellRef::Int(v)) => mapping::time_from_stored(v).ok_or_else(misfit)?.into(),
            (E::Timestamp | E::TimestampTz, CellRef::Int(v)) => {
                mapping::timestamp_from_stored(v).ok_or_else(misfit)?.into()
            }
            (E::Uuid, CellRef::Text(t)) => {
                let bytes = mapping::uuid_from_text(t).ok_or_else(misfit)?;
                cold_slot::fixed(bytes)
            }
            (E::Bytea, CellRef::Blob(b)) => cold_slot::varlena(b),
            (E::Text, CellRef::Text(t) | CellRef::Blob(t)) => {
                if self.utf8 {
                    cold_slot::varlena(t)
                } else {
                    cold_slot::varlena(&from_utf8(t))
                }
            }
            (E::TypeText | E::Timestamp | E::TimestampTz, CellRef::Text(t) | CellRef::Blob(t)) => {
                self.decode_text(t)?
            }
            _ => return Err(misfit()),
        })
    }

    /// The value behind its text form (not a stored cell).
    pub fn read_text(&mut self, text: &str) -> Result<pg_sys::Datum> {
        self.decode_text(text.as_bytes())
    }

    fn decode_text(&mut self, text: &[u8]) -> Result<pg_sys::Datum> {
        let mut bytes = if self.utf8 {
            text.to_vec()
        } else {
            from_utf8(text)
        };
        if bytes.contains(&0) {
            return Err(Error::new(Kind::DataCorrupted, "NUL inside a stored text"));
        }
        bytes.push(0);
        // SAFETY: a NUL terminated string for the input function of the column's own type
        Ok(unsafe {
            pg_sys::InputFunctionCall(
                &mut *self.input,
                bytes.as_mut_ptr().cast(),
                self.io_param,
                self.typmod,
            )
        })
    }

    /// The value's binary form: its send function's; the text form for types without one, and for
    /// all that the server does not come with, since arrays and composites send OIDs of types, which
    /// are others after a restore.
    pub fn send(&mut self, datum: pg_sys::Datum) -> Vec<u8> {
        let built_in = self.base_type.to_u32() < pg_sys::FirstNormalObjectId;
        if self.send.is_none() && built_in {
            // SAFETY: a syscache look-up of an existing type
            let function = unsafe { type_send(self.base_type) };
            self.send = function.map(|f| look_up(f, self.context));
        }
        match &mut self.send {
            // SAFETY: the send function of the value's own type returns a fresh bytea
            Some(send) => unsafe {
                let bytes = pg_sys::SendFunctionCall(&mut **send, datum);
                let out = pgrx::varlena_to_byte_slice(bytes.cast()).to_vec();
                pg_sys::pfree(bytes.cast());
                out
            },
            None => match self.encode_text(datum) {
                Cell::Text(t) => t.into_bytes(),
                Cell::Blob(b) => b,
                _ => vec![],
            },
        }
    }
}

/// # Safety
/// Must run inside a transaction.
unsafe fn type_send(type_oid: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: the tuple is released before the OID, a plain number, is used
    unsafe {
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::TYPEOID as i32,
            pg_sys::Datum::from(type_oid),
        );
        if tuple.is_null() {
            return None;
        }
        let form = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_type>();
        let send = (*form).typsend;
        pg_sys::ReleaseSysCache(tuple);
        (send != pg_sys::InvalidOid).then_some(send)
    }
}

/// # Safety
/// `datum` must be a varlena. The slice lives as long as the (detoasted) value.
unsafe fn varlena_bytes<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    // SAFETY: promised by the caller; a toasted value is expanded in the current context
    unsafe {
        let value = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
        pgrx::varlena_to_byte_slice(value)
    }
}

fn to_utf8(bytes: &[u8]) -> Vec<u8> {
    convert(bytes, |p, n| {
        // SAFETY: pointer and length describe the slice
        unsafe { pg_sys::pg_server_to_any(p, n, pg_sys::pg_enc::PG_UTF8 as i32) }
    })
}

fn from_utf8(bytes: &[u8]) -> Vec<u8> {
    convert(bytes, |p, n| {
        // SAFETY: pointer and length describe the slice
        unsafe { pg_sys::pg_any_to_server(p, n, pg_sys::pg_enc::PG_UTF8 as i32) }
    })
}

fn convert(
    bytes: &[u8],
    f: impl FnOnce(*const core::ffi::c_char, i32) -> *mut core::ffi::c_char,
) -> Vec<u8> {
    // SQL_ASCII has no encoding: its bytes are kept as they are
    // SAFETY: asks for a number
    if unsafe { pg_sys::GetDatabaseEncoding() } == pg_sys::pg_enc::PG_SQL_ASCII as i32 {
        return bytes.to_vec();
    }
    let mut text = bytes.to_vec();
    text.push(0);
    let converted = f(text.as_ptr().cast(), bytes.len() as i32);
    // SAFETY: the result is the argument itself or a fresh NUL terminated string
    unsafe { CStr::from_ptr(converted) }.to_bytes().to_vec()
}

/// Reading sensitive text forms: pinned settings, and the owner's rights for domain constraints.
pub struct DecodeScope {
    _settings: SettingScope,
    _user: UserScope,
}

impl DecodeScope {
    /// Until it is dropped, inner functions run as `owner`, the owner of the table that the values are for.
    #[must_use]
    pub fn begin(owner: pg_sys::Oid) -> Self {
        let settings = pin_settings();
        // an empty tsquery says so each time that it is read
        settings.set("client_min_messages", "warning");
        DecodeScope {
            _settings: settings,
            _user: UserScope::restricted(owner),
        }
    }
}
