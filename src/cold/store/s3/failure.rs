//! What a failed request means, and whether asking again can help.

use crate::cold::store::{StoreError, StoreResult};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use std::error::Error;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// First pause between two attempts; doubled each time.
const PAUSE: Duration = Duration::from_millis(100);

/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// May the same request be sent again?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// The store has decided.
    No,
    /// The store is busy or the connection broke.
    Yes,
    /// No answer in time: one more try, or a hanging store would cost minutes.
    Once,
}

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: StoreError,
    pub again: Again,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
}

impl Failure {
    pub fn of(error: StoreError, again: Again) -> Failure {
        Failure {
            error,
            again,
            status: None,
        }
    }

    /// A decision of the store, or of ours.
    pub fn final_(error: StoreError) -> Failure {
        Failure::of(error, Again::No)
    }

    /// True if a write may have taken effect although its answer is missing.
    pub fn unknown_outcome(&self) -> bool {
        self.again != Again::No
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::final_(error)
    }
}

/// How often and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub request_timeout: Duration,
    pub max_retries: u32,
}

impl Patience {
    /// Time for one attempt that moves so many bytes: one second more per megabyte.
    pub fn limit(&self, bytes: u64) -> Duration {
        self.request_timeout + Duration::from_secs(bytes >> 20)
    }
}

/// Sends the request until it succeeds, the store has decided, or the retries are used up.
pub(super) async fn retry<T>(
    patience: Patience,
    bytes: u64,
    key: &str,
    mut attempt: impl AsyncFnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let limit = patience.limit(bytes);
    let (mut number, mut timeouts) = (0, 0);
    loop {
        let answer = tokio::time::timeout(limit, attempt()).await;
        let failure = match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::of(
                StoreError::Timeout(format!("\"{key}\" within {} ms", limit.as_millis())),
                Again::Once,
            ),
        };
        timeouts += u32::from(failure.again == Again::Once);
        let used_up = number >= patience.max_retries || timeouts > 1;
        if failure.again == Again::No || used_up {
            return Err(failure);
        }
        tokio::time::sleep(pause(number)).await;
        number += 1;
    }
}

/// Doubling pauses, each somewhere in its upper half so that backends do not come back together.
fn pause(number: u32) -> Duration {
    let full = PAUSE.saturating_mul(1 << number.min(10)).min(PAUSE_MAX);
    let random = RandomState::new().build_hasher().finish() % 1000;
    let random = u32::try_from(random).unwrap_or(0);
    full / 2 + full / 2 * random / 1000
}

/// Translates what the SDK reports for a request on `key`.
pub(super) fn failure<E>(key: &str, error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(e) => answered(key, e.raw().status().as_u16(), e.err().code()),
        SdkError::TimeoutError(_) => timed_out(key),
        SdkError::DispatchFailure(e) if e.is_timeout() => timed_out(key),
        SdkError::ResponseError(e) => {
            let status = Some(e.raw().status().as_u16());
            Failure {
                status,
                ..Failure::of(StoreError::Protocol(root_cause(key, error)), Again::Yes)
            }
        }
        _ if caused_by_credentials(error) => Failure::final_(StoreError::Forbidden(format!(
            "no usable credentials for {}",
            root_cause(key, error)
        ))),
        SdkError::DispatchFailure(_) => {
            Failure::of(StoreError::Unreachable(root_cause(key, error)), Again::Yes)
        }
        _ => Failure::final_(StoreError::Protocol(root_cause(key, error))),
    }
}

/// The body of an answer stopped early.
pub(super) fn cut_short(wanted: u64, got: u64) -> Failure {
    Failure::of(StoreError::Short { wanted, got }, Again::Yes)
}

fn timed_out(key: &str) -> Failure {
    Failure::of(StoreError::Timeout(format!("\"{key}\"")), Again::Once)
}

/// An answer with an error status. Codes of the store are shown, its texts are not: they may repeat
/// parts of the signed request.
fn answered(key: &str, status: u16, code: Option<&str>) -> Failure {
    let code: String = code
        .unwrap_or("")
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(60)
        .collect();
    let text = match code.as_str() {
        "" => format!("status {status} for \"{key}\""),
        _ => format!("status {status} {code} for \"{key}\""),
    };
    let expired = matches!(
        code.as_str(),
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" | "RequestExpired"
    );
    let (error, again) = match status {
        404 if code == "NoSuchBucket" => (StoreError::Unreachable(text), Again::No),
        404 => (StoreError::Missing, Again::No),
        412 => (StoreError::Changed(text), Again::No),
        416 => (
            StoreError::Changed(format!("{text}: the range lies beyond its end")),
            Again::No,
        ),
        403 if code == "InvalidObjectState" => (
            StoreError::Io(format!("{text}: it is archived and must be restored first")),
            Again::No,
        ),
        401 | 403 => (StoreError::Forbidden(text), Again::No),
        400 if expired => (StoreError::Forbidden(text), Again::No),
        // 409: another conditional write was under way
        408 | 409 | 429 | 500 | 502 | 503 | 504 => (StoreError::Unreachable(text), Again::Yes),
        _ if code == "SlowDown" => (StoreError::Unreachable(text), Again::Yes),
        301 | 307 | 308 => (
            StoreError::Protocol(format!("{text}: check the options region and endpoint")),
            Again::No,
        ),
        _ => (StoreError::Protocol(text), Again::No),
    };
    Failure {
        error,
        again,
        status: Some(status),
    }
}

fn caused_by_credentials(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|e| e.is::<CredentialsError>())
}

/// The innermost cause, in one line.
fn root_cause(key: &str, error: &(dyn Error + 'static)) -> String {
    let cause = causes(error).last().map(ToString::to_string);
    let line: String = cause
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(200)
        .collect();
    format!("\"{key}\": {line}")
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |e: &&'a (dyn Error + 'static)| (*e).source())
}

/// Drops what only the retry loop needs.
pub(super) fn plain<T>(answer: Result<T, Failure>) -> StoreResult<T> {
    answer.map_err(|failure| failure.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        let kind = |status, code| {
            let f = answered("k", status, Some(code));
            (f.error, f.again)
        };
        assert_eq!(kind(404, ""), (StoreError::Missing, Again::No));
        assert!(matches!(
            kind(404, "NoSuchBucket"),
            (StoreError::Unreachable(_), Again::No)
        ));
        assert!(matches!(
            kind(403, "AccessDenied"),
            (StoreError::Forbidden(_), Again::No)
        ));
        assert!(matches!(
            kind(403, "InvalidObjectState"),
            (StoreError::Io(_), Again::No)
        ));
        assert!(matches!(
            kind(400, "ExpiredToken"),
            (StoreError::Forbidden(_), Again::No)
        ));
        assert!(matches!(
            kind(400, "Other"),
            (StoreError::Protocol(_), Again::No)
        ));
        assert!(matches!(kind(412, ""), (StoreError::Changed(_), Again::No)));
        assert!(matches!(kind(416, ""), (StoreError::Changed(_), Again::No)));
        for status in [429, 500, 503, 409] {
            assert!(matches!(
                kind(status, ""),
                (StoreError::Unreachable(_), Again::Yes)
            ));
        }
        let text = answered("k", 403, Some("Bad\nCode <b>")).error.to_string();
        assert_eq!(text, "access refused: status 403 BadCodeb for \"k\"");
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for number in 0..40 {
            let p = pause(number);
            let full = PAUSE.saturating_mul(1 << number.min(10)).min(PAUSE_MAX);
            assert!(p >= full / 2 && p <= full, "{number}: {p:?}");
        }
    }
}
