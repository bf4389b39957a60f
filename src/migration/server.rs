//! What running a file asks of the server and tells its client.

use crate::error::{Error, Kind, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::{session, spi};

const ROLE: &str = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)";
const ENCODING: &str = "SELECT pg_encoding_to_char(encoding) = pg_encoding_to_char(pg_char_to_encoding($1)), \
    pg_encoding_to_char(encoding)::text FROM pg_database WHERE datname = current_database()";
const DATABASE: &str = "SELECT current_database()::text";

/// True for a setting that SET takes.
pub fn knows_setting(name: &str) -> bool {
    name.is_empty() || name.contains('.') || session::knows_setting(name)
}

pub fn role_exists(name: &str) -> Result<bool> {
    let found = as_extension_owner(|| spi::read_latest(ROLE, &[name.into()], |r| r.need(1)))?;
    Ok(found.first() == Some(&true))
}

/// A NOTICE.
pub fn tell(text: &str) {
    session::notice(text, None);
}

/// A WARNING.
pub fn warn(text: &str) {
    session::warning(text, None);
}

/// 0A000 unless a text in this encoding is one in that of the database: it has been converted already.
pub fn need_encoding(name: &str) -> Result<()> {
    if name.eq_ignore_ascii_case("utf8") || name.eq_ignore_ascii_case("utf-8") {
        return Ok(());
    }
    let found = as_extension_owner(|| {
        spi::read_latest(ENCODING, &[name.into()], |r| {
            Ok((r.get::<bool>(1)?, r.need::<String>(2)?))
        })
    })?;
    match found.into_iter().next() {
        Some((Some(false) | None, encoding)) => Err(Error::new(
            Kind::NotSupported,
            format!("\\encoding \"{name}\" is not the encoding of the database, {encoding}"),
        )),
        _ => Ok(()),
    }
}

/// Name of this database.
pub fn database() -> Result<String> {
    let here = as_extension_owner(|| spi::read_latest(DATABASE, &[], |r| r.need::<String>(1)))?;
    Ok(here.into_iter().next().unwrap_or_default())
}

/// 0A000 for another database than this one.
pub fn need_database(name: &str) -> Result<()> {
    let here = database()?;
    if here == name || name == "-" {
        return Ok(());
    }
    Err(Error::new(
        Kind::NotSupported,
        format!("\\connect to \"{name}\" leaves the database \"{here}\""),
    ))
}
