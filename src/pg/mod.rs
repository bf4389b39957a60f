//! Everything that touches PostgreSQL's C interface: the only folder with `unsafe`.
//!
//! A wrapper here returns owned or lifetime-bound safe values, checks its own preconditions and
//! releases by Drop. No rule of a noun lives here: nouns register functions or implement traits.

use std::sync::atomic::{AtomicBool, Ordering};

pub mod anyvalue;
pub mod catalog;
pub mod compat;
pub mod guc;
pub mod owner;
pub mod partition;
pub mod spi;
pub mod subxact;

/// Installs settings and hooks. Under pg_upgrade nothing but the settings is installed.
pub fn init() {
    guc::init();
    PRELOADED.store(preloading(), Ordering::Relaxed);
}

static PRELOADED: AtomicBool = AtomicBool::new(false);

/// True when the library was loaded with the server, so that workers start by themselves.
pub fn preloaded() -> bool {
    PRELOADED.load(Ordering::Relaxed)
}

/// True while the postmaster loads `shared_preload_libraries`.
pub fn preloading() -> bool {
    // SAFETY: a plain global flag, read in the main thread
    unsafe { pgrx::pg_sys::process_shared_preload_libraries_in_progress }
}

/// True in a server that pg_upgrade started.
pub fn binary_upgrade() -> bool {
    // SAFETY: a plain global flag, read in the main thread
    unsafe { pgrx::pg_sys::IsBinaryUpgrade }
}

/// Raises a NOTICE, with a hint when there is one.
pub fn notice(message: &str, hint: Option<&str>) {
    use pgrx::pg_sys::panic::ErrorReport;
    let mut report = ErrorReport::new(
        pgrx::PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
        message.to_string(),
        "",
    );
    if let Some(hint) = hint {
        report = report.set_hint(hint.to_string());
    }
    report.report(pgrx::PgLogLevel::NOTICE);
}
