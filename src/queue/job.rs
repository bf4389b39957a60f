//! What a pusher may say of a job.

use crate::error::{Error, Kind, Result};
use crate::pg::call::Value;

/// What a push does whose key is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDuplicate {
    /// nothing, and returns NULL
    #[default]
    Skip,
    /// nothing, and returns the id of the job that has the key
    Id,
    /// the new job takes the place of the old one
    Replace,
    /// the old job gets the new payload and keeps its time
    ReplacePayload,
    /// error 23505
    Error,
}

impl OnDuplicate {
    /// Reads the argument `on_duplicate`; 22023 for anything else.
    pub fn parse(text: &str) -> Result<OnDuplicate> {
        match text {
            "skip" => Ok(OnDuplicate::Skip),
            "id" => Ok(OnDuplicate::Id),
            "replace" => Ok(OnDuplicate::Replace),
            "replace_payload" => Ok(OnDuplicate::ReplacePayload),
            "error" => Ok(OnDuplicate::Error),
            other => Err(Error::new(
                Kind::InvalidParameter,
                format!("on_duplicate \"{other}\" is not known"),
            )
            .hint("Use 'skip', 'id', 'replace', 'replace_payload' or 'error'.")),
        }
    }
}

/// Reads the argument `unique_until`: true for 'start', false for 'done'; 22023 for anything else.
pub fn until_start(text: &str) -> Result<bool> {
    match text {
        "done" => Ok(false),
        "start" => Ok(true),
        other => Err(Error::new(
            Kind::InvalidParameter,
            format!("unique_until \"{other}\" is not known"),
        )
        .hint("Use 'done' or 'start'.")),
    }
}

/// A key of which only one job of the queue may live.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unique {
    pub key: String,
    pub on_duplicate: OnDuplicate,
    /// the key becomes free when the job starts, not when it has ended
    pub until_start: bool,
    /// but not before so many microseconds after the push
    pub for_us: Option<i64>,
}

/// A new job.
#[derive(Clone, Default)]
pub struct NewJob {
    /// jsonb
    pub payload: Option<Value>,
    /// text
    pub kind: Option<Value>,
    pub unique: Option<Unique>,
    pub group_key: Option<String>,
    /// -50 .. 50
    pub priority: i32,
    /// `None`: as the queue says
    pub max_attempts: Option<i32>,
    /// microseconds since 2000-01-01 UTC
    pub run_at: Option<i64>,
    /// ids of jobs that must have ended before
    pub after: Vec<i64>,
    /// the stream of SQL jobs that it belongs to; `None`: jobs for clients
    pub stream: Option<i32>,
    /// of a job that comes back from the history; `None`: a new one
    pub id: Option<i64>,
    /// a number that the caller has drawn from the sequence
    pub seq: Option<i64>,
    /// jsonb: errors of earlier lives
    pub errors: Option<Value>,
}

/// How a job ended.
#[derive(Clone)]
pub enum Outcome {
    /// its worker said so
    Done { result: Option<Value> },
    /// for good: no attempt is left, or its worker said so. The errors are in the row
    Failed,
    /// somebody has cancelled it
    Cancelled { reason: Option<String> },
}

impl Outcome {
    /// As in the column `state` of the history.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Done { .. } => "done",
            Outcome::Failed => "failed",
            Outcome::Cancelled { .. } => "cancelled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_and_others_refused() {
        assert_eq!(
            OnDuplicate::parse("replace").ok(),
            Some(OnDuplicate::Replace)
        );
        assert!(OnDuplicate::parse("Skip").is_err());
        assert_eq!(until_start("start").ok(), Some(true));
        assert_eq!(until_start("done").ok(), Some(false));
        assert!(until_start("").is_err());
    }
}
