//! One function per request; all run on the I/O thread.

use super::Remote;
use super::failure::{Again, Failure, cut_short, failure, plain, retry};
use crate::cold::store::{Meta, StoreError, StoreResult};
use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// A range of one object.
#[derive(Debug, Clone)]
pub(super) struct Range {
    pub key: String,
    pub etag: String,
    pub start: u64,
    pub len: u64,
    /// Size of the whole object, where known.
    pub total: Option<u64>,
}

/// Exactly the bytes of the range, or the reason why not.
pub(super) async fn get(remote: &Remote, range: &Range) -> StoreResult<Vec<u8>> {
    if range.len == 0 {
        return Ok(Vec::new());
    }
    // never closed; reads ahead must not crowd out the one that is waited for by much
    let _permit = remote.permits.acquire().await;
    let attempt = async || get_once(remote, range).await;
    plain(retry(remote.patience, range.len, &range.key, attempt).await)
}

async fn get_once(remote: &Remote, range: &Range) -> Result<Vec<u8>, Failure> {
    let status = Status::default();
    let answer = remote
        .client
        .get_object()
        .bucket(&remote.bucket)
        .key(remote.name(&range.key))
        .if_match(quoted(&range.etag))
        .range(format!(
            "bytes={}-{}",
            range.start,
            range.start + range.len - 1
        ))
        .customize()
        .interceptor(status.clone())
        .mutate_request(|request| {
            // compressed ranges would be ranges of something else
            request.headers_mut().insert("accept-encoding", "identity");
        })
        .send()
        .await
        .map_err(|e| failure(&range.key, &e))?;
    check_answer(range, status.get(), &answer)?;
    let mut body = answer.body;
    let mut bytes = Vec::with_capacity(usize::try_from(range.len).unwrap_or(0));
    while let Some(part) = body.next().await {
        let Ok(part) = part else {
            return Err(cut_short(range.len, bytes.len() as u64));
        };
        bytes.extend_from_slice(&part);
        if bytes.len() as u64 > range.len {
            return Err(odd(range, "more bytes than asked for").into());
        }
    }
    if bytes.len() as u64 != range.len {
        return Err(cut_short(range.len, bytes.len() as u64));
    }
    Ok(bytes)
}

/// 206, exactly our range, the recorded size and identity, no encoding.
fn check_answer(range: &Range, status: u16, answer: &GetObjectOutput) -> Result<(), Failure> {
    if status != 206 {
        let why = format!("the store ignored the range, status {status} instead of 206");
        return Err(odd(range, &why).into());
    }
    if let Some(encoding) = answer.content_encoding()
        && !matches!(encoding, "" | "identity")
    {
        return Err(odd(range, "the store encoded the content").into());
    }
    // stores that ignore If-Match exist
    if let Some(etag) = answer.e_tag()
        && unquoted(etag) != range.etag
    {
        let why = format!("\"{}\" has another etag than recorded", range.key);
        return Err(StoreError::Changed(why).into());
    }
    let text = answer.content_range().unwrap_or("none");
    let Some((start, end, total)) = parse_content_range(text) else {
        return Err(odd(range, "no usable Content-Range").into());
    };
    if let (Some(total), Some(expected)) = (total, range.total)
        && total != expected
    {
        let why = format!(
            "\"{}\" has {total} bytes, {expected} were recorded",
            range.key
        );
        return Err(StoreError::Changed(why).into());
    }
    let last = range.start + range.len - 1;
    if start == range.start && end < last && total == Some(end + 1) {
        let (wanted, got) = (last + 1, end + 1);
        return Err(StoreError::Short { wanted, got }.into());
    }
    if (start, end) != (range.start, last) {
        return Err(odd(range, &format!("Content-Range {start}-{end}")).into());
    }
    Ok(())
}

fn odd(range: &Range, why: &str) -> StoreError {
    let last = range.start + range.len - 1;
    StoreError::Protocol(format!(
        "\"{}\" bytes {}-{last}: {why}",
        range.key, range.start
    ))
}

