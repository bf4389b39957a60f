//! How far a long job is, where other sessions see it at once: the server's own progress reports.
//!
//! A transaction that reads a chunk for an hour cannot say so in a table. It says so as a COPY TO would.

use pgrx::pg_sys;

/// Rows between two reports.
const EVERY: i64 = 128;

/// Reports the rows of one relation until it is dropped.
pub struct Progress {
    rows: i64,
}

impl Progress {
    #[must_use]
    pub fn begin(relation: pg_sys::Oid) -> Self {
        // SAFETY: writes to the own entry of the status array
        unsafe {
            pg_sys::pgstat_progress_start_command(
                pg_sys::ProgressCommandType::PROGRESS_COMMAND_COPY,
                relation,
            );
        }
        set(
            pg_sys::PROGRESS_COPY_COMMAND,
            i64::from(pg_sys::PROGRESS_COPY_COMMAND_TO),
        );
        set(
            pg_sys::PROGRESS_COPY_TYPE,
            i64::from(pg_sys::PROGRESS_COPY_TYPE_FILE),
        );
        Progress { rows: 0 }
    }

    /// One row more.
    pub fn row(&mut self) {
        self.rows += 1;
        if self.rows % EVERY == 0 {
            set(pg_sys::PROGRESS_COPY_TUPLES_PROCESSED, self.rows);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // SAFETY: as in begin
        unsafe { pg_sys::pgstat_progress_end_command() }
    }
}

fn set(index: u32, value: i64) {
    // SAFETY: writes to the own entry of the status array; the index is one of COPY's
    unsafe { pg_sys::pgstat_progress_update_param(index as i32, value) }
}
