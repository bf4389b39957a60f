//! A bucket in order: listing, uploads in parts that nobody completed, small objects, presigned links.

use super::failure::{Again, Failure, failure, plain, retry};
use super::request::{quoted, unquoted};
use super::{Remote, S3};
use crate::cold::store::upkeep::{Listed, Page, SMALL_MAX, Small, Unfinished, Upkeep};
use crate::cold::store::{StoreError, StoreResult, check_key};
use aws_sdk_s3::operation::list_multipart_uploads::ListMultipartUploadsOutput;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use std::time::Duration;

impl Upkeep for S3 {
    fn list(&self, prefix: &str, from: Option<&str>) -> StoreResult<Page> {
        let (prefix, from) = (prefix.to_owned(), from.map(str::to_owned));
        self.call(move |remote| async move { list(&remote, &prefix, from).await })
    }

    fn unfinished(&self, prefix: &str) -> StoreResult<Vec<Unfinished>> {
        let prefix = prefix.to_owned();
        self.call(move |remote| async move { unfinished(&remote, &prefix).await })
    }

    fn read_small(&self, key: &str) -> StoreResult<Option<Small>> {
        check_key(key)?;
        let key = key.to_owned();
        self.call(move |remote| async move { read_small(&remote, &key).await })
    }

    fn write_small(&self, key: &str, bytes: &[u8], instead_of: Option<&str>) -> StoreResult<()> {
        check_key(key)?;
        let write = SmallWrite {
            key: key.to_owned(),
            bytes: bytes::Bytes::copy_from_slice(bytes),
            instead_of: instead_of.map(str::to_owned),
        };
        self.call(move |remote| async move { write_small(&remote, &write).await })
    }

    fn url(&self, key: &str, valid_for: Duration) -> StoreResult<String> {
        check_key(key)?;
        let key = key.to_owned();
        self.call(move |remote| async move { url(&remote, &key, valid_for).await })
    }
}

/// Microseconds since 1970.
fn micros(time: Option<&DateTime>) -> i64 {
    let nanos = time.map_or(0, DateTime::as_nanos);
    i64::try_from(nanos / 1000).unwrap_or(i64::MAX)
}

async fn list(remote: &Remote, prefix: &str, from: Option<String>) -> StoreResult<Page> {
    let own = remote.name("");
    let attempt = async || {
        let request = remote.client.list_objects_v2().bucket(&remote.bucket);
        let request = request.prefix(remote.name(prefix));
        let request = request.set_continuation_token(from.clone());
        request.send().await.map_err(|e| failure(prefix, &e))
    };
    let page = plain(retry(remote.patience, 0, prefix, attempt).await)?;
    let listed = |object: &aws_sdk_s3::types::Object| {
        Some(Listed {
            key: object.key()?.strip_prefix(&own)?.to_owned(),
            size: u64::try_from(object.size().unwrap_or(0)).unwrap_or(0),
            modified_us: micros(object.last_modified()),
        })
    };
    let more = page.is_truncated() == Some(true);
    let next = page.next_continuation_token().filter(|_| more);
    if more && next.is_none() {
        let why = format!("listing of \"{prefix}\" stops in the middle");
        return Err(StoreError::Protocol(why));
    }
    Ok(Page {
        objects: page.contents().iter().filter_map(listed).collect(),
        next: next.map(str::to_owned),
    })
}

async fn unfinished(remote: &Remote, prefix: &str) -> StoreResult<Vec<Unfinished>> {
    let own = remote.name("");
    let mut found = Vec::new();
    let mut from: Option<(String, String)> = None;
    loop {
        let Some(page) = unfinished_page(remote, prefix, from.clone()).await? else {
            return Ok(found);
        };
        found.extend(page.uploads().iter().filter_map(|upload| {
            Some(Unfinished {
                key: upload.key()?.strip_prefix(&own)?.to_owned(),
                id: upload.upload_id()?.to_owned(),
                begun_us: micros(upload.initiated()),
            })
        }));
        let markers = (page.next_key_marker(), page.next_upload_id_marker());
        from = match (page.is_truncated(), markers) {
            (Some(true), (Some(key), Some(id))) => Some((key.to_owned(), id.to_owned())),
            _ => return Ok(found),
        };
    }
}

