//! Switching the current user and settings for a scope, undone by Drop (on error by the transaction).

use pgrx::pg_sys;
use std::ffi::CString;

/// While alive, the current user id is another one.
pub struct UserScope {
    user: pg_sys::Oid,
    context: i32,
}

impl UserScope {
    /// Becomes `user` inside a security-restricted operation, as VACUUM does for table owners.
    #[must_use]
    pub fn restricted(user: pg_sys::Oid) -> Self {
        Self::enter(
            user,
            (pg_sys::SECURITY_RESTRICTED_OPERATION | pg_sys::SECURITY_LOCAL_USERID_CHANGE) as i32,
        )
    }

    /// Becomes the owner of a table in order to read all of its rows, or for a command by which core checks
    /// foreign keys (ATTACH, DETACH, ADD FOREIGN KEY): like [`UserScope::restricted`], and forced policies
    /// hide nothing from it, as in core's checks of single rows.
    #[must_use]
    pub fn reader(owner: pg_sys::Oid) -> Self {
        Self::enter(
            owner,
            (pg_sys::SECURITY_RESTRICTED_OPERATION
                | pg_sys::SECURITY_LOCAL_USERID_CHANGE
                | pg_sys::SECURITY_NOFORCE_RLS) as i32,
        )
    }

    /// Becomes `user`; SET ROLE is refused meanwhile.
    #[must_use]
    pub fn local(user: pg_sys::Oid) -> Self {
        Self::enter(user, pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32)
    }

    fn enter(user: pg_sys::Oid, flags: i32) -> Self {
        let mut saved = UserScope {
            user: pg_sys::InvalidOid,
            context: 0,
        };
        // SAFETY: both out pointers live on this stack; the switch is undone by Drop or by abort
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut saved.user, &mut saved.context);
            pg_sys::SetUserIdAndSecContext(user, saved.context | flags);
        }
        saved
    }
}

impl Drop for UserScope {
    fn drop(&mut self) {
        // SAFETY: restores the pair that was current when this scope began
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) }
    }
}

/// While alive, settings made through [`SettingScope::set`] are in force; then the old ones return.
pub struct SettingScope {
    level: i32,
}

impl SettingScope {
    #[must_use]
    pub fn new() -> Self {
        SettingScope {
            // SAFETY: opens a nest level that Drop closes
            level: unsafe { pg_sys::NewGUCNestLevel() },
        }
    }

    /// Sets `name` to `value` until the scope ends.
    pub fn set(&self, name: &str, value: &str) {
        set_option(name, value, Rank::Any, pg_sys::GucAction::GUC_ACTION_SAVE);
    }

    /// The same, where the session may: 42501 for what only a superuser sets.
    pub fn set_as_session(&self, name: &str, value: &str) {
        set_option(
            name,
            value,
            Rank::Session,
            pg_sys::GucAction::GUC_ACTION_SAVE,
        );
    }

    /// The same, where the current user may.
    pub fn set_as_user(&self, name: &str, value: &str) {
        set_option(name, value, Rank::User, pg_sys::GucAction::GUC_ACTION_SAVE);
    }

    pub(super) fn level(&self) -> i32 {
        self.level
    }
}

impl Default for SettingScope {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for SettingScope {
    fn drop(&mut self) {
        // SAFETY: closes the nest level that `new` opened; inner ones are closed with it
        unsafe { pg_sys::AtEOXact_GUC(false, self.level) }
    }
}

/// SET LOCAL: until the end of the transaction.
pub fn set_local(name: &str, value: &str) {
    set_option(name, value, Rank::Any, pg_sys::GucAction::GUC_ACTION_LOCAL);
}

/// Whose rights to change a setting count.
enum Rank {
    Any,
    Session,
    User,
}

fn set_option(name: &str, value: &str, rank: Rank, action: pg_sys::GucAction::Type) {
    let (Ok(name), Ok(value)) = (CString::new(name), CString::new(value)) else {
        return;
    };
    // SAFETY: both strings are NUL terminated and outlive the call
    unsafe {
        let any = match rank {
            Rank::Any => true,
            Rank::Session => pg_sys::superuser_arg(pg_sys::GetSessionUserId()),
            Rank::User => pg_sys::superuser_arg(pg_sys::GetUserId()),
        };
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            if any {
                pg_sys::GucContext::PGC_SUSET
            } else {
                pg_sys::GucContext::PGC_USERSET
            },
            pg_sys::GucSource::PGC_S_SESSION,
            action,
            true,
            0,
            false,
        );
    }
}

/// The owner of the extension, or `None` where it is not installed in this database.
pub fn extension_owner() -> Option<pg_sys::Oid> {
    super::catalog::extension().map(|e| e.owner)
}

/// Runs catalog work of ours as the extension's owner under `search_path = pg_catalog, pg_temp`.
///
/// No expression, trigger, cast or default of a user may run inside `f`. That rules out every query of a
/// user's table, however harmless it looks: the planner folds index expressions, index predicates and CHECKs
/// of the table, and so calls IMMUTABLE functions in them. Such questions go through [`super::reader`].
pub fn as_extension_owner<T>(f: impl FnOnce() -> T) -> T {
    let settings = SettingScope::new();
    settings.set("search_path", "pg_catalog, pg_temp");
    let _user = extension_owner().map(UserScope::local);
    f()
}

/// Runs `f`, which makes tables of ours: of the usual kind and in the usual place, whatever the session has set.
/// The owner of the extension may put them anywhere, and a user must not have him do so.
pub fn making_tables<T>(f: impl FnOnce() -> T) -> T {
    let settings = SettingScope::new();
    settings.set("default_table_access_method", "heap");
    settings.set("default_tablespace", "");
    f()
}