/// `bytes 0-99/1234`, with `*` for an unknown total.
fn parse_content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end) = (start.parse().ok()?, end.parse().ok()?);
    let total = match total {
        "*" => None,
        _ => Some(total.parse().ok()?),
    };
    (start <= end).then_some((start, end, total))
}

/// Size, identity and the recorded hash.
pub(super) async fn head(remote: &Remote, key: &str) -> StoreResult<Meta> {
    let attempt = async || head_once(remote, key).await;
    plain(retry(remote.patience, 0, key, attempt).await)
}

pub(super) async fn head_once(remote: &Remote, key: &str) -> Result<Meta, Failure> {
    let request = remote.client.head_object();
    let request = request.bucket(&remote.bucket).key(remote.name(key));
    let answer = request.send().await.map_err(|e| failure(key, &e))?;
    let size = answer.content_length().and_then(|n| u64::try_from(n).ok());
    let (Some(size), Some(etag)) = (size, answer.e_tag()) else {
        let why = format!("\"{key}\": the answer has no size or no etag");
        return Err(Failure::of(StoreError::Protocol(why), Again::No));
    };
    Ok(Meta {
        size,
        etag: unquoted(etag).to_owned(),
        sha256: answer.metadata().and_then(|m| m.get("sha256").cloned()),
    })
}

/// A missing object is what was wanted.
pub(super) async fn delete(remote: &Remote, key: &str) -> StoreResult<()> {
    let attempt = async || {
        let request = remote.client.delete_object();
        let request = request.bucket(&remote.bucket).key(remote.name(key));
        let answer = request.send().await.map_err(|e| failure(key, &e));
        match answer {
            Err(e) if e.error == StoreError::Missing => Ok(()),
            other => other.map(|_| ()),
        }
    };
    plain(retry(remote.patience, 0, key, attempt).await)
}

pub(super) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

pub(super) fn unquoted(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"')
}

/// The status of a successful answer, which the SDK does not hand out.
#[derive(Debug, Clone, Default)]
struct Status(Arc<AtomicU16>);

impl Status {
    fn get(&self) -> u16 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Intercept for Status {
    fn name(&self) -> &'static str {
        "Status"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let status = context.response().status().as_u16();
        self.0.store(status, Ordering::Relaxed);
        Ok(())
    }
}

/// Values of object metadata travel as headers: what is not printable ASCII is written `%hh`.
pub(super) fn metadata(sha256: &str, meta: &[(&str, String)]) -> HashMap<String, String> {
    let printable = |value: &str| {
        let mut text = String::new();
        for byte in value.bytes() {
            match byte {
                b' '..=b'~' if byte != b'%' => text.push(char::from(byte)),
                _ => text.push_str(&format!("%{byte:02x}")),
            }
        }
        text
    };
    let named = meta
        .iter()
        .map(|(name, value)| ((*name).to_owned(), printable(value)));
    let hash = ("sha256".to_owned(), sha256.to_owned());
    named.chain([hash]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        assert_eq!(
            parse_content_range("bytes 0-99/100"),
            Some((0, 99, Some(100)))
        );
        assert_eq!(parse_content_range("bytes 5-5/*"), Some((5, 5, None)));
        for bad in [
            "",
            "none",
            "bytes 0-99",
            "bytes */100",
            "bytes 9-5/10",
            "0-9/10",
            "bytes a-b/c",
        ] {
            assert_eq!(parse_content_range(bad), None, "{bad}");
        }
    }

    #[test]
    fn etags() {
        assert_eq!(unquoted("\"abc-3\""), "abc-3");
        assert_eq!(unquoted("W/\"abc\""), "abc");
        assert_eq!(unquoted("abc"), "abc");
    }

    #[test]
    fn metadata_is_ascii() {
        let meta = metadata("abc", &[("range", "a–b 5%\n".into())]);
        assert_eq!(meta["range"], "a%e2%80%93b 5%25%0a");
        assert_eq!(meta["sha256"], "abc");
    }
}
