//! How a file starts: as whom, and with which settings. All of it ends with the file.

use super::call::Call;
use super::header::Headers;
use super::namespace::{Namespace, StartsAs};
use super::runs::Decided;
use super::text::Script;
use crate::error::{Error, Result};
use crate::pg::catalog::quote_ident;
use crate::pg::lock_watch::Watch;
use crate::pg::owner::{SettingScope, UserScope, as_extension_owner};
use crate::pg::{session, spi};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// While alive, the settings of one file are in force. What the file sets itself ends with it, too.
pub struct Settings {
    // the user first: he was the last to be changed
    _user: Option<UserScope>,
    _settings: SettingScope,
    _watch: Watch,
}

impl Settings {
    /// Errors of settings that the server refuses are raised.
    #[must_use]
    pub fn begin(
        namespace: &Namespace,
        headers: &Headers,
        call: &Call,
        starts_as: &StartsAs,
    ) -> Settings {
        let settings = SettingScope::new();
        if let StartsAs::Role(role) = starts_as {
            settings.set("role", role);
        }
        let tenant = call.tenant.as_ref();
        let path = call
            .search_path
            .clone()
            .or_else(|| headers.search_path_text())
            .or_else(|| tenant.map(|t| format!("{}, public", quote_ident(t))))
            .or_else(|| namespace.search_path.clone());
        if let Some(path) = path {
            settings.set("search_path", &path);
        }
        let lock_timeout = headers
            .lock_timeout_ms
            .map_or(call.lock_timeout_ms, i64::from);
        settings.set("lock_timeout", &lock_timeout.to_string());
        settings.set("standard_conforming_strings", "on");
        let user = match starts_as {
            StartsAs::Confined(role) => Some(UserScope::local(*role)),
            StartsAs::Caller | StartsAs::Role(_) => None,
        };
        Settings {
            _user: user,
            _settings: settings,
            _watch: Watch::begin(lock_timeout),
        }
    }
}

impl Settings {
    /// Sets what the file has set before its last commit: in this call, or in an earlier one, where others may have run it.
    pub fn carry(&self, values: &Values, earlier: bool) {
        let set = |name: &str, value: &str| match (&self._user, earlier) {
            // what anybody could set then may be a superuser's by now: the setting of a library that has been loaded
            (Some(_), _) => self._settings.set_as_user(name, value),
            (None, true) => self._settings.set_as_session(name, value),
            (None, false) => self._settings.set(name, value),
        };
        let others = values.0.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let others = others.filter(|(name, _)| !ROLES.contains(name));
        // the role last: the others are what the session may set, and a session authorization resets it
        others.for_each(|(name, value)| set(name, value));
        for name in ROLES {
            match values.0.get(name) {
                Some(value) if self._user.is_none() => set(name, value),
                _ => {}
            }
        }
    }

    /// What the file has set in this part, and what it had `carried`, as a commit would leave it.
    #[must_use]
    pub fn lasting(&self, carried: &Values) -> Values {
        let mut values = carried.clone();
        let set = self._settings.lasting();
        let set = set
            .into_iter()
            .filter(|(name, _)| !OF_A_TRANSACTION.contains(&name.as_str()));
        values.0.extend(set);
        values
    }
}

/// What ends with each transaction, whatever is said.
const OF_A_TRANSACTION: [&str; 4] = [
    "transaction_isolation",
    "transaction_read_only",
    "transaction_deferrable",
    "seed",
];
// without those that a transaction or a session brings along
const NAMES: &str = "SELECT name FROM pg_show_all_settings() WHERE source IN ('session', 'client') \
    AND (context = 'user' OR context = 'superuser' AND $1) \
    AND name NOT IN ('transaction_isolation', 'transaction_read_only', 'transaction_deferrable', 'application_name', \
      'client_encoding', 'seed')";
/// Not listed by the server, in the order in which they are to be set.
const ROLES: [&str; 2] = ["session_authorization", "role"];

/// Settings and their values, as text in their own units.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values(BTreeMap<String, String>);

impl Values {
    pub fn to_json(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self).map_err(|e| Error::internal(e.to_string()))
    }

    pub fn from_json(json: serde_json::Value) -> Result<Values> {
        serde_json::from_value(json).map_err(|e| Error::internal(e.to_string()))
    }
}

/// What a process that is connected anew must set to be as a file is: what the session has set, what the file starts with,
/// and what it has `changed`. The role is told apart.
pub fn for_a_process(
    changed: &Values,
    decided: &Decided<'_>,
    script: &Script<'_>,
) -> Result<serde_json::Value> {
    let _settings = decided.settings(script);
    let connected = match decided.starts_as {
        StartsAs::Confined(role) => role,
        StartsAs::Caller | StartsAs::Role(_) => session::session_user(),
    };
    let mut found = set_here(session::is_superuser_role(connected))?;
    found.extend(changed.0.clone());
    ROLES.iter().for_each(|name| drop(found.remove(*name)));
    serde_json::to_value(found).map_err(|e| Error::internal(e.to_string()))
}

/// What the session, or the file that runs in it, has set as things are now; for a process that is to be as it.
pub fn of_the_session() -> Result<serde_json::Value> {
    serde_json::to_value(set_here(session::is_superuser())?)
        .map_err(|e| Error::internal(e.to_string()))
}

/// Those whose values are the session's. `superuser`: whether the process may set what only superusers set.
fn set_here(superuser: bool) -> Result<BTreeMap<String, String>> {
    // names first: the values are those of the caller
    let names =
        as_extension_owner(|| spi::read_kept(NAMES, &[superuser.into()], |r| r.need::<String>(1)))?;
    let value = |name: String| {
        let value = session::setting(&name)?;
        Some((name, value))
    };
    Ok(names.into_iter().filter_map(value).collect())
}
