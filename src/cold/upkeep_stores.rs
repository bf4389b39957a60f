//! The stores behind a server for the upkeep of a whole folder, which may hold files of several owners.

use super::server_options;
use super::servers::pairs;
use super::store::{ObjectStore, StoreError, StoreResult, open_store};
use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use std::rc::Rc;

const SERVER: &str = "SELECT s.srvoptions, r.rolsuper FROM pg_foreign_server s \
    JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw JOIN pg_roles r ON r.oid = s.srvowner \
    WHERE s.srvname = $1 AND w.fdwname = 'strata_sqlite'";

// PUBLIC's first, then the server owner's, then those of owners whose chunks go there
const MAPPINGS: &str = "SELECT m.umoptions FROM pg_user_mapping m JOIN pg_foreign_server s ON s.oid = m.umserver \
    WHERE s.srvname = $1 ORDER BY m.umuser <> 0, m.umuser <> s.srvowner, m.umuser NOT IN \
    (SELECT c.relowner FROM strata.cold_setting t JOIN pg_class c ON c.oid = t.hypertable WHERE t.server = $1), m.oid";

/// One server with the credentials of each of its user mappings.
pub struct Stores(Vec<Rc<dyn ObjectStore>>);

impl Stores {
    /// `None` when there is no such server of our wrapper.
    pub fn of(server: &str) -> Result<Option<Stores>> {
        let (found, mappings) = as_extension_owner(|| {
            let found = spi::read_latest(SERVER, &[server.into()], |row| {
                Ok((row.get::<Vec<String>>(1)?, row.need::<bool>(2)?))
            })?;
            let mappings =
                spi::read_latest(MAPPINGS, &[server.into()], |row| row.get::<Vec<String>>(1))?;
            Ok::<_, crate::error::Error>((found, mappings))
        })?;
        let Some((options, owned_by_superuser)) = found.into_iter().next() else {
            return Ok(None);
        };
        let mut options = server_options::parse_server(&pairs(options))?;
        options.ambient_credentials = Some(options.ambient(owned_by_superuser));
        let mut mappings = mappings
            .into_iter()
            .map(|m| server_options::parse_mapping(&pairs(m)))
            .collect::<Result<Vec<_>>>()?;
        mappings.dedup();
        if mappings.is_empty() {
            mappings.push(server_options::parse_mapping(&[])?);
        }
        let stores = mappings.iter().map(|m| open_store(&options, m));
        Ok(Some(Stores(stores.collect::<Result<_>>()?)))
    }

    /// Asks with one user mapping after the other while the store refuses.
    pub fn ask<T>(&self, question: impl Fn(&dyn ObjectStore) -> StoreResult<T>) -> StoreResult<T> {
        let mut refused = StoreError::Forbidden(String::from("no user mapping"));
        for store in &self.0 {
            match question(store.as_ref()) {
                Err(e @ StoreError::Forbidden(_)) => refused = e,
                answer => return answer,
            }
        }
        Err(refused)
    }
}
