//! A limit to the run time of this process's work: statement_timeout by hand, since the server arms it for
//! clients only (postgres.c, start_xact_command).

/// STATEMENT_TIMEOUT in utils/timeout.h, the same in PostgreSQL 15 to 18; pgrx has no binding.
const STATEMENT_TIMEOUT: u32 = 3;

unsafe extern "C" {
    fn enable_timeout_after(id: u32, delay_ms: i32);
    fn disable_timeout(id: u32, keep_indicator: bool);
}

/// While alive, work that takes longer is cancelled with 57014, also between two transactions.
pub struct Limit(bool);

impl Limit {
    /// 0: no limit.
    #[must_use]
    pub fn new(limit_ms: i64) -> Limit {
        let limit_ms = i32::try_from(limit_ms).unwrap_or(i32::MAX);
        if limit_ms > 0 {
            // SAFETY: every process that is connected to a database has registered this timeout
            unsafe { enable_timeout_after(STATEMENT_TIMEOUT, limit_ms) }
        }
        Limit(limit_ms > 0)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        if self.0 {
            // SAFETY: as above
            unsafe { disable_timeout(STATEMENT_TIMEOUT, false) }
        }
    }
}