/// `None` from stores that keep no such list.
async fn unfinished_page(
    remote: &Remote,
    prefix: &str,
    from: Option<(String, String)>,
) -> StoreResult<Option<ListMultipartUploadsOutput>> {
    let (key, id) = from.unzip();
    let attempt = async || {
        let request = remote.client.list_multipart_uploads();
        let request = request.bucket(&remote.bucket).prefix(remote.name(prefix));
        let request = request.set_key_marker(key.clone());
        let request = request.set_upload_id_marker(id.clone());
        request.send().await.map_err(|e| failure(prefix, &e))
    };
    match retry(remote.patience, 0, prefix, attempt).await {
        Ok(page) => Ok(Some(page)),
        Err(e) if matches!(e.status, Some(405 | 501)) => Ok(None),
        Err(e) => Err(e.error),
    }
}

async fn read_small(remote: &Remote, key: &str) -> StoreResult<Option<Small>> {
    let attempt = async || read_small_once(remote, key).await;
    match retry(remote.patience, SMALL_MAX, key, attempt).await {
        Ok(small) => Ok(Some(small)),
        Err(e) if e.error == StoreError::Missing => Ok(None),
        Err(e) => Err(e.error),
    }
}

async fn read_small_once(remote: &Remote, key: &str) -> Result<Small, Failure> {
    let request = remote.client.get_object();
    let request = request.bucket(&remote.bucket).key(remote.name(key));
    let answer = request.send().await.map_err(|e| failure(key, &e))?;
    let Some(etag) = answer.e_tag().map(|etag| unquoted(etag).to_owned()) else {
        let why = format!("\"{key}\": the answer has no etag");
        return Err(StoreError::Protocol(why).into());
    };
    let mut body = answer.body;
    let mut bytes = Vec::new();
    while let Some(part) = body.next().await {
        let Ok(part) = part else {
            let why = format!("\"{key}\": the answer broke off");
            return Err(Failure::of(StoreError::Unreachable(why), Again::Yes));
        };
        bytes.extend_from_slice(&part);
        if bytes.len() as u64 > SMALL_MAX {
            let why = format!("\"{key}\" has more than {SMALL_MAX} bytes");
            return Err(StoreError::Protocol(why).into());
        }
    }
    Ok(Small { bytes, etag })
}

struct SmallWrite {
    key: String,
    bytes: bytes::Bytes,
    instead_of: Option<String>,
}

async fn write_small(remote: &Remote, write: &SmallWrite) -> StoreResult<()> {
    let mut guarded = true;
    let attempt = async || {
        let free = write.instead_of.is_none();
        let request = remote
            .client
            .put_object()
            .bucket(&remote.bucket)
            .key(remote.name(&write.key))
            .content_type("application/json")
            .set_if_none_match((guarded && free).then(|| "*".to_owned()))
            .set_if_match(write.instead_of.as_deref().filter(|_| guarded).map(quoted))
            .set_server_side_encryption(super::upload::encryption(remote))
            .set_ssekms_key_id(remote.kms_key_id.clone())
            .body(ByteStream::from(write.bytes.clone()));
        let answer = request.send().await.map_err(|e| failure(&write.key, &e));
        answer
            .map(|_| ())
            .map_err(|e| super::upload::unguard(e, &mut guarded))
    };
    let size = write.bytes.len() as u64;
    let Err(failed) = retry(remote.patience, size, &write.key, attempt).await else {
        return Ok(());
    };
    // the answer to our own write may have been lost, and its repetition refused
    if (failed.status == Some(412) || failed.unknown_outcome())
        && let Ok(Some(there)) = read_small(remote, &write.key).await
        && there.bytes == write.bytes
    {
        return Ok(());
    }
    Err(match failed.error {
        // a write on the condition that something is there
        StoreError::Missing => StoreError::Changed(format!("\"{}\" is gone", write.key)),
        error => error,
    })
}

async fn url(remote: &Remote, key: &str, valid_for: Duration) -> StoreResult<String> {
    let config = PresigningConfig::expires_in(valid_for)
        .map_err(|e| StoreError::Protocol(format!("\"{key}\": {e}")))?;
    let request = remote.client.get_object();
    let request = request.bucket(&remote.bucket).key(remote.name(key));
    let signed = request.presigned(config).await;
    let signed = signed.map_err(|e| failure(key, &e).error)?;
    Ok(signed.uri().to_owned())
}
